"""What a mutation found before it changed it, kept in the transaction of the change."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from euryale import BulkCall, call_attempt, idempotency_key, record_undo
from worker.services.rows import slices, table_of
from worker.store.tables import UndoLogRow

Undo = TypeVar("Undo", bound=BaseModel)

_undo_log = table_of(UndoLogRow)

_NO_CALL = ""
"""The key of what is called outside of a durable call: nothing is kept for it."""


def this_call(arguments: Mapping[str, Any]) -> BulkCall:
    """The call that is being carried out, in the form in which a bulk method gets its calls."""
    if not activity.in_activity():
        return BulkCall(arguments, _NO_CALL, 1)
    return BulkCall(arguments, idempotency_key(), call_attempt())


def record_undo_of(call: BulkCall) -> None:
    """Record for the call that is being carried out what was recorded in its other form."""
    if activity.in_activity() and call.undo is not None:
        record_undo(call.undo)


async def found_before(
    session: AsyncSession, calls: Sequence[BulkCall], undo_type: type[Undo]
) -> dict[str, Undo]:
    """What calls found that changed something already, by their keys; recorded for their undo.

    It is looked for at the first attempt, too: a mutation that is idempotent is carried out where
    its run is held, and what a killed worker had not told yet is carried out again under its old
    key, as another first attempt.
    """
    found: dict[str, Undo] = {}
    for keys in slices([call.idempotency_key for call in calls if call.idempotency_key]):
        statement = select(_undo_log.c.idempotency_key, _undo_log.c.undo).where(
            _undo_log.c.idempotency_key.in_(keys)
        )
        for key, undo in await session.execute(statement):
            found[key] = undo_type.model_validate(undo)
    for call in calls:
        if call.idempotency_key in found:
            call.record_undo(found[call.idempotency_key])
    return found


async def keep(session: AsyncSession, undos: Sequence[tuple[BulkCall, BaseModel]]) -> None:
    """Keep what calls found, and record it for their undo."""
    for call, undo in undos:
        call.record_undo(undo)
    values = [
        {"idempotency_key": call.idempotency_key, "undo": undo.model_dump(mode="json")}
        for call, undo in undos
        if call.idempotency_key
    ]
    if values:
        await session.execute(insert(_undo_log), values)
