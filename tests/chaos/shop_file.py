"""The shop's SQLite file, as somebody sees it who stands beside the worker."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The database itself counts what is written to it: what a worker says of itself, or Temporal of a
# worker, could be wrong in the same way. A write that is rolled back is not counted.
_AUDIT = """
CREATE TABLE audit (entity TEXT NOT NULL, id TEXT NOT NULL, written_at TEXT NOT NULL);
CREATE TRIGGER audit_product AFTER UPDATE ON product BEGIN
    INSERT INTO audit VALUES ('product', new.id, strftime('%Y-%m-%d %H:%M:%f', 'now'));
END;
CREATE TRIGGER audit_cart AFTER UPDATE ON cart BEGIN
    INSERT INTO audit VALUES ('cart', new.id, strftime('%Y-%m-%d %H:%M:%f', 'now'));
END;
CREATE TRIGGER audit_item AFTER UPDATE ON cart_line_item BEGIN
    INSERT INTO audit VALUES ('item', new.id, strftime('%Y-%m-%d %H:%M:%f', 'now'));
END;
"""


class ShopFile:
    """Counts every update of a product, a cart or a cart's item, and can lock the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = self._connect()
        self._connection.executescript(_AUDIT)

    @property
    def url(self) -> str:
        """The file as `DATABASE_URL`."""
        return f"sqlite:///{self._path}"

    def close(self) -> None:
        self._connection.close()

    def writes(self) -> int:
        """Updates of rows since the beginning; quick enough to be asked all the time."""
        (count,) = self._connection.execute("SELECT coalesce(max(rowid), 0) FROM audit").fetchone()
        return int(count)

    def updates(self, entity: str) -> Counter[str]:
        """How often each row of an entity was updated; those never updated are left out."""
        return Counter(self._column("SELECT id FROM audit WHERE entity = ?", entity))

    def repeats(self, entity: str) -> int:
        """Updates of an entity's rows beyond the first one of each."""
        updates = self.updates(entity)
        return updates.total() - len(updates)

    def drafts(self) -> set[str]:
        return set(self._column("SELECT id FROM product WHERE status = 'draft'"))

    def expired_carts(self) -> set[str]:
        """The live carts that nobody has touched for a day, as SQLite tells the time."""
        return set(
            self._column(
                "SELECT id FROM cart "
                "WHERE deleted_at IS NULL AND updated_at <= datetime('now', '-1 day')"
            )
        )

    def items_of(self, carts: set[str]) -> set[str]:
        rows = self._connection.execute("SELECT id, cart_id FROM cart_line_item").fetchall()
        return {item for item, cart in rows if cart in carts}

    def deleted(self, table: str) -> set[str]:
        return set(self._column(f"SELECT id FROM {table} WHERE deleted_at IS NOT NULL"))  # noqa: S608 -- the tests' own names

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else write until the block ends."""
        connection = self._connect()
        try:
            connection.execute("BEGIN EXCLUSIVE")
            yield
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    def _column(self, statement: str, *values: str) -> list[str]:
        return [value for (value,) in self._connection.execute(statement, values).fetchall()]

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=10)
