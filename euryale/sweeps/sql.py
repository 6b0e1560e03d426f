"""Rows of an SQL database, for sweeps: keyset pagination, cursor and undo log in one transaction.

For SQLAlchemy 2, on SQLite and Postgres. The tables of `metadata` belong into the application's
migrations.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, bindparam, false, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from euryale.errors import SweepInvalid
from euryale.sweeps.source import (
    BatchFailed,
    Buried,
    Cursor,
    Key,
    Slab,
    SlabMoved,
    TakenBack,
    Undoing,
    Walk,
)
from euryale.sweeps.sql_batch import Batch, Change
from euryale.sweeps.sql_database import Database, Store, refusal
from euryale.sweeps.sql_dialect import refuse_unknown
from euryale.sweeps.sql_key import KeyColumn, SqlKey, key_of, text_of
from euryale.sweeps.sql_range import NextRows, SqlRange
from euryale.sweeps.sql_tables import dead_letters, metadata, slabs
from euryale.sweeps.sql_undo import UndoingRows, close, take_back

__all__ = ["Batch", "Rows", "Store", "UndoingRows", "metadata"]


class Rows:
    """The rows that a query selects, in the order of a key.

    Rows that appear behind the largest key after the sweep began are left to a later one. Rows that
    appear or vanish in a range that isn't done yet are simply seen or not.

    Args:
        database: A SQLAlchemy `Engine`, or something whose `begin()` gives an `AsyncSession` in a
            transaction, such as an `async_sessionmaker`. On SQLite an engine is twice as fast.
        statement: The query, without a limit; its order doesn't matter.
        key: The column, or the columns, of the table whose rows the step changes, by which the
            sweep goes: unique, never NULL, sortable, left alone by the step, and with an index.

    Raises:
        SweepInvalid: The query or the key can't be used.

    Example:
        >>> from sqlalchemy import Column, MetaData, String, Table, create_engine
        >>> product = Table("product", MetaData(), Column("id", String, primary_key=True))
        >>> engine = create_engine("sqlite://")
        >>> Rows(engine, select(product), key=product.c.id)
        <rows of product in the order of (product.id)>
    """

    def __init__(
        self,
        database: Engine | Store,
        statement: Select[Any],
        *,
        key: KeyColumn | Sequence[KeyColumn],
    ) -> None:
        self._database = Database(database)
        self._statement = statement
        self._key = SqlKey(key)
        self._known: SqlRange | None = None
        self._changes: dict[Any, Change] = {}
        SqlRange(self._statement, self._key, "sqlite")  # refuses at once what can't be used

    def __repr__(self) -> str:
        return f"<rows of {self._key.table.name} in the order of {self._key}>"

    def _range(self, connection: Connection) -> SqlRange:
        """The rows in the words of the database, which isn't known before it is connected to."""
        if self._known is None:
            dialect = connection.dialect.name
            refuse_unknown(dialect)
            self._known = SqlRange(self._statement, self._key, dialect)
        return self._known

    async def count(self) -> int:
        """See `Source.count`."""
        return await self._database.read(lambda one: self._range(one).count(one))

    async def walk(self, after: Key | None, last: Key | None, size: int, most: int) -> Walk:
        """See `Source.walk`."""

        def look(connection: Connection) -> Walk:
            rows, bounds, end = self._range(connection), list[Key](), last
            if end is None:
                rows.refuse_null(connection)
                end = rows.last(connection)
            behind = after
            while end is not None and len(bounds) < most:
                bound = rows.nth(connection, behind, end, size)
                if bound is None or bound == end:
                    return Walk((*bounds, end), end, finished=True)
                bounds.append(bound)
                behind = bound
            return Walk(tuple(bounds), end, finished=end is None)

        return await self._database.read(look)

    async def open(self, slab: Slab) -> Cursor:
        """See `Source.open`."""
        return await self._database.write(lambda one: _opened(one, slab))

    async def change(
        self,
        slab: Slab,
        cursor: Cursor,
        most: int,
        step: Callable[[Batch], Awaitable[None]],
        keeps: str,
    ) -> Cursor:
        """See `Source.change`."""
        rows = self._known
        if rows is None:
            rows = await self._database.read(self._range)
        async with self._database.writing() as transaction:
            after = cursor.position or slab.after
            batch = Batch(transaction, rows, slab, after=after, most=most, keeps=keeps)

            def finish(connection: Connection, found: NextRows) -> Cursor:
                batch.apply(connection, cursor.slab, self._changes)
                ahead = replace(
                    cursor,
                    position=found.until,
                    rows=cursor.rows + found.count,
                    finished=found.until == slab.until,
                )
                _move(connection, cursor, ahead)
                return ahead

            try:
                await step(batch)
                return await batch.finish(finish)
            except Exception as error:
                if batch.is_lost:
                    raise
                found = await batch.find()
                raise BatchFailed(refusal(error) or error, found.until) from error

    async def bury(self, slab: Slab, cursor: Cursor, failed: Key, error: str) -> Cursor:
        """See `Source.bury`."""

        def set_aside(connection: Connection) -> Cursor:
            after = cursor.position or slab.after
            key = self._range(connection).nth(connection, after, slab.until, 1)
            if key is None:  # it has vanished meanwhile, and no other is left
                ahead = replace(cursor, position=slab.until, finished=True)
                _move(connection, cursor, ahead)
                return ahead
            if key != failed:  # it has vanished meanwhile, or another one came before it
                return cursor
            connection.execute(
                insert(dead_letters).values(slab=cursor.slab, key=text_of(key), error=error)
            )
            ahead = replace(cursor, position=key, dead=cursor.dead + 1, finished=key == slab.until)
            _move(connection, cursor, ahead)
            return ahead

        return await self._database.write(set_aside)

    async def buried(self, cursor: Cursor, known: int, most: int) -> Sequence[Buried]:
        """See `Source.buried`."""
        statement = (
            select(dead_letters.c.key, dead_letters.c.error)
            .where(dead_letters.c.slab == cursor.slab)
            .order_by(dead_letters.c.id)
            .offset(known)
            .limit(most)
        )
        found = await self._database.read(lambda one: one.execute(statement).all())
        return [Buried(key_of(key) or (), error) for key, error in found]

    async def take_back(
        self, slab: Slab, undo: Callable[[Undoing], Awaitable[None]] | None
    ) -> TakenBack:
        """See `Source.take_back`."""
        number = await self._database.write(lambda one: close(one, _opened(one, slab)))
        return await take_back(self._database, self._key, number, undo)


