"""The story of a run, from the recorded histories of real runs."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowHistory

from euryale.runs.story import StoryLine, story, with_retries

UNIT = Path(__file__).parent / "histories"
REPLAY = Path(__file__).parents[1] / "replay" / "histories"


def told(file: Path) -> tuple[StoryLine, ...]:
    return story(WorkflowHistory.from_json("run", file.read_text()).events)


def test_each_call_has_its_name_its_attempts_and_what_it_took() -> None:
    lines = told(UNIT / "mixed.json")
    assert [(line.kind, line.name, line.state, line.attempts) for line in lines] == [
        ("start", "", "completed", 0),
        ("call", "greeter.greet", "completed", 1),
        ("call", "greeter.greet", "completed", 1),
        ("call", "greeter.greeted", "completed", 1),
        ("call", "greeter.greet", "failed", 1),
        ("child workflow", "rest", "completed", 0),
        ("end", "", "completed", 0),
    ]
    for line in lines[1:-1]:
        assert line.took is not None
        assert timedelta(0) < line.took < timedelta(seconds=1)
    assert lines[3].received > lines[1].received
    assert lines[1].summary is not None
    assert lines[1].summary.data == b'"name=Ada"'


def test_a_failed_call_tells_what_it_failed_with() -> None:
    lines = told(UNIT / "mixed.json")
    assert lines[4].text == "ValueError: there is nobody to greet"


def test_a_failed_run_ends_with_its_failure() -> None:
    *_, end = told(UNIT / "fail.json")
    assert (end.kind, end.state) == ("end", "failed")
    assert end.text.startswith("ValueError: ")


def test_a_child_that_was_cancelled_tells_who_asked_and_what_was_taken_back() -> None:
    lines = told(REPLAY / "sample" / "timed-out-child.json")
    assert [(line.kind, line.name, line.state) for line in lines[3:]] == [
        ("timer", "", "cancelled"),
        ("cancel", "", "completed"),
        ("call", "item.put-back", "completed"),
        ("call", "item.put-back", "completed"),
        ("end", "", "cancelled"),
    ]


@pytest.mark.parametrize("file", sorted(REPLAY.rglob("*.json")), ids=lambda file: file.stem)
def test_a_finished_run_leaves_nothing_under_way_and_its_lines_are_in_order(file: Path) -> None:
    lines = told(file)
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    assert all(line.state != "under way" for line in lines)


def test_what_goes_on_is_under_way() -> None:
    events = list(WorkflowHistory.from_json("run", (UNIT / "mixed.json").read_text()).events)
    line = story(events[:5])[-1]
    assert (line.kind, line.state, line.took) == ("call", "under way", None)


def test_the_start_tells_how_long_the_run_waited_for_its_first_worker() -> None:
    events = list(WorkflowHistory.from_json("run", (UNIT / "mixed.json").read_text()).events)
    untaken, taken = story(events[:2])[0], story(events)[0]
    assert untaken.took is None
    assert taken.took is not None
    assert timedelta(0) < taken.took < timedelta(seconds=1)


def test_a_call_that_is_tried_again_tells_how_often_it_was_and_what_it_fails_with() -> None:
    events = list(WorkflowHistory.from_json("run", (UNIT / "mixed.json").read_text()).events)
    lines = story(events[:5])
    failing = PendingActivityInfo(
        activity_id=lines[-1].activity_id,
        attempt=9,
        last_failure=Failure(
            message="the database is away",
            application_failure_info=ApplicationFailureInfo(type="ConnectionError"),
        ),
    )
    call = with_retries(lines, [failing])[-1]
    assert (call.state, call.attempts) == ("under way", 9)
    assert call.text == "tried again after ConnectionError: the database is away"
    waiting = PendingActivityInfo(activity_id=lines[-1].activity_id, attempt=1)
    assert with_retries(lines, [waiting]) == lines
