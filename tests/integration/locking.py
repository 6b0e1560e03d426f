"""Runs that want locks, and a process that serves them; see `test_locks`."""

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from euryale.sagas.lock import Lock
from euryale.sagas.lock_workflow import LockWorkflow, look_for_lock


@dataclass(frozen=True)
class Entry:
    """One line of a file in which those who were inside sign in and out."""

    book: str
    who: str


@activity.defn
async def sign(entry: Entry) -> None:
    descriptor = os.open(entry.book, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{entry.who}\n".encode())
    os.close(descriptor)


@workflow.defn
class Visit:
    """Signs in and out of a book, behind a lock or without one."""

    @workflow.run
    async def run(self, book: str, key: str) -> None:
        async with Lock(key) if key else contextlib.nullcontext():
            for _ in ("in", "out"):
                await workflow.execute_activity(
                    sign,
                    Entry(book, workflow.info().workflow_id),
                    start_to_close_timeout=timedelta(seconds=10),
                )


@workflow.defn
class Hold:
    """Holds a lock until it is told to end."""

    def __init__(self) -> None:
        self._end = ""

    @workflow.run
    async def run(self, key: str, timeout_seconds: float | None = None) -> str:
        timeout = None if timeout_seconds is None else timedelta(seconds=timeout_seconds)
        async with Lock(key, timeout=timeout):
            await workflow.wait_condition(lambda: bool(self._end))
            if self._end == "failure":
                raise ApplicationError("told to fail")
            if self._end == "continue as new":
                workflow.continue_as_new(args=[key, timeout_seconds])
        return self._end

    @workflow.signal
    def end(self, how: str) -> None:
        self._end = how


@workflow.defn
class Contradict:
    """Asks for locks as nobody should."""

    @workflow.run
    async def run(self, key: str, how: str) -> str:
        if how == "nested":
            async with Lock(key), Lock(key):
                return "held twice"
        if how == "side by side":
            await asyncio.gather(Lock(key).acquire(), Lock(key).acquire())
            return "held twice"
        if how == "cancelled in between":
            acquiring = asyncio.ensure_future(Lock(key).acquire())
            # The command to take it leaves with this task, and the cancellation comes before the
            # answer.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            acquiring.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await acquiring
            return "cancelled" if acquiring.cancelled() else "not cancelled"
        if how == "one after the other":
            lock = Lock(key, timeout=timedelta(0))
            for _ in range(3):
                async with lock:
                    pass
            await lock.release()
            return "held thrice"
        Lock(how)
        return "a key"


WORKFLOWS = [Visit, Hold, Contradict]


# As Euryale's plugin has it: the engine isn't imported anew for each run.
RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("euryale")
)


def worker_of(client: Client, queue: str, runner: WorkflowRunner = RUNNER) -> Worker:
    """A worker without the plugin; what it leaves behind is soon another's."""
    return Worker(
        client,
        task_queue=queue,
        workflows=[*WORKFLOWS, LockWorkflow],
        activities=[sign, look_for_lock],
        workflow_runner=runner,
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )


async def serve(address: str, queue: str, ready: str) -> None:
    """Serve until the process is killed, or its standard input ends."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async with worker_of(client, queue, SandboxedWorkflowRunner()):
        await asyncio.to_thread(Path(ready).touch)
        await asyncio.to_thread(sys.stdin.read)
