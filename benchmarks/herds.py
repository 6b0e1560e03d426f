"""How late the runs of many jobs start that are due on the same second.

`python -m benchmarks.herds` measures it: 200 and 1,000 jobs, each on a dev server of its own, kept
in a file as that of `euryale dev`, with Temporal's default limit of 30 starts a second and with the
engine's settings; `--window 60` spreads the jobs. The jobs are real files that one worker serves.
The table on standard output is Markdown.
"""

import argparse
import asyncio
import contextlib
import logging
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from temporalio.client import Client
from temporalio.common import SearchAttributeKey

import benchmarks.first_line  # noqa: F401 -- loaded here, so that runs share it and the clock
from benchmarks.machine import cpu_seconds, machine
from euryale import Euryale, EuryalePlugin
from euryale.schedules.apply import Applied
from euryale.server.connection import connect
from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.server.server import database_arguments
from euryale.server.server_address import free_port, join_address
from euryale.worker import make_worker, serve

HOST = "127.0.0.1"
FIRST_PORT = 18533
JOBS = (200, 1_000)
DEFAULT_CAP = "worker.schedulerNamespaceStartWorkflowRPS=30"
CREATED_A_SECOND = 25
"""At least so many schedules are created in a second: all are there when they are due."""

DUE = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")

JOB = """
from benchmarks.first_line import first_line
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", schedule="{schedule}"{more})


async def handler(container):
    return first_line()
"""


class Lamp:
    """A service, since an application has at least one."""


@dataclass(frozen=True, slots=True)
class Herd:
    """What a herd did.

    Attributes:
        started: Seconds from the time that a run was due to when Temporal started it, ascending.
        begun: The same to the first line of its handler.
        ended: The same to its end.
        from_nominal: The same as `begun`, from the time that the job's expression names.
        server_cpu: CPU seconds of the server, from then to the end of the last run.
        worker_cpu: The same of the worker.
    """

    started: Sequence[float]
    begun: Sequence[float]
    ended: Sequence[float]
    from_nominal: Sequence[float]
    server_cpu: float
    worker_cpu: float

    def row(self, what: str) -> str:
        """The herd as a row of the table."""
        cells = [f"{share(self.started, 99):.1f}"]
        cells += [f"{share(self.begun, percent):.1f}" for percent in (50, 99, 100)]
        cells += [f"{self.from_nominal[-1]:.1f}", f"{self.ended[-1]:.1f}"]
        cells += [f"{self.server_cpu:.1f}", f"{self.worker_cpu:.1f}"]
        return f"| {what} | {' | '.join(cells)} |"


HEAD = (
    "| jobs | starts a second | window | started p99 | first line p50 | p99 | max "
    "| max from nominal | last end | server CPU | worker CPU |"
)


def share(ascending: Sequence[float], percent: int) -> float:
    """The value that so many percent don't exceed."""
    return ascending[math.ceil(len(ascending) * percent / 100) - 1]


@asynccontextmanager
async def server(*more: str) -> AsyncIterator[tuple[Client, int]]:
    """A client of a new dev server, and its process id."""
    address = join_address(HOST, free_port(HOST, FIRST_PORT))
    command = [str(Path(sys.executable).parent / "temporal"), "server", "start-dev", "--headless"]
    command += ["--ip", HOST, "--port", address.rpartition(":")[2], "--log-level", "never"]
    command += dynamic_config_arguments(*more)
    with tempfile.TemporaryDirectory(prefix="herd_") as folder:
        command += database_arguments(Path(folder) / "temporal.db")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: ASYNC220 -- it takes a millisecond
        try:
            yield await connect(address=address, wait=timedelta(seconds=30)), process.pid
        finally:
            process.terminate()
            process.wait(20)


