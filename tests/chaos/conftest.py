"""A real server, and real shops with real workers; every process ends with its test."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import SystemRandom

import pytest
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from euryale.server.connection import connect
from euryale.server.server import DevServer
from euryale.server.server_address import free_port
from tests.chaos.shop import Shop
from worker.seed import seed
from worker.settings import parse_database_url
from worker.store import Store, upgrade

OpenShop = Callable[[str], Awaitable[Shop]]


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's database as `make run` begins with."""
    path = tmp_path_factory.mktemp("seeded") / "shop.db"
    asyncio.run(_seed(path))
    return path


async def _seed(path: Path) -> None:
    url = parse_database_url(f"sqlite:///{path}")
    await upgrade(url)
    store = Store(url)
    try:
        assert await seed(store)
    finally:
        await store.close()


@pytest.fixture
def address() -> str:
    # Below the ports that the kernel gives to clients: while a server is down, a worker that calls
    # its port from the same range could be given that very port, and reach itself.
    return f"127.0.0.1:{free_port('127.0.0.1', SystemRandom().randrange(15_000, 30_000))}"


@pytest.fixture
async def server(address: str, tmp_path: Path) -> AsyncIterator[DevServer]:
    """A server of the test's own, with its state in a file, so that it can be killed."""
    async with DevServer.start(address, state_dir=tmp_path / "temporal") as server:
        yield server


@pytest.fixture
async def open_shop(server: DevServer, seeded: Path, tmp_path: Path) -> AsyncIterator[OpenShop]:
    """Opens a shop of that name, with a worker that serves it."""
    async with AsyncExitStack() as stack:

        async def open_shop(name: str) -> Shop:
            await _register(server.address, name)
            shop = Shop(tmp_path / name, seeded, address=server.address, namespace=name)
            stack.push_async_callback(shop.close)
            shop.start_worker()
            await shop.open()
            return shop

        yield open_shop


async def _register(address: str, namespace: str) -> None:
    client = await connect(address=address)
    request = RegisterNamespaceRequest(namespace=namespace)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    await client.workflow_service.register_namespace(request)
    await connect(address=address, namespace=namespace, wait=timedelta(seconds=30))
