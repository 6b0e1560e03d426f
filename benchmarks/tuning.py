"""What the settings of Euryale's worker do: each alone, beside the defaults of `euryale.worker`.

`python -m benchmarks.tuning` measures them, on SQLite. A killed loop tells how soon a run goes on;
many runs of one call tell what a run costs the worker. The table on standard output is Markdown;
`--into docs/benchmarks.md` puts it into that page.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from temporalio.client import Client

from benchmarks.bench import tell
from benchmarks.driven import DrivenSide, Launch, SideFailedError
from benchmarks.machine import cpu_seconds, machine, peak_megabytes
from benchmarks.page import into
from benchmarks.products import Products
from benchmarks.scenarios import Place, Table, killed, measured
from benchmarks.sides.euryale import TUNING
from euryale.server.connection import connect
from euryale.server.server import DevServer
from euryale.server.server_address import free_port, join_address

HOST = "127.0.0.1"
FIRST_PORT = 17333
ROWS = 100_000
PLACE = "tuning"
"""The place of the page that the table is put into."""

_SECONDS = 60.0

VARIANTS: Sequence[Mapping[str, Any]] = (
    {},
    *({"max_eager_activity_reservations_per_workflow_task": count} for count in (3, 20)),
    *({"sticky_queue_schedule_to_start_timeout": seconds} for seconds in (10, 5, 2, 1, 0.5)),
    *({"max_heartbeat_throttle_interval": seconds} for seconds in (60, 3, 1, 0.2)),
    *({"max_cached_workflows": count} for count in (20, 200)),
    *({"max_concurrent_activities": count} for count in (20, 500)),
    *({"max_concurrent_workflow_tasks": count} for count in (5, 20, 500)),
    *({"max_concurrent_workflow_task_polls": count} for count in (2, 20)),
    *({"max_concurrent_activity_task_polls": count} for count in (2, 20)),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one variant costs.

    Attributes:
        runs: Runs of one call that are done a second, all started at once.
        run_cpu: The worker's CPU for each of them, in milliseconds.
        loop: Calls a second of a loop.
        together: Calls a second of a `gather`.
        resumed: Seconds until a loop goes on when its worker was killed; None if it never did.
        finished: Seconds from the kill to the end of a `gather`; None if there was none.
        repeated: Calls of the `gather` that were made again.
        peak: The worker's memory, in MB.
    """

    runs: float
    run_cpu: float
    loop: float
    together: float
    resumed: float | None
    finished: float | None
    repeated: int
    peak: float

    def row(self, label: str) -> str:
        """The cost as a row of the table."""
        after = ["" if each is None else f"{each:.1f}" for each in (self.resumed, self.finished)]
        return (
            f"| {label} | {self.runs:.1f} | {self.run_cpu:.1f} | {self.loop:.1f} |"
            f" {self.together:,.0f} | {after[0]} | {after[1]} | {self.repeated:,} |"
            f" {self.peak:.0f} |"
        )


HEAD = (
    "| setting | runs/s | worker CPU of a run, ms | loop, calls/s | gather, calls/s |"
    " loop goes on after a kill, s | gather ends after a kill, s | calls made again | peak, MB |\n"
    "| --- | --: | --: | --: | --: | --: | --: | --: | --: |"
)


async def cost(place: Place, side: DrivenSide, client: Client, runs: int) -> Cost:
    """Measure one variant.

    Raises:
        SideFailedError: Something wasn't done.
    """
    await measured(place, side, "one by one", "loop", 5)  # warms up
    workers = await side.workers()
    cpu, start = cpu_seconds(workers) or 0, time.perf_counter()
    first = place.table.drafts(runs)
    async with asyncio.timeout(_SECONDS):
        await asyncio.gather(
            *(
                client.execute_workflow(
                    "one-by-one",
                    {"first": number, "last": number},
                    id=f"tuning/{uuid.uuid4()}",
                    task_queue=side.queue,
                )
                for number in range(first, first + runs)
            )
        )
    seconds = time.perf_counter() - start
    run_cpu = ((cpu_seconds(workers) or 0) - cpu) / runs
    loop = await measured(place, side, "one by one", "loop", 40)
    together = await measured(place, side, "at once", "gather", 2_000)
    peak = peak_megabytes(workers) or 0
    after_loop = await killed(place, side, "loop", 60)
    after_gather = await killed(place, side, "gather", 2_000)
    return Cost(
        runs / seconds,
        1e3 * run_cpu,
        loop.rate,
        together.rate,
        after_loop.resumed,
        after_gather.finished,
        after_gather.repeated,
        peak,
    )


async def main(given: Sequence[str] | None = None) -> None:
    """Measure each variant, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tuning", description=__doc__)
    parser.add_argument("--runs", type=int, default=60, help="runs that are started at once")
    parser.add_argument("--only", default="", help="only settings whose names have this in them")
    parser.add_argument("--into", type=Path, help="the page whose table is replaced")
    told = parser.parse_args(given)
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.", "", HEAD]
    print("\n".join(lines), flush=True)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="euryale-tuning-")))
        address = join_address(HOST, free_port(HOST, FIRST_PORT))
        server = await stack.enter_async_context(
            DevServer.start(address, state_dir=folder / "temporal")
        )
        client = await connect(address=server.address)
        url = f"sqlite:///{folder / 'products.db'}"
        table = Table(Products(url), ROWS)
        table.fresh()
        place = Place(table, [], _SECONDS)
        for number, variant in enumerate(VARIANTS):
            label = ", ".join(f"{name} = {value}" for name, value in variant.items()) or "as it is"
            if told.only not in label and variant:
                continue
            options = {
                "products": url,
                "temporal": server.address,
                "folder": str(folder / str(number)),
            }
            environment = {TUNING: json.dumps(dict(variant))}
            launch = Launch("benchmarks.sides.euryale", sys.executable, options, environment)
            side = DrivenSide(launch)
            try:
                await side.start(_SECONDS)
                lines.append((await cost(place, side, client, told.runs)).row(label))
                print(lines[-1], flush=True)
            except (SideFailedError, TimeoutError) as error:
                tell(f"{label} failed: {error}")
            finally:
                await side.stop()
    if told.into is not None:
        into(told.into, "\n".join(lines) + "\n", PLACE)


if __name__ == "__main__":
    asyncio.run(main())
