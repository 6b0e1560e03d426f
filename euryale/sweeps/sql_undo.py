"""Taking back what a slab did, from the undo log: batch by batch, never over a later change."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, and_, delete, exists, func, select, update

from euryale.sweeps.source import Cursor, Kept, Key, TakenBack, Undoing
from euryale.sweeps.sql_database import Database, Transaction
from euryale.sweeps.sql_dialect import from_image, from_key, image
from euryale.sweeps.sql_key import SqlKey, text_of
from euryale.sweeps.sql_tables import slabs, undo_log

_BATCH = 500
_TOLD = 100


class UndoingRows:
    """Some rows of a sweep that are taken back, in a transaction of their own.

    Attributes:
        kept: What the step kept of each row, by its key.
    """

    def __init__(self, transaction: Transaction, kept: Sequence[Kept]) -> None:
        self.kept = kept
        self.left: list[Key] = []
        self._transaction = transaction

    async def run(self, work: Callable[[Connection], Any]) -> Any:
        """Carry out statements in the transaction; see `Batch.run`."""
        return await self._transaction.run(work)

    def changed_since(self, key: Key) -> None:
        """Say that the row was changed by somebody since, and was left alone."""
        self.left.append(key)


def close(connection: Connection, cursor: Cursor) -> Cursor:
    """Let no attempt go on with the slab."""
    connection.execute(update(slabs).where(slabs.c.id == cursor.slab).values(closed=True))
    return cursor


async def take_back(
    database: Database,
    key: SqlKey,
    cursor: Cursor,
    undo: Callable[[Undoing], Awaitable[None]] | None,
) -> TakenBack:
    """Take back all that the log has of a slab; rows that are done leave it.

    Args:
        database: Where the rows are.
        key: Their key.
        cursor: The slab's.
        undo: The step's own undo; without it, columns are set to what they held.
    """
    left: list[str] = []
    count = 0
    below: str | None = None
    while True:
        async with database.writing() as transaction:
            entries = await transaction.run(lambda one, at=below: _entries(one, cursor.slab, at))  # type: ignore[misc]
            if not entries:
                break
            below = entries[-1].key
            if undo is None:
                kept = await transaction.finish(
                    lambda one, these=entries: _restore(one, key, cursor.slab, these)  # type: ignore[misc]
                )
            else:
                kept = await _undo(transaction, undo, cursor.slab, entries)
            count += len(kept)
            left += kept[: _TOLD - len(left)]
    return TakenBack(cursor.rows - count, count, tuple(left))


def _entries(connection: Connection, slab: int, below: str | None) -> list[Row[Any]]:
    """The next entries, of which all hold the same columns."""
    mine = undo_log.c.slab == slab
    where = mine if below is None else and_(mine, undo_log.c.key < below)
    statement = select(undo_log).where(where).order_by(undo_log.c.key.desc()).limit(_BATCH)
    found = connection.execute(statement).all()
    columns = _columns(found[0]) if found else None
    different = (number for number, entry in enumerate(found) if _columns(entry) != columns)
    return list(found[: next(different, len(found))])


def _columns(entry: Row[Any]) -> tuple[str, ...] | None:
    """The columns that an entry holds; None where a step kept it."""
    return None if entry.after is None else tuple(json.loads(entry.before))


def _restore(
    connection: Connection, key: SqlKey, slab: int, entries: Sequence[Row[Any]]
) -> list[str]:
    """Set columns to what they held, where they are as the step left them.

    Returns:
        The keys of the rows that are not as they were before.
    """
    dialect, table = connection.dialect.name, key.table
    names = _columns(entries[0]) or ()
    columns: Mapping[str, Column[Any]] = {name: table.columns[name] for name in names}
    now = image(columns, columns, dialect)
    meant = and_(
        undo_log.c.slab == slab,
        undo_log.c.key >= entries[-1].key,
        undo_log.c.key <= entries[0].key,
    )
    same = and_(
        *(
            column == from_key(undo_log.c.key, place, column, dialect)
            for place, column in enumerate(key.columns)
        )
    )
    before = {column: from_image(undo_log.c.before, column, dialect) for column in columns.values()}
    connection.execute(update(table).where(meant, same, now == undo_log.c.after).values(before))
    as_before = exists().where(same, now == undo_log.c.before)
    connection.execute(delete(undo_log).where(meant, as_before))
    if not connection.execute(select(func.count()).select_from(undo_log).where(meant)).scalar_one():
        return []
    return [
        found
        for (found,) in connection.execute(
            select(undo_log.c.key).where(meant).order_by(undo_log.c.key.desc())
        )
    ]


async def _undo(
    transaction: Transaction,
    undo: Callable[[Undoing], Awaitable[None]],
    slab: int,
    entries: Sequence[Row[Any]],
) -> list[str]:
    kept = [Kept(tuple(json.loads(entry.key)), json.loads(entry.before)) for entry in entries]
    batch = UndoingRows(transaction, kept)
    await undo(batch)
    left = {text_of(each) for each in batch.left}
    done = [entry.key for entry in entries if entry.key not in left]
    statement = delete(undo_log).where(undo_log.c.slab == slab, undo_log.c.key.in_(done))
    await transaction.finish(lambda one: one.execute(statement) and None)
    return [entry.key for entry in entries if entry.key in left]
