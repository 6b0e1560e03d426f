"""What a sweep's declaration refuses, before anything is swept."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Select,
    String,
    Table,
    Uuid,
    create_engine,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from euryale import sweep_query, sweep_step
from euryale.errors import SweepInvalid, SweepKeyInvalid
from euryale.sweeps.declaration import declared_in, only_sweeps
from euryale.sweeps.sql import Batch, Rows
from euryale.sweeps.sql_key import SqlKey
from euryale.sweeps.sql_range import SqlRange

metadata = MetaData()
thing = Table(
    "thing",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("uid", Uuid, nullable=False, unique=True),
    Column("weight", Numeric, nullable=False),
    Column("blob", LargeBinary, nullable=False),
    Index("thing_name_live", "name", unique=True, sqlite_where=Column("name").is_not(None)),
)
other = Table("other", metadata, Column("id", Integer, primary_key=True))
engine = create_engine("sqlite://")


class Base(DeclarativeBase):
    pass


class MappedThing(Base):
    __tablename__ = "mapped"
    number: Mapped[int] = mapped_column(primary_key=True)


class Good:
    @sweep_query("things")
    def things(self) -> Rows:
        return Rows(engine, select(thing), key=thing.c.id)

    @sweep_step("thing.change", undo="restore")
    async def change(self, batch: Batch) -> None:
        batch.update(name="changed")


def test_queries_and_steps_are_found_by_their_names() -> None:
    declared = declared_in([Good])
    assert declared.keys() == {"things", "thing.change"}
    assert declared["thing.change"].mark.keeps == "rows"
    assert only_sweeps(Good)


def test_a_name_that_is_borne_twice_is_refused() -> None:
    class Again(Good):
        pass

    with pytest.raises(SweepInvalid, match="is borne by"):
        declared_in([Good, Again])


@pytest.mark.parametrize(
    "database",
    [create_async_engine("sqlite+aiosqlite://"), AsyncSession(), Session(), sessionmaker(engine)],
    ids=lambda database: type(database).__name__,
)
def test_what_begins_no_asynchronous_session_is_refused(database: Any) -> None:
    with pytest.raises(SweepInvalid, match=f"by this: {type(database).__name__}"):
        Rows(database, select(thing), key=thing.c.id)


def test_an_undo_that_is_a_mistyped_word_is_refused() -> None:
    class Bad:
        @sweep_step("thing.bad", undo="restor")  # type: ignore[arg-type]
        async def bad(self, batch: Batch) -> None: ...

    with pytest.raises(SweepInvalid, match=r"'thing\.bad' is 'restor'"):
        declared_in([Bad])


def test_a_step_that_is_not_async_is_refused() -> None:
    class Bad:
        @sweep_step("thing.bad")  # type: ignore[type-var]
        def bad(self, batch: Batch) -> None: ...

    with pytest.raises(SweepInvalid, match="no async method"):
        declared_in([Bad])


def test_a_step_with_two_inputs_is_refused() -> None:
    class Bad:
        @sweep_step("thing.bad")
        async def bad(self, batch: Batch, one: int, two: int) -> None: ...

    with pytest.raises(SweepInvalid, match="nobody fills in"):
        declared_in([Bad])


def test_an_undo_of_another_class_is_refused() -> None:
    async def elsewhere(self: Any, rows: Any) -> None: ...

    class Bad:
        @sweep_step("thing.bad", undo=elsewhere)
        async def bad(self, batch: Batch) -> None: ...

    with pytest.raises(SweepInvalid, match="no method of"):
        declared_in([Bad])


@pytest.mark.parametrize("statement", [select(thing).limit(3), select(thing).offset(3)])
def test_a_limited_query_is_refused(statement: Select[Any]) -> None:
    with pytest.raises(SweepInvalid, match="has a limit"):
        Rows(engine, statement, key=thing.c.id)


def test_a_key_of_two_tables_is_refused() -> None:
    with pytest.raises(SweepInvalid, match="isn't of one table"):
        Rows(engine, select(thing), key=[thing.c.id, other.c.id])


def test_an_attribute_of_a_mapped_class_is_a_key() -> None:
    key = SqlKey(MappedThing.number)
    assert (key.table.name, key.is_unique) == ("mapped", True)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (thing.c.id, 7),
        (thing.c.name, "ü"),
        (thing.c.at, datetime(2026, 1, 1, 2, 3, 4, 567891, UTC)),
        (thing.c.uid, UUID(int=5)),
        (thing.c.weight, Decimal("1.10")),
    ],
)
def test_a_key_comes_back_as_it_was(column: Column[Any], value: object) -> None:
    key = SqlKey(column)
    assert key.decode(key.encode([value])) == (value,)


def test_a_key_that_does_not_come_back_is_refused() -> None:
    with pytest.raises(SweepKeyInvalid, match="doesn't come back"):
        SqlKey(thing.c.blob).encode([b"\xff\xfe"])


@pytest.mark.parametrize(
    ("statement", "column", "unique"),
    [
        (select(thing), thing.c.id, True),
        (select(thing), thing.c.uid, True),
        (select(thing), thing.c.at, False),
        # An index over some rows says nothing of the others.
        (select(thing), thing.c.name, False),
        # A join may have a row of the table several times.
        (select(thing).join(other, other.c.id > thing.c.id), thing.c.id, False),
    ],
)
def test_a_key_is_known_to_be_unique_only_where_the_table_says_so(
    statement: Select[Any], column: Column[Any], *, unique: bool
) -> None:
    assert SqlRange(statement, SqlKey(column), "sqlite").is_unique is unique
