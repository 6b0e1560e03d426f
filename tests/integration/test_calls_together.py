"""Calls that are made together travel together, and each is still a call of its own."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import together_app
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer
from together_runs import plugin, serving, start

from euryale.errors import UndoRefused
from euryale.runs.progress import Progress
from euryale.runs.runs import find_run
from euryale.sagas.undo_report import UndoReport
from euryale.services.call_ids import count_carried
from euryale.undo.undo import plan_whole, refuse_if_incomplete, start_undo
from euryale.undo.ways import ways_of


@pytest.fixture
def ledger() -> together_app.Ledger:
    together_app.ledger.__init__()  # type: ignore[misc] # the one that the application holds
    return together_app.ledger


@pytest.fixture
async def served(client: Client, ledger: together_app.Ledger) -> AsyncIterator[Client]:
    async with serving(client):
        yield client


async def ran(client: Client, case: str, **given: Any) -> tuple[Any, WorkflowHistory]:
    """What a case returned, and its history, which is replayed on the way."""
    handle = await start(client, case, **given)
    result = await handle.result()
    history = await handle.fetch_history()
    await Replayer(workflows=[], plugins=[plugin()]).replay_workflow(history)
    return result, history


def carried(history: WorkflowHistory) -> list[str]:
    """The ids of the run's activities."""
    return [
        event.activity_task_scheduled_event_attributes.activity_id
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


def counted(history: WorkflowHistory) -> dict[str, int]:
    progress = Progress()
    for event in history.events:
        progress = progress.after(event)
    return dict(progress.finished)


def names(count: int, prefix: str = "n") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


async def test_calls_of_one_tick_travel_in_one_activity(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, history = await ran(served, "gathers", names=names(40))
    assert result == [name.upper() for name in names(40)]
    assert carried(history) == ["ledger.write[1-40]"]
    assert counted(history) == {"ledger.write": 40}
    assert ledger.values == {name: name for name in names(40)}


async def test_the_web_ui_is_told_how_many_calls_an_activity_carries(served: Client) -> None:
    _, history = await ran(served, "gathers", names=names(3))
    (summary,) = [
        event.user_metadata.summary.data.decode()
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert summary == '"\N{MULTIPLICATION SIGN}3 name=n0"'


async def test_each_call_has_a_key_of_its_own(served: Client, ledger: together_app.Ledger) -> None:
    handle = await start(served, "gathers", names=names(3))
    await handle.result()
    run = f"{handle.id}/{handle.first_execution_run_id}"
    assert sorted(ledger.calls) == [
        (name, f"{run}/ledger.write/{number}", 1) for number, name in enumerate(names(3), 1)
    ]


async def test_more_than_five_hundred_travel_in_several(served: Client) -> None:
    _, history = await ran(served, "gathers", names=names(1_200))
    assert carried(history)[:2] == ["ledger.write[1-500]", "ledger.write[501-1000]"]
    assert counted(history) == {"ledger.write": 1_200}


async def test_a_task_group_and_a_mix_of_methods_are_sorted_out(served: Client) -> None:
    _, history = await ran(served, "groups", names=names(7))
    assert carried(history) == ["ledger.write[1-7]"]
    result, history = await ran(served, "mixes", count=5)
    assert sorted(Counter(each.partition("[")[0] for each in carried(history)).items()) == [
        ("ledger.look", 1),
        ("ledger.post", 1),
        ("ledger.write", 1),
    ]
    assert result[:2] == ["W0", "P0"]


async def test_each_item_goes_its_way_and_its_calls_meet_those_of_the_others(
    served: Client,
) -> None:
    result, history = await ran(served, "each", count=60, concurrency=30)
    assert result == [f"B{number}" for number in range(60)]
    assert counted(history) == {"ledger.write": 120}
    assert len(carried(history)) == 4


async def test_a_bad_item_fails_its_own_call_only(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, history = await ran(served, "gathers", names=["a", "bad", "c"])
    assert result == ["A", "ledger.write: ValueError: bad can't be written", "C"]
    assert len(ledger.keys("bad")) == 1
    progress = Progress()
    for event in history.events:
        progress = progress.after(event)
    assert (progress.finished, progress.failed) == ({"ledger.write": 2}, {"ledger.write": 1})


async def test_a_call_that_fails_is_tried_again_alone_under_its_old_key(
    served: Client, ledger: together_app.Ledger
) -> None:
    ledger.failures = {"b": 2}
    result, history = await ran(served, "gathers", names=["a", "b", "c"])
    assert result == ["A", "B", "C"]
    assert carried(history) == ["ledger.write[1-3]", "ledger.write/2"]
    assert len(set(ledger.keys("b"))) == 1
    assert [attempt for name, _, attempt in ledger.calls if name == "b"] == [1, 2, 3]
    assert (len(ledger.keys("a")), len(ledger.keys("c"))) == (1, 1)


async def test_a_call_has_as_many_attempts_as_alone(
    served: Client, ledger: together_app.Ledger
) -> None:
    ledger.failures = {"b": 100}
    result, _ = await ran(served, "gathers", names=["a", "b", "c"])
    assert result == ["A", "ledger.write: FlakyError: b flickers", "C"]
    assert [attempt for name, _, attempt in ledger.calls if name == "b"] == [1, 2, 3, 4]


async def test_where_nothing_can_be_done_the_activity_is_tried_again_whole(
    served: Client, ledger: together_app.Ledger
) -> None:
    ledger.failures = dict.fromkeys(names(100), 1)
    result, history = await ran(served, "gathers", names=names(100))
    assert result == [name.upper() for name in names(100)]
    assert carried(history)[0] == "ledger.write[1-100]"
    # The outage was noticed after some calls, not after a hundred.
    assert sum(attempt == 1 for _, _, attempt in ledger.calls) < 40


async def test_calls_that_keep_failing_dont_keep_the_others_from_their_turn(
    served: Client, ledger: together_app.Ledger
) -> None:
    poisoned = names(20, "p")
    ledger.failures = dict.fromkeys(poisoned, 100)
    result, _ = await ran(served, "gathers", names=[*poisoned, *names(20)])
    assert result[20:] == [name.upper() for name in names(20)]
    assert all("flickers" in end for end in result[:20])


async def test_a_bulk_method_carries_many_out_at_once(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, history = await ran(served, "posts", names=[*names(200), "bad"])
    assert result[:200] == [name.upper() for name in names(200)]
    assert result[200] == "ledger.post: ValueError: bad can't be posted"
    assert carried(history) == ["ledger.post[1-201]"]
    assert sum(ledger.bulks) == 201
    assert len(ledger.bulks) < 5
    assert len({key for _, key, _ in ledger.calls}) == 200


async def test_a_bulk_method_that_raises_leaves_each_call_to_itself(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, _ = await ran(served, "posts", names=["a", "worst", "b"])
    assert result == ["A", "WORST", "B"]
    assert [name for name, _, _ in ledger.calls] == ["a", "worst", "b"]


async def test_a_bulk_method_that_returns_too_few_fails_its_calls_and_none_is_made_again(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, _ = await ran(served, "posts", names=["a", "forgetful"])
    assert all("ServiceInvalid" in end and "returned 0 for 2 calls" in end for end in result)
    assert ledger.calls == []


async def test_slow_calls_arrive_in_time_and_spread(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, history = await ran(served, "gathers", names=names(200, "slow"))
    assert len(result) == 200
    # After the first, each carries no more than what takes about a second.
    sizes = [each for each in carried(history)[1:] if "[" in each]
    assert counted(history) == {"ledger.write": 200}
    assert len(sizes) > 2
    assert all(count_carried(each) < 100 for each in sizes)
    assert 16 < ledger.most_at_once <= 80


async def test_a_cancelled_call_is_known_to_have_happened(
    served: Client, ledger: together_app.Ledger
) -> None:
    handle = await start(served, "impatient", names=["held", "b"])
    async with asyncio.timeout(20):
        while len(ledger.calls) < 2:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.4)
    ledger.held.set()
    assert await handle.result() == "cancelled, B"
    assert ledger.values == {"held": "held", "b": "b"}


async def test_a_cancelled_run_ends_what_was_begun_and_begins_nothing_else(
    served: Client, ledger: together_app.Ledger
) -> None:
    handle = await start(served, "gathers", names=names(50, "until cancelled"))
    async with asyncio.timeout(20):
        while len(ledger.calls) < 16:
            await asyncio.sleep(0.01)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert len(ledger.calls) == len(ledger.values) == 16
    report = await taken_back(served, handle)
    assert (report.undone, report.left, ledger.values) == (16, 0, {})


async def test_wrong_arguments_fail_their_own_call(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, _ = await ran(served, "wrong")
    assert result == ["A", "ArgumentsInvalid", "ArgumentsInvalid"]
    assert list(ledger.values) == ["a"]


async def test_arguments_of_any_size_find_their_activity(served: Client) -> None:
    sizes = [3_000_000, 900_000, 900_000, 10, 1_500_000, 10]
    result, history = await ran(served, "large_arguments", sizes=sizes)
    assert result == ["PayloadTooLarge", 900_000, 900_000, 10, 1_500_000, 10]
    assert len(carried(history)) >= 4


async def test_results_of_any_size_find_their_way_back(served: Client) -> None:
    sizes = [1_500_000, 100, 700_000, 700_000, 3_000_000, *[100_000] * 40]
    result, _ = await ran(served, "large_results", sizes=sizes)
    assert [end for end in result if end == "CallFailed"] == [result[4]]


async def test_what_local_calls_returned_leaves_before_more_than_one_message_carries(
    served: Client,
) -> None:
    result, _ = await ran(served, "passes_on", sizes=[500_000, 1_900_000])
    assert result == 1_900_000


async def test_messages_of_any_length_find_their_way_back(served: Client) -> None:
    result, _ = await ran(served, "refusals", count=500, size=9_000)
    assert all(end.startswith("ledger.refuse: ValueError: xxx") for end in result)


async def test_a_short_timeout_is_that_of_each_call(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, _ = await ran(served, "dashes", names=names(100))
    assert result == [None] * 100
    assert len(ledger.calls) == 100


async def test_a_result_of_a_bulk_method_that_can_not_travel_fails_its_own_call(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, _ = await ran(served, "posts", names=["a", "odd"])
    assert result[0] == "A"
    assert "PydanticSerializationError" in result[1]
    assert len(ledger.calls) == 2


async def test_attempts_of_an_activity_count_for_the_calls_that_it_sends_back(
    served: Client, ledger: together_app.Ledger
) -> None:
    # The first attempt fails as a whole, the second one for one call.
    ledger.failures = {"a": 100, "b": 1, "c": 1}
    result, _ = await ran(served, "gathers", names=["a", "b", "c"])
    assert result == ["ledger.write: FlakyError: a flickers", "B", "C"]
    assert [attempt for name, _, attempt in ledger.calls if name == "a"] == [1, 2, 3, 4]


async def test_a_call_that_is_left_for_another_activity_keeps_its_attempts(
    served: Client, ledger: together_app.Ledger
) -> None:
    # The first attempt fails at these; the second has no time left for them after the others.
    flaky = names(16, "p")
    ledger.failures = dict.fromkeys(flaky, 1)
    await ran(served, "gathers", names=[*flaky, *names(100, "slow")])
    made = [attempt for name, _, attempt in ledger.calls if name in flaky]
    assert sorted(made) == [1] * 16 + [2] * 16


# The server tells of a cancellation when the attempt has just ended.
@pytest.mark.filterwarnings("ignore:Cannot find activity to cancel")
async def test_a_call_that_takes_its_worker_along_fails_alone(
    served: Client, ledger: together_app.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euryale.services.call_sending._SHORTEST_HEARTBEAT", timedelta(seconds=3))
    # So few that the third of its four attempts begins one at a time.
    monkeypatch.setattr("euryale.services.bundle_attempt.CALLS_CARRIED_OUT_AT_ONCE", 4)
    handle = await start(served, "crashes", names=["a", "b", "deadly", "c", "d", "bad"])
    *others, bad = await handle.result()
    assert others.pop(2).startswith("ledger.crash: TimeoutError: ")
    assert others == ["A", "B", "C", "D"]
    assert bad == "ledger.crash: ValueError: bad can't be written"
    run = await find_run(served, "together", handle.id)
    plan = await plan_whole(served, "together", ways_of(plugin().registry), run)
    assert plan.calls == 4
    # Nobody knows what became of the one, and what is taken back must be whole.
    with pytest.raises(UndoRefused, match="crash: it was cut off, and its undo needs its 'undo'"):
        refuse_if_incomplete(plan, run, ())


async def test_a_local_call_that_failed_half_done_can_be_taken_back(
    served: Client, ledger: together_app.Ledger
) -> None:
    handle = await start(served, "halves", name="h")
    await handle.result()
    assert ledger.values == {"h": "h"}
    assert (await taken_back(served, handle)).undone == 1
    assert ledger.values == {}


async def test_a_mutation_is_no_local_call_while_another_call_is_under_way(
    served: Client,
) -> None:
    _, history = await ran(served, "puts_beside", names=["a"])
    assert [each for each in carried(history) if each.startswith("ledger.put")] == ["ledger.put/3"]


@pytest.mark.timeout(240)
async def test_a_hundred_thousand_calls_neither_hang_nor_fill_the_history(served: Client) -> None:
    result, history = await ran(served, "a_great_many_in_turns", count=100_000)
    assert result == 100_000
    assert counted(history) == {"ledger.nothing": 100_000}
    assert len(history.events) < 2_500


@pytest.mark.timeout(240)
# A handler that is interrupted while it begins calls leaves those that it hadn't begun; and the
# interruption may hit a callback of the garbage collector.
@pytest.mark.filterwarnings("ignore:coroutine 'ledger.nothing' was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_hundred_thousand_calls_in_one_tick_end(
    client: Client, ledger: together_app.Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    # What is logged of the interruption would hold those calls beyond this test.
    caplog.set_level(logging.CRITICAL, "temporalio.worker._workflow")
    async with serving(client):
        # Beginning them all takes a handler about as long as it may keep its thread.
        handle = await start(client, "a_great_many", count=100_000)
        try:
            ended = await handle.result()
        except WorkflowFailureError as failure:
            ended = getattr(failure.cause, "type", "")
        assert ended in (100_000, "HandlerBlocked")
        # The worker is well.
        assert await (await start(client, "gathers", names=["a"])).result() == ["A"]
    gc.collect()  # while those warnings are still expected


async def test_calls_made_together_are_taken_back_together(
    served: Client, ledger: together_app.Ledger
) -> None:
    handle = await start(served, "gathers", names=["bad", "changed", *names(30)])
    await handle.result()
    report = await taken_back(served, handle)
    assert (report.undone, report.left) == (30, 1)
    assert report.steps[0].outcome == "changed since"
    assert ledger.values == {"changed": "changed"}
    # Asking again takes nothing back twice.
    count = len(ledger.calls)
    report = await taken_back(served, handle)
    assert report.undone == 0
    assert len(ledger.calls) == count + 1


async def taken_back(client: Client, handle: WorkflowHandle[Any, Any]) -> UndoReport:
    run = await find_run(client, "together", handle.id)
    ways = ways_of(plugin().registry)
    plan = await plan_whole(client, "together", ways, run)
    refuse_if_incomplete(plan, run, ())
    undo = await start_undo(client, "together", "together", run, attempt=plan.attempts.count + 1)
    report = await undo.result()
    history = await undo.fetch_history()
    await Replayer(workflows=[], plugins=[plugin()]).replay_workflow(history)
    return report


# --- one after the other ----------------------------------------------------------------------


def kinds(history: WorkflowHistory) -> Counter[str]:
    return Counter(
        str(event.WhichOneof("attributes")).removesuffix("_event_attributes")
        for event in history.events
    )


async def test_idempotent_mutations_in_a_loop_are_local_between_checkpoints(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, history = await ran(served, "puts", names=names(500))
    assert result == [name.upper() for name in names(500)]
    assert counted(history) == {"ledger.put": 500}
    found = kinds(history)
    assert found["activity_task_scheduled"] >= 2
    assert found["marker_recorded"] > 400
    assert len({key for _, key, _ in ledger.calls}) == 500


async def test_a_mutation_after_a_local_read_is_an_ordinary_activity(served: Client) -> None:
    result, history = await ran(served, "looks_and_puts", names=names(5))
    assert result == [None, "N0", None, "N1", None, "N2", None, "N3", None, "N4"]
    # What the read told is recorded before the mutation begins.
    assert kinds(history)["activity_task_scheduled"] == 5


async def test_a_mutation_after_a_look_at_the_clock_is_an_ordinary_activity(
    served: Client,
) -> None:
    # After a crash the clock tells another time, and the call could be another one.
    _, history = await ran(served, "asks_the_time_and_puts", names=names(3))
    assert kinds(history)["activity_task_scheduled"] == 3


async def test_reads_in_a_loop_are_local(served: Client) -> None:
    _, history = await ran(served, "looks", names=names(20))
    assert carried(history) == []
    assert counted(history) == {"ledger.look": 20}


async def test_a_local_call_that_fails_is_tried_again_where_everybody_sees_it(
    served: Client, ledger: together_app.Ledger
) -> None:
    ledger.failures = {"n1": 2, "look n0": 1}
    result, history = await ran(served, "puts", names=names(3))
    assert result == ["N0", "N1", "N2"]
    assert carried(history) == ["ledger.put/2"]
    assert [attempt for name, _, attempt in ledger.calls if name == "n1"] == [1, 2, 3]
    assert len(set(ledger.keys("n1"))) == 1
    assert counted(history) == {"ledger.put": 3}
    _, history = await ran(served, "looks", names=names(2))
    assert carried(history) == ["ledger.look/1"]


async def test_a_local_call_that_takes_too_long_becomes_an_ordinary_one(
    served: Client, ledger: together_app.Ledger
) -> None:
    result, history = await ran(served, "puts", names=["long", "b"])
    assert result == ["LONG", "B"]
    assert carried(history) == ["ledger.put/1", "ledger.put/2"]
    assert len(set(ledger.keys("long"))) == 1


async def test_local_mutations_are_taken_back(served: Client, ledger: together_app.Ledger) -> None:
    handle = await start(served, "puts", names=names(20))
    await handle.result()
    report = await taken_back(served, handle)
    assert (report.undone, report.left, ledger.values) == (20, 0, {})
