"""A batch of rows, as the step of a sweep gets it, and what the step wants done with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic_core import to_json
from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Connection,
    Row,
    bindparam,
    insert,
    select,
    update,
)

from euryale.errors import SweepInvalid
from euryale.sweeps.source import Key, Slab
from euryale.sweeps.sql_database import Transaction
from euryale.sweeps.sql_dialect import image, key_image
from euryale.sweeps.sql_key import text_of
from euryale.sweeps.sql_range import NextRows, SqlRange
from euryale.sweeps.sql_tables import undo_log

T = TypeVar("T")


class Batch:
    """Some rows of a sweep, in a transaction that is committed when the step returns.

    What the step does to the database goes through the batch, so that it happens together with the
    sweep's own record of how far it came. `update` is the quick way: one statement for all rows,
    and the engine knows how to take it back.

    Attributes:
        condition: Which rows of the table are meant, for statements of the step's own.
        idempotency_key: The same over all attempts that begin at this place of this sweep. How many
            rows there are from there on may have changed in between: a call for one row is better
            told by `sweep` and the row's key.
        sweep: The id of the sweep, which no other one has.
    """

    def __init__(
        self,
        transaction: Transaction,
        rows: SqlRange,
        slab: Slab,
        *,
        after: Key | None,
        most: int,
        keeps: str,
    ) -> None:
        self.sweep = slab.sweep
        self.idempotency_key = f"{slab.sweep}/{slab.number}/{text_of(after)}"
        self._transaction, self._range = transaction, rows
        self._after, self._slab, self._most = after, slab, most
        self._found: NextRows | None = None
        self._sought = False
        self._keeps = keeps
        self._values: dict[str, Any] = {}
        self._kept: list[dict[str, str]] = []

    @property
    def condition(self) -> ColumnElement[bool]:
        """Which rows of the table are meant."""
        return self._range.condition(self._after, self._until)

    async def rows(self) -> Sequence[Row[Any]]:
        """The rows, as the query selects them, in the order of the key."""
        statement = self._range.rows(self._after)
        return await self.run(lambda one: one.execute(statement, self._parameters()).all())

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Carry out statements of the step's own in the batch's transaction.

        Args:
            work: Gets the connection. It may be called in a thread.
        """
        return await self._transaction.run(self._with_rows(lambda one, _: work(one)))

    def update(self, values: Mapping[str, Any] | None = None, /, **columns: Any) -> None:
        """Set columns of all rows when the step returns, and keep what they held for the undo.

        Args:
            values: What to set, by the names of columns: values, or SQL expressions of the row.
            columns: The same.

        Raises:
            SweepInvalid: The table has no such column, it is part of the key, or the batch was
                updated before.
        """
        table, key = self._range.key.table, self._range.key
        wanted = {**(values or {}), **columns}
        unknown = wanted.keys() - table.columns.keys()
        if unknown or not wanted:
            raise SweepInvalid(
                f"table {table.name} has no column {min(unknown)!r}"
                if unknown
                else "an update sets nothing",
                where="Batch.update",
                mend=f"its columns are: {', '.join(table.columns.keys())}",
            )
        moved = [name for name in wanted if key.has(table.columns[name])]
        if moved:
            raise SweepInvalid(
                f"the step would change {table.name}.{moved[0]}, which is of the key that the "
                "sweep goes along: a row could be met twice, or never",
                where="Batch.update",
                mend="take a key that the step leaves alone",
            )
        if self._values:
            raise SweepInvalid(
                "a batch is updated once",
                where="Batch.update",
                mend="set all columns in one update",
            )
        self._values = wanted

    def keep(self, *key: Any, undo: Any) -> None:
        """Keep something of a row for the step's undo.

        Args:
            key: The values of the row's key.
            undo: What the undo needs, in terms of JSON.

        Raises:
            SweepInvalid: The step names no method that would take it back.
        """
        if self._keeps != "step":
            raise SweepInvalid(
                "nobody would take back what is kept",
                where="Batch.keep",
                mend="name the method that does: @sweep_step(…, undo=…)",
            )
        text = text_of(self._range.key.encode(key))
        self._kept.append({"key": text, "before": to_json(undo).decode()})

    # --- for the engine -----------------------------------------------------------------------

    @property
    def is_lost(self) -> bool:
        """Whether its rows were looked for, and that failed."""
        return self._sought and self._found is None

    async def find(self) -> NextRows:
        """Its rows; known ones are told also when the transaction can do nothing more."""
        if self._found is not None:
            return self._found
        return await self._transaction.run(self._with_rows(lambda _, found: found))

    async def finish(self, work: Callable[[Connection, NextRows], T]) -> T:
        """Carry out the last work in the transaction, and commit."""
        return await self._transaction.finish(self._with_rows(work))

    def apply(self, connection: Connection, slab: int, cache: dict[Any, "Change"]) -> None:
        """Do what the step wants done."""
        if self._kept:
            entries = [{"slab": slab, **entry} for entry in self._kept]
            connection.execute(insert(undo_log), entries)
        if not self._values:
            return
        change = self._change(connection.dialect.name, cache)
        given = self._parameters() | {
            f"sweep_to_{name}": value
            for name, value in self._values.items()
            if not isinstance(value, ClauseElement)
        }
        if change.log is not None:
            connection.execute(change.log, {**given, "sweep_slab": slab})
        connection.execute(change.update, given)

    def _with_rows(self, work: Callable[[Connection, NextRows], T]) -> Callable[[Connection], T]:
        """The work, behind the search for the rows, which is the first in the transaction."""
        self._sought = True

        def carry_out(connection: Connection) -> T:
            if self._found is None:
                self._found = self._range.next(
                    connection, self._after, self._slab.until, self._most
                )
            return work(connection, self._found)

        return carry_out

    def _until(self) -> Key:
        if self._found is None:
            raise SweepInvalid(
                "the rows of a batch are known in its transaction only",
                where="Batch.condition",
                mend="carry the statement out by batch.run",
            )
        return self._found.until

    def _parameters(self) -> dict[str, Any]:
        return self._range.parameters(self._after, self._until())

    def _change(self, dialect: str, cache: dict[Any, "Change"]) -> "Change":
        """The statements; made once for a slab where all batches set the same expressions."""
        expressions = {
            name: value for name, value in self._values.items() if isinstance(value, ClauseElement)
        }
        known = (frozenset(self._values), frozenset(expressions), self._after is not None)
        change = cache.get(known)
        if change is None or not change.sets(expressions):
            change = cache[known] = self._made(dialect, expressions)
        return change

    def _made(self, dialect: str, expressions: "_Expressions") -> "Change":
        table, key = self._range.key.table, self._range.key
        columns = table.columns
        values: dict[str, Any] = {
            name: expressions[name]
            if name in expressions
            else bindparam(f"sweep_to_{name}", type_=columns[name].type)
            for name in self._values
        }
        condition = self._range.condition_for(self._after)
        change = update(table).where(condition).values(values)
        if self._keeps != "rows":
            return Change(expressions, change)
        named = {name: columns[name] for name in values}
        before = image(named, named, dialect)
        after = image(values, named, dialect)
        slab: Any = bindparam("sweep_slab", type_=undo_log.c.slab.type)
        found = select(slab, key_image(key.columns, dialect), before, after).where(condition)
        names = ["slab", "key", "before", "after"]
        return Change(expressions, change, insert(undo_log).from_select(names, found))


_Expressions = Mapping[str, ClauseElement]


@dataclass(frozen=True, slots=True)
class Change:
    """The statements of a batch's update.

    Attributes:
        expressions: What it sets columns to, where these are no plain values.
        update: The update.
        log: What keeps the rows as they were before, if anything does.
    """

    expressions: _Expressions
    update: Any
    log: Any = None

    def sets(self, expressions: _Expressions) -> bool:
        """Whether it sets these expressions, values within them included."""
        return all(mine.compare(expressions[name]) for name, mine in self.expressions.items())
