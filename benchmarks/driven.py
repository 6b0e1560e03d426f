"""A side as the runner sees it: a process that is sent commands, and that is ended for certain."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 20
_LOG_LINES = 3


class SideFailedError(Exception):
    """A side failed, ended, or took longer than it may."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What starts a side.

    Attributes:
        module: The side's module, such as `benchmarks.sides.bare`.
        python: The interpreter of its environment.
        options: What it's told: the products' URL, its folder, the servers.
        environment: What its environment has beside this process's own.
    """

    module: str
    python: str
    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """Where its process and its workers write."""
        return Path(self.options["folder"]) / "log"


class DrivenSide:
    """A side that was started.

    Attributes:
        name: What the results call it.
        ways: The ways of each scenario.
        timed: Whether it fires jobs by schedule.
        versions: The versions of what it uses.
        servers: The process ids of its own servers.
        queue: A name that no earlier process of it had.
    """

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.name = launch.module.rpartition(".")[2]
        self.ways: Mapping[str, Sequence[str]] = {}
        self.queue = ""
        self.timed = False
        self.versions: Mapping[str, str] = {}
        self.servers: Sequence[int] = ()
        self._process: Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ids = itertools.count()
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def start(self, limit: float, store: str = "") -> bool:
        """Start the process, the side and its worker.

        Args:
            limit: How long each of these may take, in seconds.
            store: The products' database, where it isn't known that the side can work on it.

        Returns:
            Whether it can.

        Raises:
            SideFailedError: It fails, or takes longer than the limit, in seconds.
        """
        self.launch.log.parent.mkdir(parents=True, exist_ok=True)
        self.queue = f"{self.name}-{uuid.uuid4().hex[:8]}"
        given = {**self.launch.options, "queue": self.queue}
        options = [f"--{name}={value}" for name, value in given.items()]
        with self.launch.log.open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                self.launch.python,
                "-m",
                self.launch.module,
                *options,
                cwd=ROOT,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=os.environ | dict(self.launch.environment),
                start_new_session=True,  # so that it's ended with all that it started
            )
        self._reading = asyncio.ensure_future(self._read(self._process))
        told = await self.ask("describe", limit=limit)
        self.name, self.ways, self.timed = told["name"], told["ways"], told["timed"]
        self.versions = told["versions"]
        if store and store not in told["stores"]:
            return False
        self.servers = await self.ask("start", limit=limit)
        return True

    async def restart(self, limit: float) -> None:
        """End the side and start it anew, without anything that it had to do."""
        await self.stop()
        await self.start(limit)

    async def ask(self, do: str, *, limit: float, **given: Any) -> Any:
        """Send a command, and return its result.

        Raises:
            SideFailedError: It fails, or takes longer than the limit, in seconds.
        """
        process = self._process
        if process is None or process.stdin is None or process.returncode is not None:
            raise SideFailedError(f"{self.name} isn't running; {self._last_words()}")
        number = next(self._ids)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        process.stdin.write(json.dumps({"id": number, "do": do, **given}).encode() + b"\n")
        try:
            async with asyncio.timeout(limit):
                await process.stdin.drain()
                return await answer
        except TimeoutError:
            raise SideFailedError(f"{do} took longer than {limit:g} s") from None
        except ConnectionError:
            raise SideFailedError(f"{self.name} ended; {self._last_words()}") from None
        finally:
            del self._answers[number]

    async def workers(self) -> list[int]:
        """The process ids of its workers."""
        return list(await self.ask("workers", limit=10))

    async def stop(self) -> None:
        """End the side, and by force whatever is left of it."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            # Its workers are of the group that it leads, also when it ended before them.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if self._reading is not None:
                await self._reading
            self._process = None

    async def _read(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 -- it was started with a pipe
        while line := await process.stdout.readline():
            told = json.loads(line)
            answer = self._answers.get(told["id"])
            if answer is None or answer.done():
                continue
            if "error" in told:
                answer.set_exception(SideFailedError(f"{told['error']}; {self._last_words()}"))
            else:
                answer.set_result(told["result"])
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(SideFailedError(f"{self.name} ended; {self._last_words()}"))

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self.launch.log.read_text(errors="replace").strip().splitlines()
            return "it said: " + " / ".join(line.strip() for line in lines[-_LOG_LINES:])
        return "it said nothing"
