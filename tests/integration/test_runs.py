"""Runs on a real Temporal server: what handlers may do, and what happens when they err."""

import asyncio
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
import sample_app
import structlog
from sample_runs import Sample, sample_plugin
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.worker import Worker

import euryale.services.durable_calls
from euryale import Euryale, EuryalePlugin
from euryale.worker import make_worker


class Nothing:
    """A service, since an application has at least one."""


async def calls_of(handle: WorkflowHandle[object, object]) -> Counter[str]:
    """How often each activity was scheduled in a run."""
    history = await handle.fetch_history()
    return Counter(
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    )


async def test_each_call_of_a_service_is_an_activity_under_its_own_name(sample: Sample) -> None:
    handle = await sample.start("cases", {"case": "loop", "with": {"count": 3}})
    assert await handle.result() == 3
    assert await calls_of(handle) == {"item.add": 3}
    assert (await handle.describe()).workflow_type == "cases"


async def test_a_call_has_a_summary_and_named_arguments(sample: Sample) -> None:
    handle = await sample.start("cases", {"case": "loop", "with": {"count": 1}})
    await handle.result()
    (scheduled,) = [
        event
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert json.loads(scheduled.user_metadata.summary.data) == "item=id='0' size=0"
    (arguments,) = scheduled.activity_task_scheduled_event_attributes.input.payloads
    assert json.loads(arguments.data) == {"item": {"id": "0", "size": 0}}


async def test_a_thousand_calls_at_once_all_finish(sample: Sample) -> None:
    assert await sample.run("at_once", count=1_000) == 1_000


async def test_arguments_of_five_megabytes_leave_in_several_tasks(sample: Sample) -> None:
    assert await sample.run("at_once", count=5, size=1_000_000) == 5_000_000


async def test_an_exception_fails_the_run_under_its_own_type_and_message(sample: Sample) -> None:
    failure = await sample.failure("raises")
    assert failure.type == "KeyError"
    assert failure.message == "'the moon'"
    assert failure.non_retryable


async def test_asking_the_process_to_exit_fails_the_run(sample: Sample) -> None:
    assert (await sample.failure("exits")).type == "SystemExit"


@pytest.mark.parametrize(
    ("case", "name", "way"),
    [
        ("asks_the_time", "datetime.datetime.now", "container.now()"),
        ("rolls_dice", "random.random", "container.random()"),
        ("makes_a_uuid", "uuid.uuid4", "container.uuid4()"),
        ("opens_a_file", "open", "service"),
        ("opens_a_database", "sqlite3.connect", "service"),
        ("sleeps", "time.sleep", "asyncio.sleep"),
    ],
)
async def test_what_is_not_durable_fails_the_run_with_its_line_and_the_durable_way(
    sample: Sample, case: str, name: str, way: str
) -> None:
    failure = await sample.failure(case)
    assert failure.type == "HandlerNotDurable"
    assert "sample_jobs/cases.py:" in failure.message
    assert name in failure.message
    assert way in failure.message


async def test_a_handler_that_blocks_fails_its_run_and_names_the_line(sample: Sample) -> None:
    failure = await sample.failure("blocks")
    assert failure.type == "HandlerBlocked"
    assert "sample_jobs/cases.py:" in failure.message


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        ("unknown_service", "ServiceUnknown", "did you mean 'item'?"),
        ("unknown_method", "MethodUnknown", "did you mean 'add'?"),
        ("unnamed_method", "MethodUnknown", "named parameters"),
        ("wrong_type", "ArgumentsInvalid", "text: Input should be a valid string"),
        ("missing_argument", "ArgumentsInvalid", "missing a required argument: 'text'"),
        ("large_argument", "PayloadTooLarge", "arguments of item.echo"),
        ("large_result", "PayloadTooLarge", "result of item.large"),
        ("unwritable_result", "PydanticSerializationError", "object"),
        ("returns_much", "PayloadTooLarge", "result of 'cases'"),
        ("returns_an_object", "PydanticSerializationError", "object"),
        ("raises_much", "ValueError", "xxx"),
        ("raises_much_underneath", "RuntimeError", "short"),
        ("raises_in_a_group", "KeyError", "the moon"),
        ("shouts", "ValueError", "xxx"),
        ("large_child", "PayloadTooLarge", "child workflow"),
        ("finds_nothing", "ItemMissing", "no item moon"),
    ],
)
async def test_bad_input_fails_the_run_with_a_sentence(
    sample: Sample, case: str, kind: str, words: str
) -> None:
    failure = await sample.failure(case)
    assert failure.type == kind
    assert words.lower() in failure.message.lower()


