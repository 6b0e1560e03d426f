"""What grows with the rows of a sweep: time; and what doesn't: history, payloads, memory.

`python -m benchmarks.growth` sweeps a thousand to ten million rows of SQLite, each time with a new
worker. The table on standard output is Markdown; `--into docs/benchmarks.md` puts it into that page
and a plot beside it.
"""

import argparse
import asyncio
import contextlib
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from temporalio.client import Client, WorkflowExecution

from benchmarks.bench import tell
from benchmarks.driven import DrivenSide, Launch
from benchmarks.machine import forget_peaks, machine, peak_megabytes
from benchmarks.page import into
from benchmarks.plot import curves
from benchmarks.products import Products
from benchmarks.scenarios import Table
from euryale.server.connection import connect
from euryale.server.server import DevServer
from euryale.server.server_address import free_port, join_address

HOST = "127.0.0.1"
FIRST_PORT = 17433
ROWS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
WAYS = ("sweep", "sweep with undo")
SWEEPS = "WorkflowType = 'euryale.sweep'"
PLACE = "growth"
"""The place of the page that the table is put into."""

_LIMIT = 1_800.0
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Growth:
    """What a sweep took.

    Attributes:
        way: Which sweep.
        rows: How many rows it had.
        seconds: How long it took.
        runs: How many runs it was, each with a history of its own.
        events: The events of the longest history.
        history: The bytes of the largest one.
        payload: The bytes of the largest event.
        peak: The worker's memory, in MB; None where nothing tells it.
    """

    way: str
    rows: int
    seconds: float
    runs: int
    events: int
    history: int
    payload: int
    peak: float | None

    def row(self) -> str:
        """The sweep as a row of the table."""
        peak = "" if self.peak is None else f"{self.peak:.0f}"
        return (
            f"| {self.way} | {self.rows:,} | {self.seconds:,.1f} |"
            f" {self.rows / self.seconds:,.0f} | {self.runs} | {self.events:,} |"
            f" {self.history / 1e3:.1f} | {self.payload / 1e3:.1f} | {peak} |"
        )


HEAD = (
    "| way | rows | seconds | rows/s | runs | events of the longest history | its size, KB |"
    " largest event, KB | worker's peak, MB |\n"
    "| --- | --: | --: | --: | --: | --: | --: | --: | --: |"
)


async def growth(table: Table, side: DrivenSide, client: Client, way: str) -> Growth:
    """Sweep a table, and see what that took.

    Raises:
        SideFailedError: The side failed.
    """
    table.fresh()
    workers = await side.workers()
    before = {run.run_id async for run in client.list_workflows(SWEEPS)}
    forget_peaks(workers)
    start = time.perf_counter()
    await side.ask("publish", limit=_LIMIT, scenario="million", way=way, first=1, count=table.rows)
    seconds = time.perf_counter() - start
    peak = peak_megabytes(workers)
    runs = await _finished(client, before)
    histories = [
        await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history() for run in runs
    ]
    sizes = [[event.ByteSize() for event in history.events] for history in histories]
    return Growth(
        way=way,
        rows=table.rows,
        seconds=seconds,
        runs=len(runs),
        events=max(map(len, sizes)),
        history=max(map(sum, sizes)),
        payload=max(map(max, sizes)),
        peak=peak,
    )


async def _finished(client: Client, before: set[str]) -> list[WorkflowExecution]:
    """The sweep's runs, once the server's list has them all."""
    async with asyncio.timeout(_START_SECONDS):
        while True:
            found = [run async for run in client.list_workflows(SWEEPS) if run.run_id not in before]
            if any(run.status is not None and run.status.name == "COMPLETED" for run in found):
                return found
            await asyncio.sleep(0.1)  # the list comes a moment after the end


async def main(given: Sequence[str] | None = None) -> list[Growth]:
    """Sweep each number of rows, print the table, and put it into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="how many rows")
    parser.add_argument("--into", type=Path, help="the page whose table is replaced")
    told = parser.parse_args(given)
    found: list[Growth] = []
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="euryale-growth-")))
        address = join_address(HOST, free_port(HOST, FIRST_PORT))
        server = await stack.enter_async_context(
            DevServer.start(address, state_dir=folder / "temporal")
        )
        client = await connect(address=server.address)
        url = f"sqlite:///{folder / 'products.db'}"
        options = {"products": url, "temporal": server.address}
        for rows in told.rows:
            for way in WAYS:
                own = options | {"folder": str(folder / f"{way}-{rows}")}
                side = DrivenSide(Launch("benchmarks.sides.euryale", sys.executable, own))
                try:
                    await side.start(_START_SECONDS)
                    found.append(await growth(Table(Products(url), rows), side, client, way))
                    tell(found[-1].row())
                finally:
                    await side.stop()
    found.sort(key=lambda one: (one.way, one.rows))
    command = "python -m benchmarks.growth " + shlex.join(given or sys.argv[1:])
    heading = f"{datetime.now(UTC):%Y-%m-%d}, `{command.strip()}`.\n{machine()}."
    text = "\n".join([heading, "", HEAD, *(one.row() for one in found)]) + "\n"
    print(text)
    if told.into is not None:
        picture = told.into.with_name("sweep-growth.svg")
        picture.write_text(_plot(found), encoding="utf-8")
        alternative = "What a sweep takes for a thousand to ten million rows"
        into(told.into, f"![{alternative}]({picture.name})\n\n{text}", PLACE)
    return found


def _plot(found: Sequence[Growth]) -> str:
    of = [one for one in found if one.way == WAYS[0]]
    return curves(
        "A sweep of so many rows",
        [one.rows for one in of],
        {
            "milliseconds": [1e3 * one.seconds for one in of],
            "events of the longest history": [one.events for one in of],
            "KB of that history": [one.history / 1e3 for one in of],
            "KB of the largest event": [one.payload / 1e3 for one in of],
            "MB of the worker's memory": [one.peak or 0 for one in of],
        },
    )


if __name__ == "__main__":
    asyncio.run(main())
