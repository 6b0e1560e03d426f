"""Worlds: the state that one case of a proof begins with, changes, and is judged by."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class World:
    """What one run works on: nobody else does.

    Attributes:
        snapshot: Tells the state, as nested mappings, lists and plain values: `{"cart": {"cart_1":
            {"deleted_at": None}}}`. What must not count, such as a log, is left out.
        environment: Settings of the worker's process by which it finds this state.
    """

    snapshot: Callable[[], Awaitable[Any]]
    environment: Mapping[str, str] = field(default_factory=dict)


OpenWorld = Callable[[Path], AbstractAsyncContextManager[World]]
"""Makes a world in an empty folder: for each case of a proof one, with the same state in it."""


def sqlite_file(
    initial: Path,
    *,
    variable: str = "DATABASE_URL",
    value: str = "sqlite:///{}",
    without: Collection[str] = (),
) -> OpenWorld:
    """A world that is an SQLite file: each case gets a copy, and its rows are the snapshot.

    Args:
        initial: The file that each case begins with; nobody writes to it meanwhile.
        variable: The environment variable that tells a worker which file is its own.
        value: What that says, with `{}` for the file's path.
        without: Tables (`audit_log`) and columns (`product.viewed_at`) that don't count.

    Example:
        >>> world = sqlite_file(Path("tests/shop.db"), without=["alembic_version"])
    """

    @contextlib.asynccontextmanager
    async def open_world(folder: Path) -> AsyncIterator[World]:
        file = folder / initial.name
        await asyncio.to_thread(_copy, initial, file)

        async def snapshot() -> Any:
            return await asyncio.to_thread(sqlite_rows, file, without=without)

        yield World(snapshot, {variable: value.format(file)})

    return open_world


def sqlite_rows(file: Path, *, without: Collection[str] = ()) -> dict[str, Any]:
    """All rows of an SQLite file, by table and by primary key; a list where a table has none.

    Args:
        file: The file.
        without: Tables and columns that are left out; see `sqlite_file`.
    """
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {
            table: _rows(connection, table, without)
            for (table,) in tables.fetchall()
            if table not in without
        }


def _rows(connection: sqlite3.Connection, table: str, without: Collection[str]) -> Any:
    columns = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    keys = [name for name, place in sorted(columns, key=lambda each: each["pk"]) if place]
    quoted = '"' + table.replace('"', '""') + '"'
    rows = [
        (
            " ".join(str(row[key]) for key in keys),
            {name: row[name] for name in row.keys() if f"{table}.{name}" not in without},  # noqa: SIM118 -- a row iterates over its values
        )
        for row in connection.execute(f"SELECT * FROM {quoted}")  # noqa: S608 -- quoted above
    ]
    return dict(rows) if keys else [row for _, row in rows]


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    log = source.with_name(source.name + "-wal")
    if log.exists():
        shutil.copyfile(log, target.with_name(target.name + "-wal"))
