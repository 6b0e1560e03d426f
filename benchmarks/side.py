"""What a side of the benchmark is, and how it's driven: by lines of JSON, in its own process.

A side publishes the products of `benchmarks.products` with one engine, in one or several ways. It
runs in a process of its own, with the interpreter of its own environment, so this module needs the
standard library only. `main` makes a module a side: it reads commands from its standard input and
answers each with the same `id`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.products import Products

READY = "ready"
"""What a worker's first line says."""

AT_ONCE = 50
STOP_SECONDS = 10


class WorkerEndedError(Exception):
    """A worker ended before it was ready."""


class Side(ABC):
    """One engine, with a worker process that publishes products.

    Attributes:
        workers: The worker processes.
        ready: Set while they are there.
        name: What the results call it.
        stores: The databases that it can work on.
        ways: By scenario (`one by one`, `at once`, `batches`, `million`, `killed`), the ways in
            which it is done, as the results call them; a single way may have no name.
        timed: Whether it can fire jobs by schedule.

    Args:
        given: What the runner told of this run.
    """

    name: ClassVar[str]
    stores: ClassVar[Sequence[str]] = ("sqlite", "postgres")
    ways: ClassVar[Mapping[str, Sequence[str]]]
    timed: ClassVar[bool] = False

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.folder = Path(given.folder)
        self.products = Products(given.products)
        self.workers: list[asyncio.subprocess.Process] = []
        self.ready = asyncio.Event()

    async def start(self) -> None:
        """Start what the side needs, and its worker."""
        await self.start_worker()

    async def stop(self) -> None:
        """End everything that the side started."""
        await self.stop_workers()

    @abstractmethod
    async def publish(self, scenario: str, way: str, first: int, count: int) -> None:
        """Publish these products, and return when all are published."""

    async def register(self, jobs: Sequence[tuple[str, str]]) -> float:
        """Register jobs, each of which records with `products.fired` when its first line runs.

        Args:
            jobs: Their names and cron expressions: of six fields, the first is the second, and
                each is a number or `*`.

        Returns:
            How long registering took, in seconds, without what only prepares it.
        """
        raise NotImplementedError

    async def forget(self) -> None:
        """End the schedules that were registered."""
        raise NotImplementedError

    def versions(self) -> Mapping[str, str]:
        """The versions of what the side uses."""
        return {}

    def servers(self) -> Sequence[int]:
        """The process ids of the servers that the side started."""
        return ()

    def worker_ids(self) -> Sequence[int]:
        """The process ids of the workers."""
        return [worker.pid for worker in self.workers]

    def command(self, **more: str) -> Sequence[str]:
        """What starts a worker; by default this module, told to be one."""
        main = sys.modules["__main__"].__spec__
        assert main is not None  # noqa: S101 -- a side is started by `python -m`
        given = vars(self.given) | more
        options = [f"--{name}={value}" for name, value in given.items() if value]
        return [sys.executable, "-m", main.name, "--worker", *options]

    async def start_worker(self, **more: str) -> None:
        """Start a worker, and wait until it says that it is ready."""
        worker = await asyncio.create_subprocess_exec(
            *self.command(**more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.workers.append(worker)
        await self.until_ready(worker)
        self.ready.set()

    async def until_ready(self, worker: asyncio.subprocess.Process) -> None:
        """Wait for the worker's first line."""
        assert worker.stdout is not None  # noqa: S101 -- it was started with a pipe
        line = await worker.stdout.readline()
        if line.strip() != READY.encode():
            raise WorkerEndedError(f"the worker of {self.name} ended at its start")

    async def killed(self) -> None:
        """Start another worker for those that were killed from outside."""
        self.ready.clear()
        for worker in self.workers:
            await worker.wait()
        self.workers.clear()
        await self.start_worker()

    async def stop_workers(self) -> None:
        """End the workers, by their input's end, and by force where that isn't enough."""
        for worker in self.workers:
            if worker.stdin is not None:
                worker.stdin.close()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await worker.wait()
            except TimeoutError:
                worker.kill()
                await worker.wait()
        self.workers.clear()


async def until_input_ends() -> None:
    """What a worker waits for: the end of the process that started it closes its input."""
    print(READY, flush=True)
    reader = await _input()
    while await reader.readline():
        pass


async def _input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    return reader


def arguments() -> argparse.Namespace:
    """What a side's process is started with."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worker", action="store_true", help="be a worker")
    parser.add_argument("--products", required=True, help="the URL of the products' database")
    parser.add_argument("--folder", required=True, help="where files may be written")
    parser.add_argument("--temporal", default="", help="the address of a Temporal server")
    parser.add_argument("--postgres", default="", help="the URL of a Postgres database")
    parser.add_argument("--queue", default="", help="a name that no other side's process has")
    parser.add_argument("--jobs", default="", help="what registered jobs a worker is for")
    return parser.parse_args()


async def drive(side: Side) -> None:
    """Start a side and carry out the commands of the standard input until it ends."""
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    running: set[asyncio.Task[None]] = set()

    async def carry_out(command: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"id": command["id"]}
        try:
            answer["result"] = await _carry_out(side, command)
        except Exception as error:  # noqa: BLE001 -- the runner reports it
            if not isinstance(error, WorkerEndedError):  # it has said why itself
                traceback.print_exc()
            answer["error"] = f"{type(error).__name__}: {error}"
        answers.write(json.dumps(answer) + "\n")

    reader = await _input()
    try:
        while line := await reader.readline():
            task = asyncio.ensure_future(carry_out(json.loads(line)))
            running.add(task)
            task.add_done_callback(running.discard)
    finally:
        for task in running:
            task.cancel()
        await side.stop()


async def _carry_out(side: Side, command: dict[str, Any]) -> Any:
    result: Any = None
    match command["do"]:
        case "describe":
            result = {
                "name": side.name,
                "stores": side.stores,
                "ways": side.ways,
                "timed": side.timed,
                "versions": side.versions(),
            }
        case "start":
            await side.start()
            result = side.servers()
        case "workers":
            result = side.worker_ids()
        case "publish":
            await side.publish(
                command["scenario"], command["way"], command["first"], command["count"]
            )
        case "killed":
            await side.killed()
        case "register":
            result = await side.register([(name, cron) for name, cron in command["jobs"]])
        case "forget":
            await side.forget()
        case other:
            raise ValueError(f"there is no command {other!r}")
    return result


def main(side: type[Side]) -> None:
    """Drive a side: what its module calls when it's started without `--worker`."""
    given = arguments()
    # The runner's Ctrl-C is the runner's: it ends its sides itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(drive(side(given)))