async def test_a_handler_may_catch_what_a_call_failed_with(sample: Sample) -> None:
    assert await sample.run("catches") == "caught ItemMissing: no item moon"


async def test_a_failed_call_keeps_the_activity_as_its_cause(sample: Sample) -> None:
    failure = await sample.failure("finds_nothing")
    assert isinstance(failure.cause, ActivityError)
    assert failure.cause.activity_type == "item.find"


async def test_a_call_that_fails_is_tried_again_under_the_same_key(
    sample: Sample, journal: sample_app.Journal
) -> None:
    journal.failures_left = 2
    assert await sample.run("loop", count=1) == 1
    assert journal.entries == ["add 0"] * 3
    assert len(set(journal.keys)) == 1


async def test_retries_end_where_the_job_says(sample: Sample, journal: sample_app.Journal) -> None:
    journal.failures_left = 9
    handle = await sample.start("impatient", {"add": True})
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "LampBroken"
    assert journal.entries == ["add x"] * 2


async def test_a_run_near_the_history_limit_fails_early_and_says_what_to_do(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(euryale.services.durable_calls, "HISTORY_EVENTS", 60)
    failure = await sample.failure("loop", count=100)
    assert failure.type == "HistoryTooLong"
    assert "many items in one call" in failure.message


async def test_data_is_validated_and_typed(sample: Sample) -> None:
    handle = await sample.start("arguments", {"limit": "7"})
    result = await handle.result()
    assert isinstance(result, dict)
    assert result["limit"] == 7
    assert result["plugin_options"] == {}
    assert result["scheduled_for"] <= result["now"]


async def test_a_run_without_input_gets_the_data_of_its_config(sample: Sample) -> None:
    result = await (await sample.start("arguments")).result()
    assert isinstance(result, dict)
    assert result["limit"] == 3


async def test_data_of_the_wrong_type_fails_the_run(sample: Sample) -> None:
    with pytest.raises(WorkflowFailureError) as caught:
        await (await sample.start("arguments", {"limit": "many"})).result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "DataInvalid"
    assert "data.limit" in caught.value.cause.message


async def test_time_randomness_and_log_lines_are_the_same_under_replay(
    client: Client, journal: sample_app.Journal
) -> None:
    # Without a cache every workflow task replays the run from its beginning.
    plugin = sample_plugin()
    with structlog.testing.capture_logs() as lines:
        async with Worker(client, task_queue="sample", plugins=[plugin], max_cached_workflows=0):
            seen = await Sample(client).run("is_replay_safe")
    assert isinstance(seen, list)
    assert len(set(seen)) == 15
    assert [line["number"] for line in lines if line["event"] == "a line"] == [0, 1, 2, 3, 4]


async def test_a_run_over_its_timeout_is_ended_and_its_saga_taken_back(
    sample: Sample, journal: sample_app.Journal
) -> None:
    handle = await sample.client.start_workflow(
        "impatient",
        {},
        id="sample/impatient",
        task_queue="sample",
        memo={"euryale": {"timeout": 1}},
    )
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "RunTimedOut"
    assert journal.entries == ["take a", "take wait", "put back wait", "put back a"]


@pytest.mark.parametrize("case", ["loop", "careful_loop"])
async def test_a_cancelled_run_ends_though_each_of_its_mutations_is_quick(
    sample: Sample, journal: sample_app.Journal, case: str
) -> None:
    handle = await sample.start("cases", {"case": case, "with": {"count": 500}})
    while len(journal.entries) < 5:
        await asyncio.sleep(0.01)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert len(journal.entries) < 500


async def test_a_timeout_ends_a_run_of_quick_mutations(sample: Sample) -> None:
    handle = await sample.client.start_workflow(
        "cases",
        {"case": "loop", "with": {"count": 2_000}},
        id="sample/timed-loop",
        task_queue="sample",
        memo={"euryale": {"timeout": 1}},
    )
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, ApplicationError)
    assert caught.value.cause.type == "RunTimedOut"


async def test_a_step_that_finishes_after_its_sibling_failed_is_taken_back(
    sample: Sample, journal: sample_app.Journal
) -> None:
    await sample.failure_of_takes(["late", "broken", "side by side"])
    assert sorted(journal.entries) == [
        "put back late",
        "put back side by side",
        "take late",
        "take side by side",
    ]


