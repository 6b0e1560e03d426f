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
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from euryale.errors import EuryaleError, ServiceUnavailable
from euryale.runs.failures import bounded
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
async def attempt(jitter: float = 0) -> AsyncIterator[None]:
    """Beat for the call while it runs, and say of an exception whether repeating can help.

    Args:
        jitter: The part of the wait before the next attempt by which that is varied at random.
    """
    loop = asyncio.get_running_loop()
    beat: asyncio.TimerHandle

    def tick() -> None:
        nonlocal beat
        activity.heartbeat()
        beat = loop.call_later(BEAT.total_seconds(), tick)

    beat = loop.call_later(BEAT.total_seconds(), tick)
    limit = asyncio.timeout(_limit())
    try:
        async with limit:
            yield
    except Exception as error:
        if limit.expired():
            # Stopped in time. The server is about to give the attempt up; till then nobody may
            # hear of it, since a failure would say that it had ended by itself.
            await asyncio.Event().wait()
        failure = _failure(error, jitter)
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
    if timeout is None:
        return None
    return (timeout - min(timeout / 20, STOPPED_BEFORE)).total_seconds()


def _failure(error: Exception, jitter: float) -> BaseException:
    permanent = isinstance(error, MISTAKES) and not isinstance(error, HEALS)
    if permanent and not activity.info().activity_id.startswith(UNDO_PREFIX):
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
