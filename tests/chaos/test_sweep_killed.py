"""A sweep whose worker is killed in the middle of slabs: each row once, and on from its cursor."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sweeping.flows import Asked, SweepItems
from sweeping.shelf import Shelf, item
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from euryale.server.server import DevServer
from euryale.sweeps.sql_tables import slabs, undo_log
from tests.chaos.worker_process import PATIENCE, ROOT

ROWS = 20_000
KILLS = 3
INTEGRATION = "tests/integration"


@pytest.fixture(params=["sqlite", "postgres"])
def shelf_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shelf.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@contextmanager
def worker(address: str, url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    script = Path(__file__).with_name("sweep_worker.py")
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, str(script), address, url],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / INTEGRATION)))},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()


def one(shelf: Shelf, statement: Any) -> Any:
    return shelf.rows(statement)[0][0]


def touched(shelf: Shelf) -> int:
    return int(one(shelf, select(func.sum(item.c.touched))))


@pytest.mark.chaos
@pytest.mark.timeout(240)
async def test_a_sweep_goes_on_from_its_cursor_when_its_worker_is_killed(
    server: DevServer, shelf_url: str, tmp_path: Path
) -> None:
    shelf = Shelf(shelf_url)
    shelf.make()
    shelf.fill(ROWS)
    client = await Client.connect(server.address, data_converter=pydantic_data_converter)
    # The query has all rows before and after: a batch that is repeated would be seen.
    asked = Asked(query="every", batch=10, slab=ROWS // 2, concurrency=2)
    run = await client.start_workflow(
        SweepItems.run, asked, id="shelf/sweep-items/killed", task_queue="shelf"
    )
    log = tmp_path / "worker.log"
    seen = [0]
    for kill in range(1, KILLS + 1):
        with worker(server.address, shelf_url, log) as process:
            async with asyncio.timeout(PATIENCE):
                while touched(shelf) < max(seen[-1] + 500, kill * ROWS // (KILLS + 3)):
                    assert process.poll() is None, log.read_text()
                    await asyncio.sleep(0.01)
        seen.append(touched(shelf))
        assert seen[-2] < seen[-1] < ROWS
    with worker(server.address, shelf_url, log):
        (result,) = await asyncio.wait_for(run.result(), PATIENCE)
    assert (result.rows, result.slabs, result.dead_letters) == (ROWS, 2, 0)
    assert {row.touched for row in shelf.rows()} == {1}
    assert one(shelf, select(func.sum(slabs.c.rows))) == ROWS
    assert one(shelf, select(func.count()).select_from(undo_log)) == ROWS
    shelf.close()