async def test_a_step_that_is_cancelled_in_the_middle_is_finished_and_taken_back(
    sample: Sample, journal: sample_app.Journal
) -> None:
    handle = await sample.start("cases", {"case": "takes", "with": {"item_ids": ["a", "late"]}})
    while journal.entries != ["take a"]:
        await asyncio.sleep(0.01)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert journal.entries[-1] == "put back a"
    assert ("take late" in journal.entries) == ("put back late" in journal.entries)


async def test_a_step_whose_answer_is_too_large_is_taken_back_at_once(
    sample: Sample, journal: sample_app.Journal
) -> None:
    failure = await sample.failure_of_takes(["grow"])
    assert failure.type == "PayloadTooLarge"
    assert journal.entries == ["grow", "shrink 1"]


async def test_a_failed_step_takes_the_finished_ones_back_in_reverse(
    sample: Sample, journal: sample_app.Journal
) -> None:
    await sample.failure_of_takes(["a", "b", "broken"])
    assert journal.entries == ["take a", "take b", "put back b", "put back a"]


async def test_a_compensation_that_fails_does_not_stop_the_others_and_is_named(
    sample: Sample, journal: sample_app.Journal
) -> None:
    failure = await sample.failure_of_takes(["a", "stuck", "broken"])
    assert journal.entries == ["take a", "take stuck", *["put back stuck"] * 2, "put back a"]
    assert failure.type == "ItemMissing"
    assert failure.message == (
        "no item broken (not everything could be taken back: 1 step was taken back, 1 was not: "
        "item.take (failed: it is stuck))"
    )


async def test_a_cancelled_run_takes_its_saga_back(
    sample: Sample, journal: sample_app.Journal
) -> None:
    handle = await sample.start("cases", {"case": "takes", "with": {"item_ids": ["a", "wait"]}})
    while journal.entries != ["take a", "take wait"]:
        await asyncio.sleep(0.01)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    assert journal.entries[2:] == ["put back wait", "put back a"]


async def test_a_run_waits_for_another_worker_when_its_job_file_was_changed(
    client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "edited_jobs" / "edited.py"
    file.parent.mkdir()
    text = (
        "config = {'name': 'edited', 'schedule': '0 0 * * *'}\nasync def handler(): return 'ok'\n"
    )
    file.write_text(text)
    app = Euryale(name="edited", services={"item": Nothing}, jobs=["edited_jobs"])
    plugin = EuryalePlugin(app, root=tmp_path, apply_schedules=False)
    file.write_text(text + "(")
    async with make_worker(client, plugin):
        handle = await client.start_workflow(
            "edited", id="edited/1", task_queue="edited", result_type=str
        )
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                break
    file.write_text(text)
    again = EuryalePlugin(app, root=tmp_path, apply_schedules=False)
    async with make_worker(client, again):
        assert await handle.result() == "ok"


async def test_an_activity_that_is_no_step_is_native(sample: Sample) -> None:
    assert await sample.run("plain_activity") == "plain x"


async def test_a_run_whose_job_is_not_served_waits_for_a_worker_that_serves_it(
    sample: Sample,
) -> None:
    handle = await sample.start("broken", {})
    async for event in handle.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            message = event.workflow_task_failed_event_attributes.failure.message
            break
    assert "doesn't serve the job 'broken'" in message
    assert "sample_jobs/broken.py" in message
    assert (await handle.describe()).status == WorkflowExecutionStatus.RUNNING
    await handle.terminate()


async def test_a_worker_told_to_stop_lets_calls_in_progress_finish(
    client: Client, journal: sample_app.Journal
) -> None:
    worker = make_worker(client, sample_plugin(), grace=timedelta(seconds=10))
    running = asyncio.create_task(worker.run())
    handle = await Sample(client).start("cases", {"case": "slow_call"})
    while (await handle.describe()).raw_description.pending_activities == []:
        await asyncio.sleep(0.01)
    await worker.shutdown()
    await running
    kinds = [event.event_type async for event in handle.fetch_history_events()]
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in kinds
    await handle.terminate()


async def test_a_handler_tells_the_time_in_a_zone(sample: Sample) -> None:
    assert await sample.run("in_zone", zone="Europe/Berlin") == "2026-07-01T14:00:00+02:00"
