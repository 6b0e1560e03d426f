"""The table that every side of the benchmark works on: products, as drafts or published.

Only the standard library is needed for SQLite, and psycopg for Postgres, so that sides in
environments of their own can import it. The same statements serve every side: what differs is what
each engine adds.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

BATCH = 500
_BUSY_SECONDS = 30
_SPARE_ROWS = 1_000  # what a fresh table has beyond the rows that were asked for


def product_id(number: int) -> str:
    """The id of a row; ids sort as their numbers do."""
    return f"prod_{number:010}"


class Products:
    """The products of one database; each thread has a connection of its own.

    A change counts how often it was made, in `changes`, so that a repeated one is seen.

    Args:
        url: `sqlite:///FILE`, or a URL of psycopg's.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_sqlite = url.startswith("sqlite:///")
        self._connections = threading.local()

    def create(self, rows: int) -> None:
        """Make the tables anew, all products drafts, numbered from 1."""
        self._run("DROP TABLE IF EXISTS product")
        self._run("DROP TABLE IF EXISTS fired")
        number = "INTEGER" if self.is_sqlite else "BIGINT"
        real = "REAL" if self.is_sqlite else "DOUBLE PRECISION"
        self._run(
            "CREATE TABLE product (id TEXT PRIMARY KEY, status TEXT NOT NULL,"
            f" updated_at {real} NOT NULL, changes {number} NOT NULL)"
        )
        self._run(
            f"CREATE TABLE fired (job TEXT NOT NULL, due {real} NOT NULL, at {real} NOT NULL)"
        )
        with self._transaction() as connection:
            if self.is_sqlite:
                connection.execute(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
                    " INSERT INTO product SELECT printf('prod_%010d', i), 'draft', 0, 0 FROM n",
                    (rows + _SPARE_ROWS,),
                )
            else:
                connection.execute(
                    "INSERT INTO product SELECT 'prod_' || lpad(i::text, 10, '0'), 'draft', 0, 0"
                    " FROM generate_series(1, %s) AS i",
                    (rows + _SPARE_ROWS,),
                )
        self._run("PRAGMA wal_checkpoint(TRUNCATE)" if self.is_sqlite else "VACUUM ANALYZE product")

    def publish(self, number: int) -> None:
        """Publish one product."""
        self.publish_ids([product_id(number)])

    def publish_ids(self, ids: Sequence[str]) -> None:
        """Publish the products of these ids, in one transaction."""
        change = "UPDATE product SET status = 'published', updated_at = ?, changes = changes + 1"
        marks = ", ".join("?" for _ in ids)
        with self._transaction() as connection:
            connection.execute(self._sql(f"{change} WHERE id IN ({marks})"), (time.time(), *ids))

    def publish_page(self, after: int, until: int, size: int = BATCH) -> int:
        """Publish the next drafts of a range in one transaction, as a page by their key.

        Args:
            after: The number before the range.
            until: The last number of the range.
            size: How many drafts at the most.

        Returns:
            The last number that was published; `until` where none was left.
        """
        with self._transaction() as connection:
            found = connection.execute(
                self._sql(
                    "SELECT max(id) FROM (SELECT id FROM product WHERE status = 'draft'"
                    " AND id > ? AND id <= ? ORDER BY id LIMIT ?) AS page"
                ),
                (product_id(after), product_id(until), size),
            ).fetchone()
            if found is None or found[0] is None:
                return until
            connection.execute(
                self._sql(
                    "UPDATE product SET status = 'published', updated_at = ?, changes = changes + 1"
                    " WHERE status = 'draft' AND id > ? AND id <= ?"
                ),
                (time.time(), product_id(after), found[0]),
            )
        return int(found[0].removeprefix("prod_"))

    def fired(self, job: str, due: float, at: float) -> None:
        """Record that a scheduled job's first line ran, and when it was due, in seconds."""
        with self._transaction() as connection:
            connection.execute(self._sql("INSERT INTO fired VALUES (?, ?, ?)"), (job, due, at))

    def firings(self) -> list[tuple[float, float]]:
        """When each recorded firing was due, and when its first line ran, in order."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT due, at FROM fired ORDER BY at").fetchall()
        return [(due, at) for due, at in rows]

    def forget_firings(self) -> None:
        """Forget what fired."""
        self._run("DELETE FROM fired")

    def counts(self, first: int, count: int) -> tuple[int, int]:
        """How many of these products are published, and how many changes were made to them."""
        with self._transaction() as connection:
            published, changes = connection.execute(
                self._sql(
                    "SELECT count(*) FILTER (WHERE status = 'published'), coalesce(sum(changes), 0)"
                    " FROM product WHERE id >= ? AND id < ?"
                ),
                (product_id(first), product_id(first + count)),
            ).fetchone()
        return published, int(changes)

    def close(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._connections, "own", None)
        if connection is not None:
            connection.close()
            del self._connections.own

    def _run(self, statement: str) -> None:
        self._connection().execute(statement)

    def _sql(self, statement: str) -> str:
        return statement if self.is_sqlite else statement.replace("?", "%s")

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _connection(self) -> Any:
        connection = getattr(self._connections, "own", None)
        if connection is None:
            connection = self._connections.own = self._connected()
        return connection

    def _connected(self) -> Any:
        if not self.is_sqlite:
            import psycopg  # noqa: PLC0415 -- needed for Postgres alone

            return psycopg.connect(self.url, autocommit=True)
        connection = sqlite3.connect(
            self.url.removeprefix("sqlite:///"), timeout=_BUSY_SECONDS, isolation_level=None
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection
