"""The worker of `euryale dev`: a child process that is kept alive and replaced on change.

A process of its own, because that is the one clean way to load changed code, and because a worker
that dies must not take the server and the screen along.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(seconds=30)
"""How soon a worker that died is started again: each time twice as late, unless it had served."""

_LONGEST_LINE = 16 * 1024 * 1024

OnLine = Callable[[str], None]


class WorkerProcess:
    """One worker as a child process; both its outputs go, line by line, to one function."""

    def __init__(self, process: asyncio.subprocess.Process, on_line: OnLine) -> None:
        self._process = process
        self._reading = asyncio.ensure_future(self._read(on_line))

    @classmethod
    async def start(cls, arguments: Sequence[str], on_line: OnLine) -> Self:
        """Start `euryale worker` with these arguments.

        It stops when its standard input ends, so that none is left behind however this process
        ends; and it is in a session of its own, so that Ctrl-C in the terminal reaches only this
        process, which decides what ends when.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "euryale.cli",
            "worker",
            "--until-stdin-ends",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_LONGEST_LINE,
            # What a handler prints must not wait in a buffer for the next line.
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        return cls(process, on_line)

    async def wait(self) -> int:
        """Wait for its end.

        Returns:
            The exit code; negative for the signal that ended it.
        """
        await self._reading
        return await self._process.wait()

    async def stop(self) -> None:
        """Tell it to drain, and wait for its end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        await self.wait()

    async def kill(self) -> None:
        """End it at once; harmless when it has ended."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._reading.cancel()
        await self._process.wait()

    async def _read(self, on_line: OnLine) -> None:
        assert self._process.stdout is not None  # noqa: S101 -- for the type checker
        while line := await self._process.stdout.readline():
            on_line(line.decode(errors="replace").rstrip())


class WorkerKeeper:
    """Keeps a worker running until it is told to stop.

    Args:
        arguments: What `euryale worker` is started with.
        on_line: Takes each line that a worker writes.
        tell: Takes a sentence for people about what becomes of the worker.
    """

    def __init__(
        self, arguments: Sequence[str], on_line: OnLine, tell: Callable[[str], None]
    ) -> None:
        self._arguments = arguments
        self._on_line = on_line
        self._tell = tell
        self._changed = asyncio.Event()
        self.ready = asyncio.Event()
        """Set while the worker serves."""
        self.failed = asyncio.Event()
        """Set while a worker that ended has not been replaced."""

    def replace(self, changed: Sequence[Path]) -> None:
        """Start a new worker in place of the one that runs, because files changed."""
        names = ", ".join(sorted({path.name for path in changed}))
        self._tell(f"{names} changed: the worker drains and starts again")
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a worker running until `stop` is set; then drain it.

        When this is cancelled, the worker is killed.
        """
        delay = FIRST_DELAY
        while not stop.is_set():
            self._changed.clear()
            self.failed.clear()
            worker = await WorkerProcess.start(self._arguments, self._on_line)
            ended = asyncio.ensure_future(worker.wait())
            try:
                await _first(ended, self._changed, stop)
                if not ended.done():
                    self.ready.clear()
                    await worker.stop()
                    continue
            finally:
                ended.cancel()
                await worker.kill()
            delay = FIRST_DELAY if self.ready.is_set() else delay
            self.ready.clear()
            self.failed.set()
            self._tell(
                f"the worker ended with exit code {ended.result()}; it starts again in "
                f"{delay.total_seconds():g} s, or when a file changes"
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay.total_seconds()):
                    await _first(None, self._changed, stop)
            delay = min(delay * 2, LONGEST_DELAY)


async def _first(task: asyncio.Future[int] | None, *events: asyncio.Event) -> None:
    """Wait until the task is done or one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    waited: list[asyncio.Future[Any]] = [*waits] if task is None else [*waits, task]
    try:
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
