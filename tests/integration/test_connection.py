"""Connecting to a real server."""

import asyncio
import contextlib
import os
import socket
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs
from temporalio.client import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError

from euryale.errors import NamespaceUnknown, TemporalRefused
from euryale.server.connection import ConnectionSettings, connect, probe, translate
from euryale.server.server import DevServer


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


class Product(BaseModel):
    title: str


async def test_a_client_speaks_pydantic_sees_its_plugins_and_names_what_is_missing(
    tmp_path: Path,
) -> None:
    seen: list[str] = []

    class Plugin(SimplePlugin):
        def configure_client(self, config: ClientConfig) -> ClientConfig:
            seen.append(config["namespace"])
            return super().configure_client(config)

    async with DevServer.start(free_address(), state_dir=tmp_path) as server:
        client = await connect(address=server.address, plugins=[Plugin("seen")])
        assert seen == ["default"]
        (payload,) = await client.data_converter.encode([Product(title="Cup")])
        assert payload.data == b'{"title":"Cup"}'

        with pytest.raises(NamespaceUnknown, match="no namespace 'nowhere'"):
            await connect(address=server.address, namespace="nowhere")
        assert await probe(ConnectionSettings(server.address, "nowhere")) is None

        with pytest.raises(RPCError) as caught:
            await client.get_workflow_handle("nobody").describe()
        assert isinstance(translate(caught.value), TemporalRefused)


async def test_waiting_sees_a_server_that_starts_later(tmp_path: Path) -> None:
    address = free_address()
    with capture_logs() as logs:
        waiting = asyncio.create_task(connect(address=address, wait=timedelta(seconds=30)))
        async with contextlib.AsyncExitStack() as stack:
            async with asyncio.timeout(10):
                while not logs:
                    await asyncio.sleep(0.01)
            await stack.enter_async_context(DevServer.start(address, state_dir=tmp_path))
            client = await waiting
            assert client.service_client.config.target_host == address
    assert logs[0]["action"] == "temporal-connect-retry"
    assert "nothing listens there" in logs[0]["reason"]
