"""Transactions on either kind of database that an application may have: sync engine or async store.

All statements of a sweep are written once, against a connection that blocks. On an engine they run
in a thread, several in one go. On an async store they run through `AsyncSession.run_sync`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar, runtime_checkable

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session, sessionmaker

from euryale.errors import SweepInvalid

T = TypeVar("T")
Work = Callable[[Connection], T]

_SNAPSHOT = "REPEATABLE READ"
"""What a batch reads and what it changes has to be the same rows; on Postgres this says so."""


@runtime_checkable
class Store(Protocol):
    """Something that begins transactions, such as an `async_sessionmaker`."""

    def begin(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A session in a transaction, which is committed at the end of the block."""
        ...


@runtime_checkable
class ReadingStore(Protocol):
    """A store that also has sessions for reading, which lock nobody out."""

    def session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A session for reading."""
        ...


class Transaction(Protocol):
    """A transaction that is open."""

    async def run(self, work: Work[T]) -> T:
        """Carry out work in it."""
        ...

    async def finish(self, work: Work[T]) -> T:
        """Carry out the last work in it, and commit."""
        ...


class Database:
    """A database, as a sweep uses it.

    Args:
        given: What the application gave.

    Raises:
        SweepInvalid: It is something else of SQLAlchemy's.
    """

    def __init__(self, given: Engine | Store) -> None:
        # They have a `begin` as well, but what that gives is no session.
        if isinstance(given, (AsyncEngine, AsyncSession, Session, sessionmaker)):
            raise SweepInvalid(
                f"a sweep can't begin transactions by this: {type(given).__name__}",
                where="Rows(database, …)",
                mend="give it an Engine, or an async_sessionmaker, "
                "such as async_sessionmaker(engine)",
            )
        self._given = given

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees one state of the rows from its beginning to its end."""
        if isinstance(self._given, Engine):
            return _in_threads(self._given)
        return _of_store(self._given.begin)

    async def read(self, work: Work[T]) -> T:
        """Carry out work that changes nothing."""
        if isinstance(self._given, Engine):
            engine = self._given
            return await _to_its_end(lambda: _on(engine.connect(), work))
        given: Any = self._given
        begin = given.session if isinstance(given, ReadingStore) else given.begin
        async with begin() as session:
            return await _on_session(session, work)

    async def write(self, work: Work[T]) -> T:
        """Carry out work in a transaction of its own, one that waits for others' changes."""
        if isinstance(self._given, Engine):
            engine = self._given
            return await _to_its_end(lambda: _on(engine.begin(), work))
        async with self._given.begin() as session:
            return await _on_session(session, work)


def _on(context: AbstractContextManager[Connection], work: Work[T]) -> T:
    with context as connection:
        return work(connection)


async def _on_session(session: AsyncSession, work: Work[T]) -> T:
    return await session.run_sync(lambda sync: work(sync.connection()))


class _OfStore:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._begun = False

    async def run(self, work: Work[T]) -> T:
        def carry_out(sync: Any) -> T:
            if self._begun:
                return work(sync.connection())
            self._begun = True
            options = _isolation(sync.get_bind().dialect.name)
            return work(_begun(sync.connection(execution_options=options)))

        return await self._session.run_sync(carry_out)

    async def finish(self, work: Work[T]) -> T:
        return await self.run(work)


@asynccontextmanager
async def _of_store(
    begin: Callable[[], AbstractAsyncContextManager[AsyncSession]],
) -> AsyncIterator[Transaction]:
    async with begin() as session:
        yield _OfStore(session)


class _InThreads:
    """A transaction of a sync engine; each of its works is one visit to a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    async def run(self, work: Work[T]) -> T:
        return await _to_its_end(lambda: work(self._opened()))

    async def finish(self, work: Work[T]) -> T:
        def carry_out() -> T:
            connection = self._opened()
            result = work(connection)
            connection.commit()
            self.close()
            return result

        return await _to_its_end(carry_out)

    def _opened(self) -> Connection:
        if self._connection is None:
            options = _isolation(self._engine.dialect.name)
            self._connection = self._engine.connect().execution_options(**options)
            _begun(self._connection)
        return self._connection

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def close(self) -> None:
        """Give the connection back; what isn't committed is rolled back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@asynccontextmanager
async def _in_threads(engine: Engine) -> AsyncIterator[Transaction]:
    transaction = _InThreads(engine)
    try:
        yield transaction
    finally:
        if transaction.is_open:
            await _to_its_end(transaction.close)


def _isolation(dialect: str) -> dict[str, Any]:
    return {"isolation_level": _SNAPSHOT} if dialect == "postgresql" else {}


def _begun(connection: Connection) -> Connection:
    """The same connection, whose transaction sees one state from here on.

    SQLite's driver begins one with the first change only, and what is read before that may be
    changed by others in between.
    """
    if connection.dialect.name == "sqlite":
        # An engine whose owner knows all that has its own BEGIN when SQLAlchemy begins.
        if not connection.in_transaction():
            connection.begin()
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    return connection


async def _to_its_end(work: Callable[[], T]) -> T:
    """Carry work out in a thread; it is waited for though the waiting is cancelled."""
    future = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future})
        raise


def refusal(error: Exception) -> ValueError | None:
    """What a database said of a value that it refuses, without the statement and its parameters."""
    if isinstance(error, IntegrityError | DataError):
        return ValueError(_first_line(error))
    return None


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
