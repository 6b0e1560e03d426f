"""What the failure of an attempt means, and how an attempt is stopped."""

import asyncio
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import ActivityEnvironment

from euryale.sagas.step import ChangedSince, undo_id
from euryale.services.attempt import attempt, in_thread

POLICY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=10),
)


def environment(number: int = 1, *, undo: bool = False) -> ActivityEnvironment:
    made = ActivityEnvironment()
    made.info = replace(
        made.info,
        attempt=number,
        retry_policy=POLICY,
        activity_id=undo_id("1") if undo else "1",
    )
    return made


async def failure(
    error: Exception, number: int = 1, *, jitter: float = 0, undo: bool = False
) -> BaseException:
    async def fail() -> None:
        async with attempt(jitter):
            raise error

    try:
        await environment(number, undo=undo).run(fail)
    except Exception as caught:  # noqa: BLE001 -- it is what is asked for
        return caught
    raise AssertionError("nothing failed")


async def test_a_mistake_fails_a_call_at_once_but_no_compensation() -> None:
    error = await failure(ValueError("no"))
    assert isinstance(error, ApplicationError)
    assert (error.type, error.non_retryable) == ("ValueError", True)
    assert isinstance(await failure(ValueError("no"), undo=True), ValueError)


async def test_what_was_changed_since_ends_a_compensation_at_once() -> None:
    error = await failure(ChangedSince("edited"), undo=True)
    assert isinstance(error, ApplicationError)
    assert (error.type, error.non_retryable) == ("ChangedSince", True)


async def test_anything_else_is_left_to_the_retry_policy() -> None:
    assert isinstance(await failure(OSError("away")), OSError)


@pytest.mark.parametrize(("number", "wait"), [(1, 1), (3, 4), (5, 10), (5_000, 10)])
async def test_jitter_makes_the_wait_of_the_retry_policy_longer_or_shorter(
    number: int, wait: float
) -> None:
    waits = set()
    for _ in range(20):
        error = await failure(OSError("away"), number, jitter=0.5)
        assert isinstance(error, ApplicationError)
        assert error.next_retry_delay is not None
        assert not error.non_retryable
        assert error.type == "OSError"
        waits.add(error.next_retry_delay.total_seconds())
    assert len(waits) > 1
    assert all(wait * 0.5 <= each <= wait * 1.5 for each in waits)


async def test_a_cancelled_attempt_stops_its_thread() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        try:
            while True:
                time.sleep(0.001)
        except CancelledError:
            ended.set()
            raise

    task = asyncio.ensure_future(in_thread(work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_thread_answers_as_the_function_does() -> None:
    assert await in_thread(lambda one, two: one + two, 1, 2) == 3
    with pytest.raises(KeyError):
        await in_thread({}.__getitem__, "missing")
