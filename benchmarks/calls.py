"""What a durable call costs through Euryale and through bare temporalio.

`python -m benchmarks.calls` measures it. Both sides run the same loop on the same dev server, in
turns, each with a worker process of its own. The table on standard output is Markdown.
"""

import argparse
import asyncio
import contextlib
import os
import platform
import statistics
import sys
import tempfile
import time
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from euryale.server.server import DevServer
from euryale.server.server_address import free_port, join_address

HOST = "127.0.0.1"
FIRST_PORT = 17233
SIDES = ("euryale", "bare")
WARM_UP = 20
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call of a loop cost, in milliseconds.

    Attributes:
        wall: Time on the clock of whoever waits for the run.
        cpu: Time that the worker's process computed, user and system.
    """

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Side:
    """One side, served by a process of its own."""

    name: str
    client: Client
    worker: Process

    async def cpu(self) -> float:
        """The CPU seconds that the worker has used."""
        if self.worker.stdin is None or self.worker.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        self.worker.stdin.write(b"\n")
        line = await self.worker.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker of {self.name} ended; what it said is above")
        return float(line)

    async def run(self, calls: int, at_once: int) -> Cost:
        """Run the loop once."""
        cpu, wall = await self.cpu(), time.perf_counter()
        total = await self.client.execute_workflow(
            "calls",
            {"calls": calls, "at_once": at_once},
            id=f"{self.name}/calls/{uuid.uuid4()}",
            task_queue=self.name,
        )
        wall, cpu = time.perf_counter() - wall, await self.cpu() - cpu
        if total != sum(range(calls)):
            raise RuntimeError(f"{self.name} returned {total} instead of {sum(range(calls))}")
        return Cost(wall=1000 * wall / calls, cpu=1000 * cpu / calls)


@contextlib.asynccontextmanager
async def side(name: str, client: Client, address: str) -> AsyncIterator[Side]:
    """A side whose worker serves until the context ends."""
    command = [sys.executable, "-m", "benchmarks.serve", name, address]
    worker = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        yield Side(name, client, worker)
    finally:
        if worker.stdin is not None:
            worker.stdin.close()
        await worker.wait()


async def measure(
    sides: Sequence[Side], *, calls: int, at_once: int, rounds: int
) -> dict[str, list[Cost]]:
    """The costs of each side by its name, one a round; the sides take turns at going first."""
    costs: dict[str, list[Cost]] = {one.name: [] for one in sides}
    for number in range(rounds):
        for one in sides if number % 2 == 0 else sides[::-1]:
            costs[one.name].append(await one.run(calls, at_once))
    return costs


def table(measured: Mapping[int, Mapping[str, Sequence[Cost]]]) -> str:
    """The costs, by how many calls were made at once, as a table in Markdown."""
    lines = [
        "| calls | per call | Euryale, ms | bare, ms | ratio | ratio of each round |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    for at_once, costs in measured.items():
        calls = "one after the other" if at_once == 1 else f"{at_once} at once"
        for measure_name, label in (("wall", "time"), ("cpu", "worker CPU")):
            ours, theirs = ([getattr(cost, measure_name) for cost in costs[name]] for name in SIDES)
            each = [one / other for one, other in zip(ours, theirs, strict=True)]
            one, other = statistics.median(ours), statistics.median(theirs)
            lines.append(
                f"| {calls} | {label} | {one:.2f} | {other:.2f} | {one / other:.2f} "
                f"| {min(each):.2f} to {max(each):.2f} |"
            )
    return "\n".join(lines)


def processor() -> str:
    """The name of the machine's processor, as far as the machine tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def conditions(calls: int, rounds: int) -> str:
    """What the figures depend on."""
    cores = os.cpu_count()
    return (
        f"Medians of {rounds} rounds of {calls} calls, the sides in turns. "
        f"Euryale {version('euryale')}, temporalio {version('temporalio')}, "
        f"pydantic {version('pydantic')}, Python {platform.python_version()}, "
        f"{platform.system()}, {processor()}, {cores} cores.\n\n"
        "Both sides: the sandbox, the pydantic converter, the same timeout, retry policy and "
        "worker settings. Only Euryale's calls have a summary for the Web UI, a heartbeat timeout, "
        "and arguments that are validated before they leave."
    )


async def main(calls: int, rounds: int) -> None:
    """Measure, and print."""
    with tempfile.TemporaryDirectory(prefix="euryale-benchmark-") as folder:
        address = join_address(HOST, free_port(HOST, FIRST_PORT))
        async with contextlib.AsyncExitStack() as stack:
            server = await stack.enter_async_context(
                DevServer.start(address, state_dir=Path(folder))
            )
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            sides = [
                await stack.enter_async_context(side(name, client, server.address))
                for name in SIDES
            ]
            await measure(sides, calls=WARM_UP, at_once=1, rounds=1)
            measured = {
                at_once: await measure(sides, calls=calls, at_once=at_once, rounds=rounds)
                for at_once in (1, AT_ONCE)
            }
    print(table(measured), conditions(calls, rounds), sep="\n\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=200, help="calls of one loop")
    parser.add_argument("--rounds", type=int, default=5, help="loops of each side")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.calls, arguments.rounds))
