"""The workers of a proof, seen from the test: started, killed, and waited for."""

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from euryale.testing.case_worker import Assignment


class CaseWorker:
    """One worker process.

    Attributes:
        ended: Its exit code, negative for the signal that ended it, once it has ended.
    """

    def __init__(self, workers: "CaseWorkers", number: int, output: Path) -> None:
        self._workers = workers
        self._number = number
        self._output = output
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def kill(self) -> None:
        """End it as a crash does, and wait until it's gone; harmless when it has ended."""
        if not self.ended.done():
            self._workers.tell({"kill": self._number})
            await self.ended

    def last_words(self) -> str:
        """The last lines that it wrote."""
        text = self._output.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-20:])


class CaseWorkers:
    """Starts workers, which end with the context of `open`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._workers: dict[int, CaseWorker] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, root: Path, app: str | None) -> AsyncIterator["CaseWorkers"]:
        """Import the application in a process of its own, from which workers are forked.

        Args:
            root: The project's root.
            app: Where the application is; see `load_project`.
        """
        # Where a machine forbids Python's cache of bytecode, each proof would compile everything.
        environment = {**os.environ}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "euryale.testing.nursery",
            str(root),
            app or "",
            cwd=root,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        workers = cls(process)
        hearing = asyncio.ensure_future(workers._hear())
        try:
            yield workers
        finally:
            assert process.stdin is not None  # noqa: S101 -- for the type checker
            process.stdin.close()
            await process.wait()
            await hearing

    def start(
        self, assignment: Assignment, environment: Mapping[str, str], output: Path
    ) -> CaseWorker:
        """Start a worker.

        Args:
            assignment: What it does.
            environment: What is added to its environment.
            output: The file that what it writes goes to.
        """
        number = next(self._numbers)
        worker = self._workers[number] = CaseWorker(self, number, output)
        self.tell(
            {
                "id": number,
                "assignment": asdict(assignment),
                "environment": dict(environment),
                "output": str(output),
            }
        )
        return worker

    def tell(self, line: dict[str, Any]) -> None:
        """Say something to the process that forks the workers."""
        assert self._process.stdin is not None  # noqa: S101 -- for the type checker
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _hear(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 -- for the type checker
        async for line in self._process.stdout:
            told = json.loads(line)
            self._workers.pop(told["id"]).ended.set_result(told["code"])
        for worker in self._workers.values():
            worker.ended.set_result(-9)
