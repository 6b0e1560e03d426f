"""What applying schedules costs: 100, 1,000 and 5,000 jobs, in seconds and calls of the server.

`python -m benchmarks.schedules` measures it, on a dev server of its own for each number of jobs.
The jobs are real files, with the mixed schedules and zones of `benchmarks.time`. The calls are
counted where they leave the client. The table on standard output is Markdown.
"""

import argparse
import asyncio
import os
import platform
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import cycle
from pathlib import Path

from temporalio.client import Client

import euryale.schedules.apply
from benchmarks.rpcs import counted
from benchmarks.time import ZONES, expressions
from euryale import Euryale
from euryale.schedules.apply import CHANGED, ApplyReport, Wish, apply, plan
from euryale.schedules.held import held_schedules
from euryale.schedules.plan import Plan
from euryale.schedules.release import Release
from euryale.schedules.schedule import Desired, DesiredSchedule, desired_schedule
from euryale.schedules.turn import read_ledger
from euryale.server.connection import connect
from euryale.server.server import DevServer
from euryale.server.server_address import free_port, join_address

HOST = "127.0.0.1"
FIRST_PORT = 18233
JOBS = (100, 1_000, 5_000)
CHANGES = 10
POLL_SECONDS = 0.2

JOB = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", schedule="{schedule}", time_zone="{zone}")


async def handler(container): ...
"""


class Lamp:
    """A service, since an application has at least one."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one action cost.

    Attributes:
        action: What was done.
        seconds: How long it took.
        calls: How many calls of the server it took; None where it needs no server.
    """

    action: str
    seconds: float
    calls: int | None = None

    def row(self, jobs: int) -> str:
        """The cost as a row of the table."""
        calls = "" if self.calls is None else f"{self.calls:,}"
        return f"| {jobs:,} | {self.action} | {self.seconds:.2f} | {calls} |"


def write_jobs(root: Path, name: str, count: int, zones: Sequence[str] = ZONES) -> Euryale:
    """An application with as many job files, in each of the zones in turn."""
    (root / name).mkdir()
    for number, (schedule, zone) in enumerate(zip(expressions(count), cycle(zones), strict=False)):
        job = f"job{number:05}"
        text = JOB.format(name=job, schedule=schedule, zone=zone)
        (root / name / f"{job}.py").write_text(text, encoding="utf-8")
    return Euryale(name=name, services={"lamp": Lamp}, jobs=[name])


def read_jobs(app: Euryale, root: Path) -> Wish:
    """What the application's job files ask for."""
    registry = app.load(root)
    if registry.errors:
        raise registry.errors[0]
    return Wish(app.name, app.schedules(registry), Release("r1"), prune=True)


def with_changes(wish: Wish, release: str, changes: int = CHANGES) -> Wish:
    """The same jobs in another release, which changes the first ones of them."""

    def changed(before: Desired) -> Desired:
        assert isinstance(before, DesiredSchedule)  # noqa: S101 -- these are all jobs
        config = before.job.config.model_copy(update={"description": release})
        job = replace(before.job, config=config)
        return desired_schedule(wish.app, job, before.task_queue, since=before.since)

    desired = (*map(changed, wish.desired[:changes]), *wish.desired[changes:])
    return replace(wish, desired=desired, release=Release(release))


async def measured(
    action: str, client: Client, doing: Awaitable[ApplyReport | Plan], *, writes: int = 0
) -> Cost:
    """Do something, and tell what it cost.

    Raises:
        RuntimeError: It did, or would do, something else than to write so many schedules.
    """
    with counted(client) as calls:
        start = time.perf_counter()
        done = await doing
        cost = Cost(action, time.perf_counter() - start, calls.total())
    written = done.of(*CHANGED, "failed") if isinstance(done, ApplyReport) else done.work
    if len(written) != writes or any(getattr(one, "error", "") for one in written):
        raise RuntimeError(f"{action}: {written[:3]} … and {len(written)} in all")
    return cost


async def costs(client: Client, app: Euryale, root: Path) -> AsyncIterator[Cost]:
    """Apply an application's schedules, and tell what each action cost."""
    start = time.perf_counter()
    wish = read_jobs(app, root)
    yield Cost("read the job files", time.perf_counter() - start)
    yield await measured("first apply", client, apply(client, wish), writes=len(wish.desired))
    await listed(client, wish)

    async def planned() -> Plan:
        return await plan(client, wish, (await read_ledger(client, app.name)).ledger)

    yield await measured("unchanged plan", client, planned())
    yield await measured("unchanged apply", client, apply(client, wish))
    # Till then an apply of another release trusts no list.
    await asyncio.sleep((euryale.schedules.apply.LAG + timedelta(seconds=1)).total_seconds())
    for release, action in (("r2", ""), ("r3", " right after another apply")):
        changed = apply(client, with_changes(wish, release))
        yield await measured(f"{CHANGES} changes{action}", client, changed, writes=CHANGES)


async def listed(client: Client, wish: Wish) -> None:
    """Wait until the list, which lags behind, shows all schedules."""
    while True:
        held = await held_schedules(client, wish.app)
        if len(held) > len(wish.desired):  # the ledger is one more
            return
        await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def server(folder: Path) -> AsyncIterator[Client]:
    """A client of a new dev server."""
    address = join_address(HOST, free_port(HOST, FIRST_PORT))
    async with DevServer.start(address, state_dir=folder) as started:
        yield await connect(address=started.address)


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each number of jobs and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=JOBS, help="how many jobs")
    given = parser.parse_args(arguments)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, dev server\n")
    print("| jobs | action | seconds | calls |")
    print("| --: | --- | --: | --: |")
    for jobs in given.jobs:
        with tempfile.TemporaryDirectory(prefix="euryale-benchmark-") as folder:
            async with server(Path(folder) / "temporal") as client:
                app = write_jobs(Path(folder), f"jobs_{jobs}", jobs)
                async for cost in costs(client, app, Path(folder)):
                    print(cost.row(jobs), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
