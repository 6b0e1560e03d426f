"""A query's rows between two keys, as statements whose only parameters are these keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from euryale.errors import SweepInvalid, SweepKeyInvalid
from euryale.sweeps.source import Key
from euryale.sweeps.sql_dialect import hidden
from euryale.sweeps.sql_key import SqlKey

Condition = ColumnElement[bool]
Given = Mapping[str, Callable[[], Any]]

_LATER: Given = {}
"""The keys come as parameters of the statement."""


@dataclass(frozen=True, slots=True)
class NextRows:
    """The rows of a batch.

    Attributes:
        until: The key of the last one; of the slab's where there are no more.
        count: How many there are.
    """

    until: Key
    count: int


class SqlRange:
    """The rows of a query, in the order of its key.

    Args:
        statement: The query.
        key: The key.
        dialect: The database's.

    Raises:
        SweepInvalid: The query is limited.
    """

    def __init__(self, statement: Select[Any], key: SqlKey, dialect: str) -> None:
        limits = (statement._limit_clause, statement._offset_clause, statement._fetch_clause)  # noqa: SLF001 -- nothing public tells
        if any(limit is not None for limit in limits):
            raise SweepInvalid(
                "the query of a sweep has a limit, and which rows that means changes with each "
                "batch",
                where=str(key),
                mend="say by a condition which rows are meant",
            )
        self.key = key
        self._statement = statement
        self._dialect = dialect

    @cached_property
    def is_of_one_table(self) -> bool:
        """Whether each row of the query is one of the key's table, found by conditions alone."""
        statement = self._statement
        froms = statement.get_final_froms()
        plain = not (statement._distinct or statement._group_by_clauses)  # noqa: SLF001 -- as above
        return plain and [getattr(each, "fullname", "") for each in froms] == [
            self.key.table.fullname
        ]

    @property
    def is_unique(self) -> bool:
        """Whether it is known without looking that no two rows have one key."""
        return self.is_of_one_table and self.key.is_unique

    def condition(self, after: Key | None, until: Callable[[], Key]) -> Condition:
        """Which rows of the key's table are meant, the last of them as it is found later."""
        places = range(len(self.key.columns))
        given: dict[str, Callable[[], Any]] = {
            f"sweep_until_{place}": lambda at=place: self.key.decode(until())[at]  # type: ignore[misc]
            for place in places
        }
        if after is not None:
            values = self.key.decode(after)
            given |= {f"sweep_after_{place}": lambda at=place: values[at] for place in places}  # type: ignore[misc]
        return self._condition(behind=after is not None, given=given)

    def parameters(self, after: Key | None, until: Key | None) -> dict[str, Any]:
        """What the statements below get."""
        found: dict[str, Any] = {}
        for name, key in (("after", after), ("until", until)):
            if key is not None:
                values = self.key.decode(key)
                found |= {f"sweep_{name}_{place}": value for place, value in enumerate(values)}
        return found

    def condition_for(self, after: Key | None) -> Condition:
        """As `condition`, with the keys as parameters."""
        return self._behind if after is not None else self._from_the_first

    @cached_property
    def _behind(self) -> Condition:
        return self._condition(behind=True)

    @cached_property
    def _from_the_first(self) -> Condition:
        return self._condition(behind=False)

    def _condition(self, *, behind: bool, given: Given = _LATER) -> Condition:
        if self.is_of_one_table:
            return self._meant(behind=behind, given=given)
        inner = self._keys.where(self._within(behind=behind, given=given))
        return tuple_(*self.key.columns).in_(inner) if self._several else self._first.in_(inner)

    def reading(self, after: Key | None, *, until: bool = True) -> Select[Any]:
        """The keys of the rows, in no order."""
        return self._read[after is not None, until]

    @cached_property
    def _read(self) -> dict[tuple[bool, bool], Select[Any]]:
        return {
            (behind, until): select(*self.key.columns).where(
                self._meant(behind=behind, until=until)
            )
            if self.is_of_one_table
            else self._keys.where(self._within(behind=behind, until=until))
            for behind in (False, True)
            for until in (False, True)
        }

    @cached_property
    def _keys(self) -> Select[Any]:
        return self._statement.with_only_columns(
            *self.key.columns, maintain_column_froms=True
        ).order_by(None)

    def rows(self, after: Key | None) -> Select[Any]:
        """The query itself, between two keys, in the order of the key."""
        within = self._within(behind=after is not None)
        return self._statement.where(within).order_by(None).order_by(*self.key.columns)

    # --- what a sweep asks ----------------------------------------------------------------------

    def next(self, connection: Connection, after: Key | None, until: Key, most: int) -> NextRows:
        """The next rows, at most so many.

        Raises:
            SweepKeyInvalid: Two of them have one key.
        """
        last = self.nth(connection, after, until, most)
        if last is None:
            found = NextRows(until, self.count(connection, after, until))
        else:
            found = NextRows(last, most)
        self.refuse_double(connection, after, found.until)
        return found

    def nth(self, connection: Connection, after: Key | None, until: Key, number: int) -> Key | None:
        """The key of the row of that number, from 1; None where there are fewer."""
        statement = self._nth[after is not None]
        given = self.parameters(after, until) | {"sweep_skip": number - 1}
        found = connection.execute(statement, given).first()
        return None if found is None else self.key.encode(found)

    @cached_property
    def _nth(self) -> dict[bool, Select[Any]]:
        skip: Any = bindparam("sweep_skip", type_=None)
        return {
            behind: self._read[behind, True].order_by(*self.key.columns).limit(1).offset(skip)
            for behind in (False, True)
        }

    def last(self, connection: Connection) -> Key | None:
        """The largest key; None where there are no rows."""
        backwards = (column.desc() for column in self.key.columns)
        found = connection.execute(self._read[False, False].order_by(*backwards).limit(1)).first()
        return None if found is None else self.key.encode(found)

    def count(
        self, connection: Connection, after: Key | None = None, until: Key | None = None
    ) -> int:
        """How many rows there are."""
        inner = self._read[after is not None, until is not None].subquery()
        statement = select(func.count()).select_from(inner)
        return int(connection.execute(statement, self.parameters(after, until)).scalar_one())

    def refuse_null(self, connection: Connection) -> None:
        """Refuse rows that have no key: no batch would have them.

        Raises:
            SweepKeyInvalid: There is one.
        """
        if not self.key.is_nullable:
            return
        missing = or_(*(column.is_(None) for column in self.key.columns))
        if connection.execute(self._keys.where(missing).limit(1)).first() is not None:
            raise SweepKeyInvalid(
                f"a row has no key {self.key}: it is NULL",
                where=str(self.key),
                mend="leave such rows out of the query, or take another key",
            )

    def refuse_double(self, connection: Connection, after: Key | None, until: Key) -> None:
        """Refuse two rows with one key.

        Raises:
            SweepKeyInvalid: There are two in this range.
        """
        if self.is_unique:
            return
        found = connection.execute(
            self._double[after is not None], self.parameters(after, until)
        ).first()
        if found is not None:
            raise SweepKeyInvalid(
                f"two rows have the key {self.key} = {self.key.encode(found)}",
                where=str(self.key),
                mend="take a key that tells the rows apart, such as the primary key, or add that "
                "to it; of a join, select each row once",
            )

    @cached_property
    def _double(self) -> dict[bool, Select[Any]]:
        found: dict[bool, Select[Any]] = {}
        for behind in (False, True):
            inner = self._read[behind, True].subquery()
            found[behind] = (
                select(*inner.c).group_by(*inner.c).having(func.count() > literal(1)).limit(1)
            )
        return found

    # --- conditions on the key ------------------------------------------------------------------

    @property
    def _several(self) -> bool:
        return len(self.key.columns) > 1

    @property
    def _first(self) -> Column[Any]:
        return self.key.columns[0]

    def _meant(self, *, behind: bool, until: bool = True, given: Given = _LATER) -> Condition:
        """The query's own condition, and the keys' between which the rows are."""
        within = self._within(behind=behind, until=until, given=given)
        where = self._statement.whereclause
        if where is None:
            return within
        key = None if self._several else self._first
        own = hidden(
            where,
            self._dialect,
            but_below=None if behind else key,
            but_above=None if until else key,
        )
        return and_(own, within)

    def _within(self, *, behind: bool, until: bool = True, given: Given = _LATER) -> Condition:
        place: Any = tuple_(*self.key.columns) if self._several else self._first
        conditions: list[Condition] = []
        if behind:
            conditions.append(place > self._bound("after", given))
        if until:
            conditions.append(place <= self._bound("until", given))
        return and_(true(), *conditions)

    def _bound(self, name: str, given: Given) -> Any:
        bounds: list[Any] = []
        for place, column in enumerate(self.key.columns):
            bound = f"sweep_{name}_{place}"
            bounds.append(bindparam(bound, type_=column.type, callable_=given.get(bound)))
        return tuple_(*bounds) if self._several else bounds[0]
