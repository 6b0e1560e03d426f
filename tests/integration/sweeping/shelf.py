"""A shelf of items in a database, for sweeps that go well and badly."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Float,
    Integer,
    MetaData,
    Numeric,
    Row,
    Select,
    String,
    Table,
    create_engine,
    event,
    insert,
    select,
)
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine

from euryale.sweeps import sql_tables

metadata = MetaData()

item = Table(
    "item",
    metadata,
    Column("id", String, primary_key=True),
    Column("aisle", Integer, nullable=False),
    Column("place", Integer, nullable=False),
    Column("state", String, nullable=False, index=True),
    Column("price", Float),
    Column("weight", Numeric(12, 3)),
    Column("label", String),
    Column("changed_at", DateTime(timezone=True)),
    Column("touched", Integer, nullable=False, server_default="0"),
)


class Shelf:
    """The items, in SQLite or Postgres, reached by a sync engine and by an async store."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(url)
        self._url = url

    def close(self) -> None:
        self.engine.dispose()

    def make(self) -> None:
        with self.engine.begin() as connection:
            metadata.create_all(connection)
            sql_tables.metadata.create_all(connection)

    def fill(self, count: int, *, first: int = 0, state: str = "new") -> None:
        items = [
            {
                "id": id_of(number),
                "aisle": number // 10,
                "place": number % 10,
                "state": state,
                "price": 0.1 * number,
                "label": f"item {number}",
            }
            for number in range(first, first + count)
        ]
        self.run(lambda connection: connection.execute(insert(item), items))

    def run(self, work: Any) -> Any:
        with self.engine.begin() as connection:
            return work(connection)

    def rows(self, statement: Select[Any] | None = None) -> list[Row[Any]]:
        found = select(item).order_by(item.c.id) if statement is None else statement
        with self.engine.connect() as connection:
            return list(connection.execute(found).all())

    def states(self) -> dict[str, str]:
        return {row.id: row.state for row in self.rows()}

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        with self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def store(self) -> AsyncIterator[async_sessionmaker[Any]]:
        """The same items, by an async driver."""
        engine = _async_engine(self._url)
        yield async_sessionmaker(engine)
        await engine.dispose()


def id_of(number: int) -> str:
    return f"item_{number:07}"


def _engine(url: str) -> Engine:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    if engine.dialect.name == "sqlite":
        _prepare(engine)
    return engine


def _async_engine(url: str) -> AsyncEngine:
    engine = create_async_engine(
        url.replace("postgresql://", "postgresql+psycopg://").replace(
            "sqlite://", "sqlite+aiosqlite://"
        )
    )
    if engine.dialect.name == "sqlite":
        _prepare(engine.sync_engine)
    return engine


def _prepare(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 10000"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
