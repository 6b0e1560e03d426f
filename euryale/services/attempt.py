"""One attempt of an activity: it beats while it runs, and its failure says what that means.

A mistake that no repetition mends fails a call at once; anything else is tried again. A
compensation is tried again whatever it fails with: what it should take back is still there, and a
worker with a mended release may come.
"""

import asyncio
import contextlib
import contextvars
import ctypes
import json
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError, CancelledError

from euryale.errors import EuryaleError, PayloadTooLarge, ServiceUnavailable
from euryale.runs.failures import bounded
from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.sagas.step import UNDO_PREFIX

T = TypeVar("T")

MISTAKES = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    NameError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    EuryaleError,
)
"""Exceptions that come back however often a call is repeated."""

HEALS = (OSError, json.JSONDecodeError, ServiceUnavailable)
"""Exceptions that are of those classes too, and may be gone the next time: a certificate that
can't be verified, a proxy's page of HTML."""

BEAT = timedelta(seconds=3)
"""How often a call in progress tells the server that its worker lives."""


STOPPED_BEFORE = timedelta(seconds=5)
"""How long before its timeout an attempt's code is stopped at the most; of a short one, a twentieth
of it."""


@contextlib.asynccontextmanager
async def attempt(
    jitter: float = 0,
    *,
    details: Callable[[], tuple[Any, ...]] = tuple,
    beat_every: timedelta = BEAT,
) -> AsyncIterator[None]:
    """Beat for the call while it runs, and say of an exception whether repeating can help.

    Args:
        jitter: The part of the wait before the next attempt by which that is varied at random.
        details: What the beats tell the server, for the next attempt.
        beat_every: How often it beats.
    """
    loop = asyncio.get_running_loop()
    beat: asyncio.TimerHandle

    def tick() -> None:
        nonlocal beat
        activity.heartbeat(*details())
        beat = loop.call_later(beat_every.total_seconds(), tick)

    beat = loop.call_later(beat_every.total_seconds(), tick)
    limit = asyncio.timeout(_limit())
    try:
        async with limit:
            yield
    except Exception as error:
        if limit.expired():
            # Stopped in time. The server is about to give the attempt up; till then nobody may
            # hear of it, since a failure would say that it had ended by itself.
            await asyncio.Event().wait()
        failure = failure_of(error, jitter)
        if failure is error:
            raise
        raise failure from failure.__cause__
    finally:
        beat.cancel()


def _limit() -> float | None:
    """How long the code of this attempt may go on, in seconds.

    A little less than the attempt's timeout: after that the server lets the next attempt or the
    compensation begin, and this one must not write any more.
    """
    timeout = activity.info().start_to_close_timeout
    return None if timeout is None else time_for_code(timeout)


def time_for_code(timeout: timedelta) -> float:
    """How long the code of an attempt may go on that may take so long, in seconds."""
    return (timeout - min(timeout / 20, STOPPED_BEFORE)).total_seconds()


def is_mistake(error: BaseException) -> bool:
    """Whether an exception comes back however often its call is repeated."""
    return isinstance(error, MISTAKES) and not isinstance(error, HEALS)


def failure_of(error: Exception, jitter: float = 0) -> BaseException:
    """What an exception means for the call: whether it is tried again, and when."""
    if is_mistake(error) and not activity.info().activity_id.startswith(UNDO_PREFIX):
        failure = ApplicationError(str(error), type=type(error).__name__, non_retryable=True)
    elif jitter and not isinstance(error, ApplicationError):
        failure = ApplicationError(
            str(error), type=type(error).__name__, next_retry_delay=_varied(jitter)
        )
    else:
        return bounded(error)
    failure.__cause__ = error.__cause__
    return bounded(failure.with_traceback(error.__traceback__))


def _varied(jitter: float) -> timedelta | None:
    """The wait that the retry policy would have, longer or shorter by up to that part of it."""
    info = activity.info()
    policy = info.retry_policy
    if policy is None:
        return None
    first = policy.initial_interval.total_seconds()
    longest = (policy.maximum_interval or policy.initial_interval * 100).total_seconds()
    try:
        wait = min(first * policy.backoff_coefficient ** (info.attempt - 1), longest)
    except OverflowError:
        wait = longest
    varied = wait * random.uniform(1 - jitter, 1 + jitter)  # noqa: S311 -- no secret
    return timedelta(seconds=varied)


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Carry a blocking function out in a thread, and stop it there when the attempt is cancelled.

    The thread gets Temporal's `CancelledError` between two steps of its Python code; a call into
    the system that blocks has to return first.
    """
    thread: list[int] = []
    context = contextvars.copy_context()

    def work() -> T:
        thread.append(threading.get_ident())
        try:
            return context.run(function, *args)
        finally:
            thread.clear()

    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if thread and not future.done():
            error = ctypes.py_object(CancelledError)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread[0]), error)
        await asyncio.wait({future})
        raise


def refuse_if_too_large(name: str, payload: Payload) -> None:
    """Refuse a result that Temporal can't carry.

    Raises:
        PayloadTooLarge: It has more bytes than that.
    """
    if payload.ByteSize() > PAYLOAD_LIMIT:
        raise PayloadTooLarge(
            f"the result of {name} has {payload.ByteSize():,} bytes; Temporal carries "
            f"{PAYLOAD_LIMIT:,} at the most",
            where=name,
            mend="ask for fewer items in one call, or return less of each",
        )


async def to_its_end(
    work: Coroutine[Any, Any, T], on_asked: Callable[[], None] = lambda: None
) -> T:
    """Carry a mutation out to its end though its run was cancelled meanwhile.

    Stopped in the middle, nobody would know whether it took effect. When its worker shuts down or
    its time is over, it's stopped all the same: it will be tried again.

    Args:
        work: What is carried out.
        on_asked: Called when the run asks it to end.
    """
    task = asyncio.ensure_future(work)
    told = False
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            asked_by_run = details is not None and details.cancel_requested
            if task.done() or told or not asked_by_run:
                task.cancel()
                await asyncio.wait({task})
                raise
            # The run asks once; whatever comes after that is the attempt's timeout or the end of
            # the worker.
            told = True
            on_asked()
