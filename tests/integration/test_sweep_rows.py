"""Rows of a database by themselves: what one batch sees, and which row is set aside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, func, insert, select
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped
from sweeping.shelf import Shelf, id_of, item

from euryale.sweeps.source import BatchFailed, Slab
from euryale.sweeps.sql import Batch, Rows
from euryale.sweeps.sql_database import Database
from euryale.sweeps.sql_key import SqlKey
from euryale.sweeps.sql_range import SqlRange
from euryale.sweeps.sql_tables import dead_letters


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    shelf = Shelf(f"sqlite:///{tmp_path / 'shelf.db'}")
    shelf.make()
    yield shelf
    shelf.close()


async def test_a_batch_sees_one_state_whatever_the_engine_does_by_itself(tmp_path: Path) -> None:
    # SQLite's driver alone would begin a transaction with the first change only.
    url = f"sqlite:///{tmp_path / 'plain.db'}"
    engine = create_engine(url)
    asynchronous = create_async_engine(url.replace("sqlite", "sqlite+aiosqlite", 1))

    def has_begun(connection: Any) -> bool:
        return bool(connection.connection.driver_connection.in_transaction)

    try:
        for given in (engine, async_sessionmaker(asynchronous)):
            async with Database(given).writing() as transaction:
                assert await transaction.run(has_begun)
    finally:
        engine.dispose()
        await asynchronous.dispose()


async def test_a_row_that_comes_before_the_one_that_failed_has_its_turn_first(
    shelf: Shelf,
) -> None:
    shelf.fill(3)
    rows = Rows(shelf.engine, select(item), key=item.c.id)
    slab = Slab("sweep", 0, None, (id_of(2),))
    cursor = await rows.open(slab)

    async def fail(_: Batch) -> None:
        raise ValueError("refused")

    with pytest.raises(BatchFailed) as failed:
        await rows.change(slab, cursor, 1, fail, "")
    assert failed.value.until == (id_of(0),)

    # While nobody held the rows, another one came in front.
    def put_in_front(connection: Any) -> None:
        row = connection.execute(select(item).where(item.c.id == id_of(0))).mappings().one()
        connection.execute(insert(item).values(dict(row) | {"id": id_of(0)[:-1], "place": 99}))

    shelf.run(put_in_front)
    assert await rows.bury(slab, cursor, failed.value.until, "refused") == cursor
    with shelf.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(dead_letters)) == 0


async def test_a_step_that_fails_for_rows_that_are_gone_ends_its_slab(shelf: Shelf) -> None:
    shelf.fill(1)
    rows = Rows(shelf.engine, select(item), key=item.c.id)
    slab = Slab("sweep", 0, None, (id_of(0),))
    cursor = await rows.open(slab)
    shelf.run(lambda one: one.execute(delete(item)))

    async def fail(_: Batch) -> None:
        raise ValueError("refused")

    with pytest.raises(BatchFailed) as failed:
        await rows.change(slab, cursor, 1, fail, "")
    ended = await rows.bury(slab, cursor, failed.value.until, "refused")
    assert (ended.finished, ended.rows, ended.dead) == (True, 0, 0)


async def test_each_batch_sets_its_own_expressions(shelf: Shelf) -> None:
    shelf.fill(6)
    rows = Rows(shelf.engine, select(item), key=item.c.id)
    slab = Slab("sweep", 0, None, (id_of(5),))
    added = iter((10, 10, 20))

    async def add(batch: Batch) -> None:
        batch.update(place=item.c.place + next(added))

    cursor = await rows.open(slab)
    while not cursor.finished:
        cursor = await rows.change(slab, cursor, 2, add, "rows")
    with shelf.engine.connect() as connection:
        places = connection.scalars(select(item.c.place).order_by(item.c.id)).all()
    assert [after - before for before, after in enumerate(places)] == [10, 10, 10, 10, 20, 20]
    assert (await rows.take_back(slab, None)).left == 0
    with shelf.engine.connect() as connection:
        assert connection.scalars(select(item.c.place).order_by(item.c.id)).all() == list(range(6))


async def test_the_rows_of_a_batch_are_known_in_its_transaction_only(shelf: Shelf) -> None:
    shelf.fill(3)
    rows = Rows(shelf.engine, select(item), key=item.c.id)
    slab = Slab("sweep", 0, None, (id_of(2),))

    async def look(batch: Batch) -> None:
        # It may be asked for before the rows are known.
        condition = batch.condition
        meant = select(func.count()).select_from(item).where(condition)
        with pytest.raises(StatementError, match="known in its transaction only"):
            shelf.run(lambda one: one.execute(meant))
        assert await batch.run(lambda one: one.scalar(meant)) == 2

    await rows.change(slab, await rows.open(slab), 2, look, "")


class Base(DeclarativeBase):
    pass


class MappedItem(Base):
    __table__ = item
    id: Mapped[str]
    state: Mapped[str]


@pytest.mark.parametrize(
    ("query", "key"),
    [
        (
            select(item).where(
                item.c.state == "new", item.c.id >= id_of(1_000), item.c.id <= id_of(2_999)
            ),
            item.c.id,
        ),
        (
            select(MappedItem).where(
                MappedItem.state == "new",
                MappedItem.id >= id_of(1_000),
                MappedItem.id <= id_of(2_999),
            ),
            MappedItem.id,
        ),
    ],
)
def test_sqlite_looks_at_the_rows_of_a_batch_and_at_no_others(
    shelf: Shelf, query: Any, key: Any
) -> None:
    shelf.fill(4_000)
    rows = SqlRange(query, SqlKey(key), "sqlite")
    with shelf.engine.connect() as connection:
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(step, 1)

        def cost(after: int | None, until: int | None) -> int:
            nonlocal steps
            steps = 0
            if until is None:
                assert rows.last(connection) == (id_of(2_999),)
            else:
                behind = None if after is None else (id_of(after),)
                assert rows.next(connection, behind, (id_of(until),), 100).count == 100
            return steps

        assert cost(None, 2_999) < 100 * 20
        assert cost(2_800, 2_999) < 100 * 20
        assert cost(None, None) < 100
        driver.set_progress_handler(None, 1)
