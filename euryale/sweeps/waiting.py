"""Waiting for the slabs of a sweep that is asked to stop."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    FailureError,
    RetryState,
    is_cancelled_exception,
)

from euryale.sweeps.messages import SlabDone


def was_stopped(error: ActivityError) -> bool:
    """Whether a slab ended because its sweep asked it to stop, as only the sweep does.

    One that no worker was at is cancelled at once, and one that fails isn't tried again.
    """
    return is_cancelled_exception(error) or error.retry_state == RetryState.CANCEL_REQUESTED


async def ended(handle: workflow.ActivityHandle[SlabDone]) -> SlabDone:
    """Wait for a slab's end; a cancellation of the waiting asks it to stop, once."""
    while True:
        try:
            return await asyncio.shield(handle)
        except asyncio.CancelledError:
            if handle.cancelled():
                raise
            handle.cancel()


async def quietly(task: asyncio.Task[None]) -> None:
    """Wait for a task's end, whatever that is, however often the waiting is cancelled."""
    while not task.done():
        try:
            await asyncio.shield(task)
        except (asyncio.CancelledError, FailureError):
            continue