def _opened(connection: Connection, slab: Slab) -> Cursor:
    """The slab's row, made where there is none."""
    values = {
        "sweep": slab.sweep,
        "number": slab.number,
        "after": text_of(slab.after),
        "until": text_of(slab.until),
        "position": "",
    }
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(slabs).values(values).on_conflict_do_nothing())
    row = connection.execute(
        select(slabs).where(and_(slabs.c.sweep == slab.sweep, slabs.c.number == slab.number))
    ).one()
    if (row.after, row.until) != (values["after"], values["until"]):
        raise SweepInvalid(
            f"slab {slab.number} of this sweep was another range of rows before",
            where=slab.sweep,
            mend="a run that was reset can't go on with a sweep whose slabs it looks for again; "
            "start a new run",
        )
    return Cursor(row.id, key_of(row.position), row.rows, row.dead, row.finished)


_MOVE = update(slabs).where(
    slabs.c.id == bindparam("sweep_slab"),
    slabs.c.position == bindparam("sweep_from"),
    slabs.c.closed == false(),
)


def _move(connection: Connection, cursor: Cursor, ahead: Cursor) -> None:
    """Move the cursor, unless another attempt has moved it, or the slab is being taken back."""
    moved = connection.execute(
        _MOVE,
        {
            "sweep_slab": cursor.slab,
            "sweep_from": text_of(cursor.position),
            "position": text_of(ahead.position),
            "rows": ahead.rows,
            "dead": ahead.dead,
            "finished": ahead.finished,
        },
    )
    if moved.rowcount != 1:
        raise SlabMoved("another attempt has gone on with this slab, or it is taken back")
