"""A shop to be shaken: a database, a Temporal namespace and a worker process of its own."""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from euryale.runs.progress import Progress, outcome_of
from euryale.runs.run import follow, start_run
from euryale.server.connection import connect
from tests.chaos.shop_file import ShopFile
from tests.chaos.worker_process import PATIENCE, ROOT, WorkerProcess
from worker.app import app

_REGISTRY = app.load(ROOT)
_STARTED = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED


class Run:
    """A run of a job, followed from its start to its end."""

    def __init__(self, client: Client, handle: WorkflowHandle[Any, Any]) -> None:
        self._client = client
        self.handle = handle
        self._progress = Progress()
        self._following = asyncio.ensure_future(self._follow())

    async def _follow(self) -> None:
        async for progress in follow(self._client, self.handle):
            self._progress = progress

    @property
    def progress(self) -> Progress:
        """What is known of the run by now; raises what following it failed with."""
        if self._following.done():
            self._following.result()
        return self._progress

    def finished(self, call: str) -> int:
        """How many calls of that name have finished, as far as is known."""
        return self.progress.finished.get(call, 0)

    def reached(self, call: str) -> bool:
        """Whether the first call of that name is under way or finished."""
        return call in self.progress.under_way.values() or self.finished(call) > 0

    async def result(self) -> Any:
        """Wait for the run's end, and see that it completed."""
        await asyncio.wait_for(self._following, PATIENCE)
        outcome = await outcome_of(self._client, self.progress)
        assert outcome.succeeded, f"{outcome.failure_type}: {outcome.failure_message}"
        return outcome.result

    async def is_running(self) -> bool:
        while True:
            with suppress(RPCError):
                description = await self.handle.describe()
                return description.status == WorkflowExecutionStatus.RUNNING
            await asyncio.sleep(0.05)

    async def started(self, call: str, *, child: str = "") -> PendingActivityInfo | None:
        """The call of that name that a worker carries out now, as the server sees it.

        Args:
            call: The call's name.
            child: The name of the child workflow that makes it, where it isn't the run itself.

        Returns:
            None where there is none, or while the server doesn't answer.
        """
        name = f"{self.handle.id}/{child}" if child else self.handle.id
        with suppress(RPCError):
            description = await self._client.get_workflow_handle(name).describe()
            for pending in description.raw_description.pending_activities:
                if pending.activity_type.name == call and pending.state == _STARTED:
                    return pending
        return None

    async def history(self) -> list[HistoryEvent]:
        return [event async for event in self.handle.fetch_history_events()]

    async def close(self) -> None:
        self._following.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._following


class Shop:
    """The real shop, full as `worker.seed` leaves it.

    Args:
        folder: An empty folder for its database and its worker's log.
        seeded: A database to copy.
        address: Temporal's address; nothing needs to listen there yet.
        namespace: A namespace that no other shop has, since all of them have one task queue.
    """

    def __init__(self, folder: Path, seeded: Path, *, address: str, namespace: str) -> None:
        folder.mkdir(parents=True)
        self.file = ShopFile(Path(shutil.copy(seeded, folder / "shop.db")))
        self._seeded, self._log = seeded, folder / "worker.log"
        self._address, self._namespace = address, namespace
        self._workers: list[WorkerProcess] = []
        self._runs: list[Run] = []

    @property
    def worker(self) -> WorkerProcess:
        """The newest worker."""
        return self._workers[-1]

    def start_worker(self) -> WorkerProcess:
        log = self._log.with_suffix(f".{len(self._workers)}.log")
        settings = {
            "DATABASE_URL": self.file.url,
            "TEMPORAL_ADDRESS": self._address,
            "TEMPORAL_NAMESPACE": self._namespace,
            "PYTHONPYCACHEPREFIX": str(self._seeded.with_name("bytecode")),
        }
        self._workers.append(WorkerProcess(log, settings))
        return self.worker

    async def open(self) -> None:
        """Wait until the worker serves, and pause the schedules that it made.

        Otherwise midnight would start a run that nobody expects.
        """
        await self.worker.until_logged("worker_ready")
        client = await self._client()
        for schedule in app.schedules(_REGISTRY):
            await client.get_schedule_handle(schedule.id).pause()

    async def start_run(self, job: str) -> Run:
        client = await self._client()
        run = Run(client, await start_run(client, app, _REGISTRY.job(job)))
        self._runs.append(run)
        return run

    async def close(self) -> None:
        """End what was started; harmless when it has ended."""
        for run in self._runs:
            await run.close()
        for worker in self._workers:
            worker.kill()
        self.file.close()

    async def _client(self) -> Client:
        return await connect(address=self._address, namespace=self._namespace)
