"""Every test of the shop that asks for a store runs on SQLite and on Postgres."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import new_postgres_database
from worker.settings import parse_database_url
from worker.store import Store, upgrade


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    asyncio.run(upgrade(parse_database_url(f"sqlite:///{path}")))
    return path


@pytest.fixture(scope="session")
def migrated_database(postgres_server: str) -> Iterator[str]:
    with new_postgres_database(postgres_server) as url:
        asyncio.run(upgrade(parse_database_url(url)))
        yield url


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_file, tmp_path / 'shop.db')}"


@pytest.fixture
def postgres_shop_url(postgres_server: str, migrated_database: str) -> Iterator[str]:
    template = str(parse_database_url(migrated_database).database)
    with new_postgres_database(postgres_server, template=template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a migrated, empty shop."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_shop_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = Store(parse_database_url(database_url))
    yield store
    await store.close()
