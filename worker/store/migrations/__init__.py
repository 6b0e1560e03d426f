"""The store's migrations, run by the program itself: a fresh database needs no command line."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, text

from worker.store.engine import Store

_LOCK = 0x65757279616C65
"""The key of the Postgres lock under which one process at a time migrates: "euryale" in ASCII."""


async def upgrade(database_url: URL | str) -> None:
    """Bring a database's tables up to date, in one transaction; nothing happens if they are.

    Several processes may call this at once: the first migrates, the others wait for it.

    Raises:
        worker.store.StoreUnavailable: The database is locked or gone.
    """
    store = Store(database_url, foreign_keys=False)
    try:
        async with store.begin() as session:
            if store.dialect == "postgresql":
                await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            connection = await session.connection()
            await connection.run_sync(_upgrade)
    finally:
        await store.close()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
