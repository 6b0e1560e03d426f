"""The application of the shelf, served, and what tests ask of its runs."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sweeping.flows import Asked, SweepItems, SweepTyped
from sweeping.items import ItemSweeps, Stage
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from euryale import Euryale, EuryalePlugin, SweepResult, UndoReport, instance
from euryale.runs.memo import MEMO, run_memo
from euryale.runs.runs import Run, find_run
from euryale.sweeps.messages import SweepProgress
from euryale.undo.undo import plan_whole, refuse_if_incomplete, start_undo
from euryale.undo.ways import ways_of
from euryale.worker import make_worker, serve

HERE = Path(__file__).parent


def shelf_plugin(stage: Stage) -> EuryalePlugin:
    app = Euryale(
        name="shelf",
        providers=[instance(stage)],
        workflows=[SweepItems, SweepTyped],
        activities=[ItemSweeps],
        jobs=["sweeping_jobs"],
    )
    return EuryalePlugin(app, root=HERE, apply_schedules=False)


@dataclass
class Sweeping:
    """A served application, and its runs."""

    client: Client
    stage: Stage
    plugin: EuryalePlugin

    async def start(self, **asked: Any) -> WorkflowHandle[Any, list[SweepResult]]:
        return await self.client.start_workflow(
            SweepItems.run,
            Asked(**asked),
            id=f"shelf/sweep-items/{uuid.uuid4().hex[:8]}",
            task_queue="shelf",
        )

    async def start_job(self, **asked: Any) -> WorkflowHandle[Any, Any]:
        config = self.plugin.registry.jobs["careful"].config
        return await self.client.start_workflow(
            "careful",
            Asked(**asked),
            id=f"shelf/careful/{uuid.uuid4().hex[:8]}",
            task_queue="shelf",
            memo={MEMO: run_memo(config)},
        )

    async def swept(self, **asked: Any) -> SweepResult:
        handle = await self.start(**asked)
        (result,) = await handle.result()
        return result

    async def ran(self, **asked: Any) -> Run:
        handle = await self.start(**asked)
        await handle.result()
        return await self.run_of(handle)

    async def run_of(self, handle: WorkflowHandle[Any, Any]) -> Run:
        return await find_run(self.client, "shelf", handle.id)

    def child(
        self, handle: WorkflowHandle[Any, Any], step: str = "publish", number: str = ""
    ) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(f"{handle.id}/sweep-item.{step}{number}")

    async def begun_child(
        self, handle: WorkflowHandle[Any, Any], step: str = "publish"
    ) -> WorkflowHandle[Any, Any]:
        child = self.child(handle, step)
        async with asyncio.timeout(20):
            while True:
                with suppress(RPCError):  # it isn't there yet
                    await child.describe()
                    return child
                await asyncio.sleep(0.02)

    async def progress(self, child: WorkflowHandle[Any, Any]) -> SweepProgress:
        progress: SweepProgress = await child.query("progress", result_type=SweepProgress)
        return progress

    async def undone(self, run: Run) -> UndoReport:
        plan = await plan_whole(self.client, "shelf", ways_of(self.plugin.registry), run, ())
        refuse_if_incomplete(plan, run, ())
        attempt = plan.attempts.count + 1
        handle = await start_undo(self.client, "shelf", "shelf", run, attempt=attempt)
        return await handle.result()


async def until_paused(sweeping: Sweeping, child: WorkflowHandle[Any, Any]) -> None:
    async with asyncio.timeout(30):
        while (await sweeping.progress(child)).state != "paused":
            await asyncio.sleep(0.02)


async def until_asked_to_stop(child: WorkflowHandle[Any, Any]) -> None:
    """Wait until a slab that is under way has been asked to stop, as far as the server knows."""
    asked = PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED
    async with asyncio.timeout(30):
        while True:
            pending = (await child.describe()).raw_description.pending_activities
            if any(each.state == asked for each in pending):
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def serving(client: Client, stage: Stage) -> AsyncIterator[Sweeping]:
    plugin = shelf_plugin(stage)
    stop = asyncio.Event()
    running = asyncio.create_task(serve(make_worker(client, plugin), stop))
    try:
        yield Sweeping(client, stage, plugin)
    finally:
        stage.go.set()
        stop.set()
        await running
