"""Taking a run of the shop back after its end, as `euryale undo` does."""

from typing import Any

from temporalio.client import Client, WorkflowHandle

from euryale import EuryalePlugin, UndoReport
from euryale.runs.runs import find_run
from euryale.undo.undo import plan_whole, refuse_if_incomplete, start_undo
from euryale.undo.ways import ways_of


async def take_back(
    client: Client, plugin: EuryalePlugin, handle: WorkflowHandle[Any, Any]
) -> UndoReport:
    """Take back all that a finished run did; a worker must be serving."""
    app = plugin.app
    run = await find_run(client, app.name, handle.id)
    plan = await plan_whole(client, app.name, ways_of(plugin.registry), run, ())
    refuse_if_incomplete(plan, run, ())
    undo = await start_undo(
        client, app.name, app.queue, run, attempt=plan.attempts.count + 1, only=()
    )
    report: UndoReport = await undo.result()
    return report
