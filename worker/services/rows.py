"""Reading rows: the few lines that all services share."""

from collections.abc import Iterator, Sequence
from typing import TypeVar, cast

from sqlalchemy import ColumnElement, RowMapping, Table, select
from sqlalchemy.ext.asyncio import AsyncSession

from worker.store.tables import Base

T = TypeVar("T")

Row = RowMapping

Conditions = list[ColumnElement[bool]]

_SLICE = 5_000
"""Values in one IN list: a sixth of what SQLite takes as parameters of one statement."""


def table_of(row_class: type[Base]) -> Table:
    """The table behind a row class."""
    return cast("Table", row_class.__table__)


def slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    """A long list in parts that each fit into one statement."""
    for start in range(0, len(values), _SLICE):
        yield values[start : start + _SLICE]


async def live_rows(
    session: AsyncSession,
    table: Table,
    *conditions: ColumnElement[bool],
    skip: int = 0,
    take: int | None = None,
) -> Sequence[Row]:
    """The rows that are not soft-deleted and meet the conditions, in the order of their ids.

    Raises:
        ValueError: `skip` or `take` is negative.
    """
    if skip < 0 or (take is not None and take < 0):
        raise ValueError(f"skip and take count rows: {skip} and {take} can't both be meant")
    statement = select(table).where(table.c.deleted_at.is_(None), *conditions).order_by(table.c.id)
    if skip or take is not None:
        statement = statement.offset(skip).limit(take)
    return (await session.execute(statement)).mappings().all()