def write_jobs(root: Path, name: str, count: int, due: datetime, window: int) -> Euryale:
    """An application whose jobs are due at one time."""
    (root / name).mkdir()
    more = f", window={window}" if window else ""
    schedule = f"{due.minute} {due.hour} * * *"
    for job in (f"job{number:05}" for number in range(count)):
        text = JOB.format(name=job, schedule=schedule, more=more)
        (root / name / f"{job}.py").write_text(text, encoding="utf-8")
    return Euryale(name=name, services={"lamp": Lamp}, jobs=[name])


async def herd(folder: Path, count: int, window: int, *limits: str) -> Herd:
    """Let jobs be due at once, and tell when they ran.

    Raises:
        EuryaleError: A job file is no good.
        RuntimeError: The schedules weren't there in time, or a run failed.
    """
    latest = datetime.now(UTC) + timedelta(seconds=15 + count / CREATED_A_SECOND)
    due = latest.replace(second=0, microsecond=0) + timedelta(minutes=1)
    applied = asyncio.Event()

    async def on_applied(_: Sequence[Applied]) -> None:
        applied.set()

    plugin = EuryalePlugin(
        write_jobs(folder, folder.name, count, due, window), root=folder, on_applied=on_applied
    )
    if plugin.registry.errors:
        raise plugin.registry.errors[0]
    async with server(*limits) as (client, pid):
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(make_worker(client, plugin), stop))
        try:
            await applied.wait()
            await asyncio.sleep((due - datetime.now(UTC)).total_seconds() - 2)
            if datetime.now(UTC) > due:
                raise RuntimeError("the schedules weren't there in time")
            before = (cpu_seconds([pid]) or 0.0, own_cpu())
            await until_completed(client, count, window)
            server_cpu = (cpu_seconds([pid]) or 0.0) - before[0]
            worker_cpu = own_cpu() - before[1]
            return await told(client, due, server_cpu, worker_cpu)
        finally:
            stop.set()
            await serving


def own_cpu() -> float:
    """The CPU seconds of this process, without its children."""
    times = os.times()
    return times.user + times.system


async def until_completed(client: Client, count: int, window: int) -> None:
    """Wait until so many runs have completed."""
    async with asyncio.timeout(120 + window + count):
        while (await client.count_workflows("ExecutionStatus = 'Completed'")).count < count:  # noqa: ASYNC110 -- Temporal tells nobody
            await asyncio.sleep(1)


async def told(client: Client, due: datetime, server_cpu: float, worker_cpu: float) -> Herd:
    """When the runs ran, as the server and they themselves tell."""
    started, begun, ended, from_nominal = [], [], [], []
    async for run in client.list_workflows("ExecutionStatus = 'Completed'"):
        fired = run.typed_search_attributes.get(DUE)
        if fired is None or run.close_time is None:  # no run of a schedule
            continue
        first: float = await client.get_workflow_handle(run.id, run_id=run.run_id).result()
        started.append((run.start_time - fired).total_seconds())
        begun.append(first - fired.timestamp())
        from_nominal.append(first - due.timestamp())
        ended.append((run.close_time - fired).total_seconds())
    return Herd(
        sorted(started), sorted(begun), sorted(ended), sorted(from_nominal), server_cpu, worker_cpu
    )


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each herd and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.herds", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=JOBS, help="how many jobs")
    parser.add_argument("--window", type=int, default=0, help="seconds that the jobs are spread in")
    parser.add_argument("--limit", choices=("default", "raised"), help="one of the two limits only")
    parser.add_argument("--config", action="append", default=[], help="more for the server")
    given = parser.parse_args(arguments)
    # One line for each schedule would bury the table.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(f"{machine()}, dev server, seconds, {datetime.now(UTC):%Y-%m-%d}\n")
    print(HEAD)
    print(f"| --: | --- {'| --: ' * 9}|")
    for jobs in given.jobs:
        for limit, values in (("default", [DEFAULT_CAP]), ("raised", [])):
            if given.limit in (None, limit):
                with tempfile.TemporaryDirectory(prefix="herd_") as folder:
                    done = await herd(Path(folder), jobs, given.window, *values, *given.config)
                print(done.row(f"{jobs:,} | {limit} | {given.window}"), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
