"""The key that a sweep goes along: its columns, whether it is unique, and how it travels."""

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, to_jsonable_python
from sqlalchemy import Column, Table, UniqueConstraint
from sqlalchemy.orm import InstrumentedAttribute

from euryale.errors import SweepInvalid, SweepKeyInvalid
from euryale.sweeps.source import Key

KeyColumn = Column[Any] | InstrumentedAttribute[Any]


class SqlKey:
    """The columns of a key.

    Args:
        given: One column, or several of one table; attributes of a mapped class will do.

    Raises:
        SweepInvalid: They are no columns of one table.
    """

    def __init__(self, given: KeyColumn | Sequence[KeyColumn]) -> None:
        several = given if isinstance(given, Sequence) else (given,)
        self.columns: tuple[Column[Any], ...] = tuple(_column(each) for each in several)
        tables = [column.table for column in self.columns]
        if len(set(tables)) != 1 or not isinstance(tables[0], Table):
            raise SweepInvalid(
                f"the key ({', '.join(map(str, self.columns))}) isn't of one table",
                where="Rows(key=…)",
                mend="give columns of the table whose rows the step changes",
            )
        self.table = tables[0]
        types: Any = tuple(_python_type(column) for column in self.columns)
        self._adapter: TypeAdapter[tuple[Any, ...]] = TypeAdapter(tuple[types])

    def __str__(self) -> str:
        return f"({', '.join(f'{self.table.name}.{column.name}' for column in self.columns)})"

    @property
    def is_nullable(self) -> bool:
        """Whether a row may have no key."""
        return any(column.nullable for column in self.columns)

    def has(self, column: Column[Any]) -> bool:
        """Whether a column is of the key."""
        return any(column is mine for mine in self.columns)

    @cached_property
    def is_unique(self) -> bool:
        """Whether the table's own constraints say that no two rows have one key."""
        own = set(self.columns)
        return any(unique and unique <= own for unique in _unique(self.table))

    def encode(self, values: Iterable[Any]) -> Key:
        """A key in terms of JSON.

        Raises:
            SweepKeyInvalid: It would not come back as it was.
        """
        given = tuple(values)
        try:
            encoded = tuple(to_jsonable_python(list(given)))
            back = self.decode(encoded)
        except (ValueError, PydanticSerializationError) as error:
            raise self._cannot_travel(given) from error
        if back != given:
            raise self._cannot_travel(given)
        return encoded

    def decode(self, key: Key) -> tuple[Any, ...]:
        """The values of a key's columns."""
        return self._adapter.validate_python(tuple(key))

    def _cannot_travel(self, values: tuple[Any, ...]) -> SweepKeyInvalid:
        return SweepKeyInvalid(
            f"the key {self} has {values!r}, which doesn't come back from JSON as it was",
            where=str(self),
            mend="take a key of texts, numbers, times or UUIDs",
        )


def text_of(key: Key | None) -> str:
    """A key as the tables hold it; empty where there is none."""
    return "" if key is None else json.dumps(key, separators=(",", ":"))


def key_of(text: str) -> Key | None:
    """The key that a table holds."""
    return tuple(json.loads(text)) if text else None


def _column(given: KeyColumn) -> Column[Any]:
    found: Any = given
    if isinstance(given, InstrumentedAttribute):
        columns = getattr(given.property, "columns", ())
        found = next(iter(columns), None)
    if not isinstance(found, Column):
        raise SweepInvalid(
            f"{given} is no column",
            where="Rows(key=…)",
            mend="give a column of a table, or an attribute of a mapped class",
        )
    return found


def _unique(table: Table) -> list[set[Any]]:
    found = [set(table.primary_key.columns)]
    found += [
        set(constraint.columns)
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    found += [
        set(index.columns)
        for index in table.indexes
        if index.unique and not any(name.endswith("_where") for name in index.dialect_kwargs)
    ]
    return found


def _python_type(column: Column[Any]) -> Any:
    for one in (column.type, getattr(column.type, "impl_instance", None)):
        try:
            return one.python_type if one is not None else Any
        except NotImplementedError:
            continue
    return Any
