"""What the start of 1,000 jobs takes, and of the command line.

`python -m benchmarks.start_up` measures it: reading and compiling the job files; a worker from its
start to its first poll, with schedules that are there and unchanged; and three commands. Each time
is that of the quickest of some rounds: others on the machine can only add to it. CPU is that of
the measured process. The table on standard output is Markdown.
"""

import argparse
import asyncio
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from benchmarks.machine import machine
from benchmarks.schedules import listed, read_jobs, server, write_jobs
from euryale.schedules.apply import Wish, apply

JOBS = 1_000
ROUNDS = 3
COMMANDS = ("--help", "next job00001", "list")
POLL_SECONDS = 0.02

APP = """
from euryale import Euryale


class Lamp:
    pass


app = Euryale(name="{name}", services={{"lamp": Lamp}}, jobs=["{name}"])
"""

PROJECT = """
[tool.euryale]
app = "lamp_app:app"
"""

READ = """
import resource
import sys
import time
from pathlib import Path

from benchmarks.start_up import read_jobs
from lamp_app import app

start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
wish = read_jobs(app, Path.cwd())
after = resource.getrusage(resource.RUSAGE_SELF)
cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
print(time.perf_counter() - start, cpu)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one action took.

    Attributes:
        seconds: From its start to its end.
        cpu: CPU seconds of its process.
    """

    seconds: float
    cpu: float


def row(action: str, costs: Sequence[Cost]) -> str:
    """The quickest as a row of the table."""
    best = min(costs, key=lambda cost: cost.seconds)
    return f"| {action} | {best.seconds:.2f} | {best.cpu:.2f} |"


def environment(address: str, folder: Path) -> dict[str, str]:
    """What the measured processes see: the server, and this repository's modules."""
    path = f"{Path(__file__).parents[1]}{os.pathsep}{folder}"
    return {**os.environ, "TEMPORAL_ADDRESS": address, "PYTHONPATH": path}


def command(arguments: Sequence[str], folder: Path, address: str) -> Cost:
    """Run a process to its end, and tell what it took.

    Raises:
        RuntimeError: It failed.
    """
    before = os.times()
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(address, folder),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    after = os.times()
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr[-500:]}")
    cpu = after.children_user - before.children_user
    return Cost(seconds, cpu + after.children_system - before.children_system)


def reading(folder: Path, address: str) -> Cost:
    """Read and compile the job files in a new process; its own start isn't counted.

    Raises:
        RuntimeError: A job file is no good.
    """
    done = subprocess.run(
        [sys.executable, "-c", READ],
        cwd=folder,
        env=environment(address, folder),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    seconds, cpu = map(float, done.stdout.split())
    return Cost(seconds, cpu)


async def first_poll(client: Client, folder: Path, wish: Wish, address: str) -> Cost:
    """Start a worker, and tell when the server saw it poll for the first time.

    Raises:
        RuntimeError: The worker ended.
    """
    # The server remembers pollers for minutes: those that are there by now don't count.
    known = await pollers(client, wish.app)
    before = os.times()
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: ASYNC220 -- it takes milliseconds
        [sys.executable, "-m", "euryale", "worker"],
        cwd=folder,
        env=environment(address, folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not await pollers(client, wish.app) - known:
            if process.poll() is not None:
                raise RuntimeError(f"the worker ended with exit code {process.returncode}")
            await asyncio.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(60)
    after = os.times()
    cpu = after.children_user - before.children_user
    return Cost(seconds, cpu + after.children_system - before.children_system)


async def pollers(client: Client, queue: str) -> set[str]:
    """Who polls a task queue for workflow tasks."""
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    return {poller.identity for poller in described.pollers}


async def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS, help="how many jobs")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many rounds")
    given = parser.parse_args(arguments)
    # One line for each schedule would bury the table.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(f"{machine()}, dev server, {given.jobs:,} jobs, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| action | seconds | CPU |")
    print("| --- | --: | --: |")
    with tempfile.TemporaryDirectory(prefix="start_up_") as name:
        folder = Path(name)
        app = write_jobs(folder, folder.name, given.jobs)
        (folder / "lamp_app.py").write_text(APP.format(name=app.name), encoding="utf-8")
        (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
        async with server(folder / "temporal") as client:
            address = client.service_client.config.target_host
            rounds = range(given.rounds)
            costs = [reading(folder, address) for _ in rounds]
            print(row("read and compile the job files", costs), flush=True)
            wish = read_jobs(app, folder)
            await apply(client, wish)
            await listed(client, wish)
            costs = [await first_poll(client, folder, wish, address) for _ in rounds]
            print(row("worker to its first poll, nothing changed", costs), flush=True)
            for each in COMMANDS:
                costs = [command(["-m", "euryale", *each.split()], folder, address) for _ in rounds]
                print(row(f"`euryale {each}`", costs), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
