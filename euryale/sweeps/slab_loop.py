"""Going over one slab: batch by batch, and around the rows for which the step fails."""

from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.exceptions import ApplicationError

from euryale.errors import EuryaleError, SweepStopped
from euryale.runs.failures import cut, told
from euryale.services.attempt import HEALS, MISTAKES
from euryale.sweeps.source import BatchFailed, Cursor, Slab, Source


async def go_over(
    source: Source[Any],
    slab: Slab,
    step: Callable[[Any], Awaitable[None]],
    *,
    keeps: str,
    batch: int,
    may_bury: int,
    is_over: Callable[[Cursor], bool],
) -> Cursor:
    """Carry a step out for the rows of a slab that aren't done.

    A batch for which it fails is tried again by halves, until the row that it fails for stands
    alone. That one is set aside.

    Args:
        source: Where the rows are.
        slab: The slab.
        step: The step.
        keeps: What is kept for the undo; see `Source.change`.
        batch: Rows of one transaction.
        may_bury: Rows that may be set aside.
        is_over: Asked before each batch whether to stop there; told how far the slab has come.

    Returns:
        How far it has come.

    Raises:
        SweepStopped: The step fails for too many rows.
        Exception: What may be gone the next time.
    """
    cursor = await source.open(slab)
    size = batch
    while not cursor.finished and not is_over(cursor):
        try:
            cursor = await source.change(slab, cursor, size, step, keeps)
        except BatchFailed as failed:
            error = failed.error
            if not _is_of_the_rows(error):
                raise error from error.__cause__
            if size > 1:
                size //= 2
                continue
            cursor = await source.bury(slab, cursor, failed.until, _told(error))
            if cursor.dead > may_bury:
                raise SweepStopped(
                    f"the step fails for too many rows: the last one with {_told(error)}",
                    where=f"slab {slab.number}",
                    mend="mend the step; rows that were set aside are in euryale_sweep_dead_letter",
                ) from None
        else:
            size = min(2 * size, batch)
    return cursor


def _is_of_the_rows(error: Exception) -> bool:
    """Whether it comes back however often the batch is repeated, and perhaps for one row only."""
    if isinstance(error, ApplicationError):
        return error.non_retryable
    return isinstance(error, MISTAKES) and not isinstance(error, (*HEALS, EuryaleError))


def _told(error: Exception) -> str:
    return cut(f"{type(error).__name__}: {told(error)}")
