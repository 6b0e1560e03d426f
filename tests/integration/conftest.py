"""A real Temporal server for the session, and a worker for the sample application."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import sample_app
from sample_runs import Sample, connected, free_port, listens, sample_plugin
from temporalio.client import Client

from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.worker import make_worker, serve


@pytest.fixture(scope="session")
def temporal_address() -> Iterator[str]:
    port = free_port()
    binary = str(Path(sys.executable).parent / "temporal")
    command = [binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "never"]
    command += dynamic_config_arguments()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not listens(port):
            assert process.poll() is None, "the Temporal server ended at its start"
            assert time.monotonic() < deadline, "the Temporal server didn't start"
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
async def client(temporal_address: str) -> Client:
    return await connected(temporal_address)


@pytest.fixture
def journal() -> sample_app.Journal:
    sample_app.journal.clear()
    return sample_app.journal


@pytest.fixture
async def sample(client: Client, journal: sample_app.Journal) -> AsyncIterator[Sample]:
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(make_worker(client, sample_plugin()), stop))
    yield Sample(client)
    stop.set()
    await serving
