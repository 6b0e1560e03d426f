"""The store itself: connections, transactions and what each database needs for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from worker.settings import Settings
from worker.store.errors import database_errors
from worker.store.patterns import like_matches

Dialect = Literal["sqlite", "postgresql"]

_BUSY_TIMEOUT_MILLISECONDS = 2_000
"""How long SQLite waits for another's write: less than a quick mutation's timeout, so that the
mutation fails with a sentence and is tried again, instead of being given up without a word."""

_POOL_TIMEOUT_SECONDS = 10
_CONNECT_TIMEOUT_SECONDS = 5


class Store:
    """An open database of the shop; made once a process and closed at its end.

    Args:
        database_url: The database, with its async driver (see `worker.settings`).
        foreign_keys: Whether SQLite enforces foreign keys. Only migrations switch it off: where
            SQLite can't alter a table they copy and drop it, and the drop would cascade.
    """

    def __init__(self, database_url: URL | str, *, foreign_keys: bool = True) -> None:
        url = make_url(database_url)
        self.dialect: Dialect = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql"
        self.place = _place(url)
        self._engine = (
            _sqlite_engine(url, foreign_keys=foreign_keys)
            if self.dialect == "sqlite"
            else _postgres_engine(url)
        )
        self._writing_engine = self._engine.execution_options(writes=True)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; what it changes is rolled back at its end.

        Raises:
            StoreUnavailable: The database is locked, gone or not migrated.
            StoreRefused: The database refuses a value.
        """
        with database_errors(self.place):
            async with AsyncSession(self._engine, expire_on_commit=False) as session:
                yield session

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A session in a transaction for writing: all of it is kept, or nothing.

        Raises:
            StoreUnavailable: The database is locked, gone or not migrated.
            StoreRefused: A constraint or a type refuses the change.
        """
        with database_errors(self.place):
            session = AsyncSession(self._writing_engine, expire_on_commit=False)
            async with session, session.begin():
                yield session

    async def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            StoreUnavailable: It gives none.
        """
        async with self.session() as session:
            await session.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection; the store can't be used afterwards."""
        await self._engine.dispose()


async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The shop's store, closed when the one who asked for it is done."""
    store = Store(settings.url)
    try:
        yield store
    finally:
        await store.close()


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"SQLite file {url.database}"
    host = url.host or url.query.get("host") or "localhost"
    return f"Postgres database {url.database or ''} at {host}:{url.port or 5432}"


def _postgres_engine(url: URL) -> AsyncEngine:
    return create_async_engine(
        url,
        # A connection that died while it lay in the pool is replaced before it is used.
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=10,
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        connect_args={"connect_timeout": _CONNECT_TIMEOUT_SECONDS},
        hide_parameters=True,
    )


def _sqlite_engine(url: URL, *, foreign_keys: bool) -> AsyncEngine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url,
        # Each connection is a thread, and only one writes at a time: few are enough.
        pool_size=5,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT_SECONDS,
        hide_parameters=True,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        # The driver would begin a transaction only at the first write, and too late for
        # IMMEDIATE; without an isolation level it leaves that to `begin` below.
        connection.isolation_level = None
        connection.create_function("like_matches", 3, like_matches, deterministic=True)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MILLISECONDS:d}")
        # Readers don't wait for the writer; a commit that the disk hasn't seen yet can be lost
        # with the machine, but not with the process, and never half.
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute(f"PRAGMA foreign_keys = {int(foreign_keys):d}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later fails at once, without waiting, when
        # another has written in between. A writing one takes its place in the queue first.
        immediate = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine
