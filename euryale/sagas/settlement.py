"""Waiting for an activity until it is known how it ended, also when the waiting is cancelled."""

import asyncio
from collections.abc import Awaitable, Collection
from contextlib import suppress
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
            first, cancellation = cancellation is None, error
            if first:
                await ask_to_end([handle])
        except FailureError:
            break
    try:
        return Settlement(handle.result(), None, cancellation)
    except FailureError as error:
        return Settlement(None, error, cancellation)


_TURNS = 10
"""More turns of the workflow's loop than a result takes from its arrival to who waits for it."""


async def ask_to_end(handles: Collection[asyncio.Task[Any]]) -> None:
    """Cancel activities or child workflows, save those whose result is there already.

    A result may come in the same workflow task as the cancellation, or as another one's failure,
    and be on its way to its handle. The SDK drops it where the handle is cancelled then, and what
    was done would never be taken back. So it's given some turns of the loop first.
    """
    for _ in range(_TURNS):
        if all(handle.done() for handle in handles):
            return
        with suppress(asyncio.CancelledError):  # the one who asks is being cancelled itself
            await asyncio.sleep(0)
    for handle in handles:
        if not handle.done():
            handle.cancel()


async def shielded(
    work: Awaitable[T],
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
