"""`euryale cancel`: asks a run to end, and to take back what it has done."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from euryale.cli.options import (
    AddressOption,
    AppOption,
    NamespaceOption,
    OperatorOption,
    OutputOption,
)
from euryale.cli.screen import FAILED, Screen, reporting

if TYPE_CHECKING:
    from temporalio.client import Client

    from euryale.runs.runs import Run

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="The run: its workflow id, what of that comes after the application's name, or its "
        "run id.",
    ),
]


def cancel(
    run: RunArgument,
    *,
    note: Annotated[
        str, typer.Option("--note", envvar="EURYALE_NOTE", help="Why, for the record.")
    ] = "",
    operator: OperatorOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", envvar="EURYALE_WAIT", help="Follow the run to its end.")
    ] = False,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Ask a run to end: its handler is cancelled, and its sagas take back what they did."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415 -- slow to import
        from euryale.schedules.pauses import one_line  # noqa: PLC0415

        name = load_project(app).app.name
        by = f"cancelled by {operator or operator_name()}"
        why = one_line(note)
        reason = f"{why} ({by})" if why else by
        done = asyncio.run(
            _cancel(screen, name, run, reason, wait=wait, address=address, namespace=namespace)
        )
        if not done:
            raise typer.Exit(FAILED)


async def _cancel(
    screen: Screen,
    app: str,
    text: str,
    reason: str,
    *,
    wait: bool,
    address: str | None,
    namespace: str | None,
) -> bool:
    from euryale.cli.progress import StartedRun, follow_runs  # noqa: PLC0415 -- slow to import
    from euryale.runs.runs import find_run  # noqa: PLC0415
    from euryale.runs.sweep_progress import sweeps_under_way  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415

    client = await connect(address=address, namespace=namespace)
    found = await find_run(client, app, text)
    sweeps = await sweeps_under_way(client, found) if found.status == "running" else ()
    asked = found.status == "running" and await _ask(client, found, reason)
    if not asked:
        # It may have ended in between.
        found = await find_run(client, app, found.run_id)
    fields = {
        "name": found.job,
        "workflow_id": found.workflow_id,
        "run_id": found.run_id,
        "cancelled": asked,
        "reason": reason if asked else None,
        "status": found.status,
        "sweeps": [sweep.as_dict() for sweep in sweeps] if asked else [],
    }
    if not asked:
        screen.result(fields, _ended_already(found, app))
        return False
    told = f"cancelled {found.workflow_id.removeprefix(f'{app}/')}: {reason}"
    if not wait:
        screen.result(fields, told)
        for sweep in sweeps:
            screen.note(f"{sweep.step} stops after its batch; it was at {sweep.place}")
        screen.note("it ends once it has taken back what its sagas did (--wait follows it)")
        return True
    if not screen.as_json:
        screen.console.print(told, soft_wrap=True)
    handle = client.get_workflow_handle(found.workflow_id, run_id=found.run_id)
    (ended,) = await follow_runs(screen, client, [StartedRun(found.job, handle)])
    screen.result(fields | ended.as_dict(), ended.report())
    return ended.progress.status == "cancelled"


async def _ask(client: "Client", run: "Run", reason: str) -> bool:
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415 -- slow to import

    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    try:
        await handle.cancel(reason=reason)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True


def _ended_already(run: "Run", app: str) -> str:
    from euryale.cli.times import distance  # noqa: PLC0415 -- slow to import

    ago = f" {distance(datetime.now(UTC) - run.ended)} ago" if run.ended else ""
    name = run.workflow_id.removeprefix(f"{app}/")
    return f"{name} has ended already: {run.status}{ago}; nothing was cancelled"
