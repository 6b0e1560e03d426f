"""Waiting for an activity until it is known how it ended, also when the waiting is cancelled."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from temporalio.exceptions import FailureError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an activity ended, and whether the waiting for it was cancelled meanwhile.

    Attributes:
        result: What it returned; None if it failed.
        error: What it failed with; None if it returned.
        cancellation: The cancellation that the waiting task got; whoever asked for the settlement
            raises it once the result is put to use.
    """

    result: Any
    error: FailureError | None
    cancellation: asyncio.CancelledError | None


async def settle(handle: asyncio.Task[Any]) -> Settlement:
    """Wait until the activity has ended.

    Temporal's SDK alone answers a cancelled wait with the activity's result where there is one, and
    then the cancellation is lost: the run would go on. Here it only asks the activity to stop.
    """
    cancellation: asyncio.CancelledError | None = None
    while not handle.done():
        try:
            await asyncio.shield(handle)
        except asyncio.CancelledError as error:
            if handle.cancelled():  # the run is taken out of the worker's cache
                raise
            if cancellation is None:
                handle.cancel()
            cancellation = error
        except FailureError:
            break
    try:
        return Settlement(handle.result(), None, cancellation)
    except FailureError as error:
        return Settlement(None, error, cancellation)


async def shielded(
    work: Coroutine[Any, Any, T],
) -> tuple[T, asyncio.CancelledError | None]:
    """Wait for the work however often the waiting is cancelled, and tell of the cancellation."""
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancellation = error
    return task.result(), cancellation
