"""The benchmark's sweeps: the same change as `benchmarks.products` makes, through SQLAlchemy."""

import time
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    select,
)

from benchmarks.products import product_id
from euryale import sweep_query, sweep_step
from euryale.sweeps.sql import Batch, Rows

product = Table(
    "product",
    MetaData(),
    Column("id", String, primary_key=True),
    Column("status", String, nullable=False),
    Column("updated_at", Float, nullable=False),
    Column("changes", BigInteger, nullable=False),
)


def open_engine(url: str) -> Engine:
    """An engine with the settings of `Products`."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            connection.isolation_level = None
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "busy_timeout = 30000"):
                connection.execute(f"PRAGMA {pragma}").close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class ProductSweeps:
    """Publishes the drafts of a range."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @sweep_query("drafts.all")
    def drafts(self, numbers: tuple[int, int]) -> Rows:
        """The drafts from one number to another."""
        first, last = map(product_id, numbers)
        drafts = select(product).where(
            product.c.status == "draft", product.c.id >= first, product.c.id <= last
        )
        return Rows(self._engine, drafts, key=product.c.id)

    @sweep_step("drafts.publish")
    async def publish(self, batch: Batch) -> None:
        """Publish a batch."""
        _publish(batch)

    @sweep_step("drafts.publish_undoably", undo="restore")
    async def publish_undoably(self, batch: Batch) -> None:
        """Publish a batch, and keep what it held."""
        _publish(batch)


def _publish(batch: Batch) -> None:
    batch.update(status="published", updated_at=time.time(), changes=product.c.changes + 1)
