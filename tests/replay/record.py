"""Records the histories anew, on the real server: `python -m tests.replay.record`.

To be done when a change of the code is meant to be incompatible with the runs under way; the old
histories are what tells that it is.
"""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sweeping.items import Stage
from sweeping.served import serving, until_asked_to_stop, until_paused
from sweeping.shelf import Shelf
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from euryale import EuryalePlugin
from euryale.runs.run import start_run
from euryale.sagas.run_undo import undo_workflow_id
from euryale.server.server import DevServer
from euryale.server.server_address import free_port, join_address
from euryale.worker import make_worker
from tests.replay.histories import FOLDER, plugin_of, write
from worker.seed import seed
from worker.settings import Settings
from worker.store import Store, upgrade

HOST = "127.0.0.1"
FIRST_PORT = 18233

# Long enough to tell something, and short enough to keep.
_SHRINK = (
    """
    UPDATE product SET status = 'published'
    WHERE id NOT IN (SELECT id FROM product WHERE status = 'draft' LIMIT 20)
    """,
    """
    UPDATE cart SET deleted_at = updated_at
    WHERE id NOT IN (SELECT id FROM cart ORDER BY updated_at LIMIT 5)
    """,
)


async def fill_shop() -> None:
    """A shop with twenty drafts and five expired carts."""
    await upgrade(Settings().url)
    store = Store(Settings().url)
    try:
        await seed(store)
        async with store.begin() as session:
            for statement in _SHRINK:
                await session.execute(text(statement))
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def served(client: Client, application: str) -> AsyncIterator[EuryalePlugin]:
    plugin = plugin_of(application)
    async with make_worker(client, plugin):
        yield plugin


async def ended(handle: WorkflowHandle[Any, Any], file: str) -> WorkflowHandle[Any, Any]:
    """Wait for the end of a run, good or bad, and keep its history."""
    with contextlib.suppress(WorkflowFailureError):
        await handle.result()
    write(FOLDER / f"{file}.json", await handle.fetch_history())
    return handle


async def job(
    client: Client, plugin: EuryalePlugin, name: str, data: Mapping[str, Any] | None, file: str
) -> WorkflowHandle[Any, Any]:
    run = await start_run(client, plugin.app, plugin.registry.job(name), data)
    return await ended(run, f"{plugin.app.name}/{file}")


async def record_shop(client: Client) -> None:
    await fill_shop()
    async with served(client, "shop") as plugin:
        await job(client, plugin, "publish-once-a-day", None, "publish-once-a-day-locally")
        run = await job(client, plugin, "cleanup-expired-carts", None, "cleanup-expired-carts")
        child = client.get_workflow_handle(f"{run.id}/delete-carts")
        await ended(child, "shop/delete-carts")

        for name in ("export-orders-nightly", "recalculate-aggregates", "send-weekly-newsletter"):
            run = await job(client, plugin, name, None, name)
            for number, child_id in enumerate(await children_of(run), 1):
                child = client.get_workflow_handle(child_id)
                await ended(child, f"shop/{name}-child-{number}")
                for sweep_id in await children_of(child):
                    await ended(client.get_workflow_handle(sweep_id), f"shop/{name}-sweep")
        await job(client, plugin, "sync-products-daily", None, "sync-products-daily")


async def children_of(run: WorkflowHandle[Any, Any]) -> list[str]:
    """The ids of a run's child workflows."""
    return [
        event.child_workflow_execution_started_event_attributes.workflow_execution.workflow_id
        for event in (await run.fetch_history()).events
        if event.HasField("child_workflow_execution_started_event_attributes")
    ]


async def record_vault(client: Client) -> None:
    async with served(client, "vault") as plugin:
        # A job that takes itself back, its child workflow and that one's child with it.
        child = ["script", ["put", "b", "2"], ["child", ["put sure", "c", "3"]]]
        script = [["set", "a", "1"], child, ["all", ["d", "4"], ["e", "5"]], ["fail"]]
        run = await job(client, plugin, "careful", {"script": script}, "taken-back")
        undo = undo_workflow_id("vault", (await run.describe()).run_id)
        await ended(client.get_workflow_handle(undo), "vault/undo")
        # A saga that fails after its child is done, and while a lock is held.
        locked = [
            "script",
            ["child", ["put", "f", "6"]],
            ["locked", "key", ["put", "g", "7"], ["fail"]],
        ]
        run = await job(client, plugin, "calls", {"script": [locked]}, "locked")
        (child_id,) = await children_of(run)
        await ended(client.get_workflow_handle(child_id), "vault/locked-child")


async def record_sample(client: Client) -> None:
    async with served(client, "sample") as plugin:
        # A run that is ended by its timeout, while its child waits and is then taken back.
        run = await job(client, plugin, "impatient", None, "timed-out")
        child = client.get_workflow_handle(f"{run.id}/take-items")
        await ended(child, "sample/timed-out-child")
        # A saga that is taken back because a step failed, and a compensation with it.
        takes = {"case": "takes", "with": {"item_ids": ["a", "stuck", "broken"]}}
        run = await job(client, plugin, "cases", takes, "compensated")
        child = client.get_workflow_handle(f"{run.id}/take-items")
        await ended(child, "sample/compensated-child")
        # More calls at once than a run has under way.
        at_once = {"case": "at_once", "with": {"count": 70}}
        await job(client, plugin, "cases", at_once, "at-once")


async def record_shelf(client: Client, folder: Path) -> None:
    shelf = Shelf(f"sqlite:///{folder}/shelf.db")
    shelf.make()
    shelf.fill(120)
    async with serving(client, Stage(shelf.engine, shelf)) as sweeping:
        # A sweep that is paused and resumed, and a run that takes it back.
        sweeping.stage.hold_after = 2
        run = await sweeping.start_job(slab=30, concurrency=2, then_fail=True)
        child = await sweeping.begun_child(run)
        await sweeping.stage.reached.wait()
        await child.signal("pause")
        await until_asked_to_stop(child)
        sweeping.stage.hold_after = None
        sweeping.stage.go.set()
        await until_paused(sweeping, child)
        await child.signal("resume")
        await ended(run, "shelf/swept")
        await ended(child, "shelf/sweep")
        undo = undo_workflow_id("shelf", (await run.describe()).run_id)
        await ended(client.get_workflow_handle(undo), "shelf/undo")
        # One of many slabs, of which some are gone over at once.
        shelf.fill(900, first=1_000)
        run = await sweeping.start(slab=1, batch=1)
        await run.result()
        await ended(sweeping.child(run), "shelf/sweep-of-many-slabs")
    shelf.close()


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="euryale-recording-") as folder:
        os.environ["DATABASE_URL"] = f"sqlite:///{folder}/shop.db"
        os.environ["EXPORT_DIR"] = os.environ["OUTBOX_DIR"] = f"{folder}/files"
        address = join_address(HOST, free_port(HOST, FIRST_PORT))
        async with DevServer.start(address, state_dir=Path(folder) / "temporal") as server:
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            await record_shop(client)
            await record_sample(client)
            await record_vault(client)
            await record_shelf(client, Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
