"""What a mutation found before it changed it, kept in the transaction of the change."""

from typing import TypeVar

from pydantic import BaseModel
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from euryale import call_attempt, idempotency_key, record_undo
from worker.services.rows import table_of
from worker.store.tables import UndoLogRow

Undo = TypeVar("Undo", bound=BaseModel)

_undo_log = table_of(UndoLogRow)


async def found_before(session: AsyncSession, undo_type: type[Undo]) -> Undo | None:
    """What an earlier attempt of this call found, if one changed something and its answer was lost.

    It is recorded for the call's undo again.
    """
    if not activity.in_activity() or call_attempt() == 1:
        return None
    statement = select(_undo_log.c.undo).where(_undo_log.c.idempotency_key == idempotency_key())
    found = await session.scalar(statement)
    if found is None:
        return None
    undo = undo_type.model_validate(found)
    record_undo(undo)
    return undo


async def keep(session: AsyncSession, undo: BaseModel) -> None:
    """Keep what this call found, and record it for its undo; outside of a call it does nothing."""
    if not activity.in_activity():
        return
    values = {"idempotency_key": idempotency_key(), "undo": undo.model_dump(mode="json")}
    await session.execute(insert(_undo_log).values(values))
    record_undo(undo)
