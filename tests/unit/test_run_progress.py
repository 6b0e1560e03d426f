"""Progress is folded from the recorded histories of real runs."""

from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf import json_format
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.client import WorkflowHistory

from euryale.errors import DataInvalid
from euryale.jobs.given_data import parse_data
from euryale.runs.progress import Progress

HISTORIES = Path(__file__).parent / "histories"


def events(name: str) -> list[HistoryEvent]:
    text = (HISTORIES / f"{name}.json").read_text()
    return list(WorkflowHistory.from_json(name, text).events)


def folded(recorded: list[HistoryEvent]) -> Progress:
    progress = Progress()
    for event in recorded:
        progress = progress.after(event)
    return progress


def test_finished_calls_and_child_workflows_are_counted_by_name_in_their_order() -> None:
    progress = folded(events("mixed"))
    assert list(progress.finished.items()) == [
        ("greeter.greet", 2),
        ("greeter.greeted", 1),
        ("rest", 1),
    ]
    assert progress.failed == {"greeter.greet": 1}
    assert progress.under_way == {}


def test_a_completed_run_has_its_result_and_its_time() -> None:
    recorded = events("mixed")
    progress = folded(recorded)
    assert progress.status == "completed"
    assert progress.result is not None
    assert progress.result.payloads[0].data == b'{"greeted":2}'
    first, last = recorded[0].event_time, recorded[-1].event_time
    assert progress.elapsed == last.ToDatetime() - first.ToDatetime() > timedelta(0)


def test_a_failed_run_has_its_failure() -> None:
    progress = folded(events("fail"))
    assert progress.status == "failed"
    assert progress.failure is not None
    assert progress.failure.application_failure_info.type == "ValueError"
    assert progress.result is None


def test_a_call_is_under_way_between_its_start_and_its_end() -> None:
    seen = []
    progress = Progress()
    for event in events("fail"):
        progress = progress.after(event)
        seen.append(list(progress.under_way.values()))
    assert ["greeter.greet"] in seen
    assert seen[-1] == []


def test_an_event_that_comes_again_is_counted_once() -> None:
    recorded = events("mixed")
    assert folded([*recorded[:20], *recorded]) == folded(recorded)


def test_the_fold_leaves_the_progress_before_as_it_was() -> None:
    recorded = events("mixed")
    before = folded(recorded[:-1])
    before.after(recorded[-1])
    assert before.ended is None
    assert before.status == "running"


def test_a_failed_workflow_task_is_told_until_a_worker_goes_on() -> None:
    recorded = events("mixed")
    (first_completed,) = [
        index
        for index, event in enumerate(recorded)
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    ][:1]
    failed = HistoryEvent(
        event_id=recorded[first_completed].event_id,
        event_type=EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    )
    failed.workflow_task_failed_event_attributes.failure.message = "not served here"
    progress = folded([*recorded[:first_completed], failed])
    assert progress.stuck == "not served here"
    later = HistoryEvent()
    later.CopyFrom(recorded[first_completed])
    later.event_id = failed.event_id + 1
    assert progress.after(later).stuck == ""


def test_a_terminated_run_has_the_reason_that_was_given() -> None:
    history = json_format.ParseDict(
        {
            "events": [
                {
                    "eventId": "3",
                    "eventTime": "2026-01-01T00:00:00Z",
                    "eventType": "EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED",
                    "workflowExecutionTerminatedEventAttributes": {"reason": "wrong day"},
                }
            ]
        },
        History(),
    )
    progress = folded(list(history.events))
    assert (progress.status, progress.reason) == ("terminated", "wrong day")


@pytest.mark.parametrize("text", ["", "{", "3", "[1]", "null"])
def test_data_that_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(DataInvalid, match=r"--data|object"):
        parse_data(text)


def test_data_is_read_as_json() -> None:
    assert parse_data('{"names": ["Ada"], "limit": null}') == {"names": ["Ada"], "limit": None}
