"""`python -m worker` as the process that it is in production."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
"""The repository's root: a worker finds its job files from there."""

PATIENCE = 120.0
"""Seconds after which what is waited for will never come, on a busy machine too."""


class WorkerProcess:
    """A worker, and what it has logged.

    Its standard input ends with the process of the tests, and it with its standard input: however
    the tests end, none is left behind.
    """

    def __init__(self, log: Path, settings: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "worker", "--until-stdin-ends"],
                cwd=ROOT,
                env=_environment() | settings,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it has logged so far; lines that are no JSON come from elsewhere."""
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("{") and line.endswith("}"):
                yield json.loads(line)

    def logged(self, action: str) -> bool:
        return any(line.get("action") == action for line in self.lines())

    async def until(
        self, condition: Callable[[], bool | Awaitable[bool]], what: str, *, every: float = 0.003
    ) -> None:
        """Wait for something that this worker brings about.

        Raises:
            AssertionError: The worker ended, or it took too long.
        """
        end = time.monotonic() + PATIENCE
        while not await _holds(condition):
            assert self.lives, f"the worker ended before {what}: {self.tail()}"
            assert time.monotonic() < end, f"waited in vain for {what}: {self.tail()}"
            await asyncio.sleep(every)

    async def until_logged(self, action: str) -> None:
        await self.until(lambda: self.logged(action), action, every=0.05)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])

    def kill(self) -> None:
        """End it as a crash does: at once, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()

    def terminate(self) -> None:
        """Tell it to drain."""
        self.process.terminate()

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative for the signal that ended it."""
        return await asyncio.to_thread(self.process.wait, PATIENCE)


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    holds = condition()
    return holds if isinstance(holds, bool) else await holds


def _environment() -> dict[str, str]:
    """The environment without this machine's settings, and with Python's cache of bytecode.

    Where a machine forbids the cache, each of the many workers would compile everything anew.
    """
    foreign = ("TEMPORAL_", "EURYALE_", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
