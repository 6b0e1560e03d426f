"""`euryale run`: starts a run of a job now, and follows it if asked to."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from euryale.cli.options import (
    AddressOption,
    AppOption,
    NamespaceOption,
    OperatorOption,
    OutputOption,
)
from euryale.cli.screen import FAILED, Screen, reporting

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.runs.overlap import Way
    from euryale.runs.runs import Run

DATA_VARIABLE = "EURYALE_DATA"

_POLLED = timedelta(seconds=75)
"""A worker asks for work at least once a minute, the length of its long poll."""


def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    *,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            envvar=DATA_VARIABLE,
            metavar="JSON|FIELD=VALUE",
            help="What the handler gets as `data`: a JSON object instead of what the config says "
            "(`-` reads it from the standard input), or single fields over it; repeatable.",
        ),
    ] = None,
    note: Annotated[
        str, typer.Option("--note", envvar="EURYALE_NOTE", help="Why, for the record.")
    ] = "",
    operator: OperatorOption = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            envvar="EURYALE_FORCE",
            help="Start it beside the runs under way, whatever the overlap policy says.",
        ),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", envvar="EURYALE_WAIT", help="Follow the run to its end.")
    ] = False,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Start a run of a job now, beside its schedule."""
    with reporting(output) as screen:
        from euryale.jobs.given_data import given_data  # noqa: PLC0415 -- slow to import
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415

        project = load_project(app)
        job = project.job(name)
        texts = data_texts(context, data or ())
        order = _Order(
            job=job,
            # Wrong data is refused before anything is asked of the server.
            data=given_data(texts, job),
            operator=operator or operator_name(),
            note=note.strip(),
            force=force,
            wait=wait,
        )
        started: list[str] = []
        try:
            succeeded = asyncio.run(
                _run(screen, project, order, started, address=address, namespace=namespace)
            )
        except KeyboardInterrupt:
            screen.note(f"the run goes on: {started[0]}" if started else "nothing was started")
            raise
        if not succeeded:
            raise typer.Exit(FAILED)


def data_texts(context: typer.Context, given: Sequence[str]) -> list[str]:
    """What `--data` says: `-` is read from the standard input."""
    source = context.get_parameter_source("data")
    if source is not None and source.name == "ENVIRONMENT":
        # It holds one text, which the command line's parser has split at its spaces.
        given = [os.environ[DATA_VARIABLE]]
    return [sys.stdin.read() if text == "-" else text for text in given]


@dataclass(frozen=True)
class _Order:
    """What is to be run, for whom, and how."""

    job: "Job"
    data: dict[str, Any]
    operator: str
    note: str
    force: bool
    wait: bool


async def _run(
    screen: Screen,
    project: "Project",
    order: _Order,
    started: list[str],
    *,
    address: str | None,
    namespace: str | None,
) -> bool:
    from euryale.cli.progress import StartedRun, follow_runs  # noqa: PLC0415 -- slow to import
    from euryale.runs.overlap import make_room  # noqa: PLC0415
    from euryale.runs.run import start_run  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415

    client = await connect(address=address, namespace=namespace)
    job, app = order.job, project.app
    under_way: Sequence[Run] = ()
    if not order.force:
        room = await make_room(
            client,
            app.name,
            job.name,
            job.config.overlap,
            operator=order.operator,
            tell=lambda way, runs: screen.note(_told(way, runs, app.name)),
        )
        under_way = room.runs
    handle = await start_run(client, app, job, order.data, operator=order.operator, note=order.note)
    started.append(handle.id)
    ui = await web_ui(client)
    link = None if ui is None else run_link(ui, client.namespace, handle)
    fields = {
        "name": job.name,
        "workflow_id": handle.id,
        "run_id": handle.first_execution_run_id,
        "web_ui": link,
        "operator": order.operator,
        "note": order.note,
        "waited_for": [run.workflow_id for run in under_way],
    }
    if not screen.as_json:
        screen.console.print(Text.assemble("started ", (handle.id, "cyan")), soft_wrap=True)
        screen.console.print(f"  run id  {handle.first_execution_run_id}", soft_wrap=True)
        if link is not None:
            screen.console.print(f"  Web UI  {link}", soft_wrap=True)
    if not await is_served(client, app.queue):
        screen.note(
            f"no worker has asked for work on task queue '{app.queue}' in the last minute; "
            "the run begins when one does (`euryale worker` or `euryale dev`)"
        )
    if not order.wait:
        if screen.as_json:
            screen.result(fields)
        return True
    (ended,) = await follow_runs(screen, client, [StartedRun(job.name, handle)])
    screen.result(fields | ended.as_dict(), ended.report())
    return ended.outcome.succeeded


def _told(way: "Way", runs: "Sequence[Run]", app: str) -> str:
    """What the overlap policy does about the runs under way, before it is waited for."""
    names = ", ".join(run.workflow_id.removeprefix(f"{app}/") for run in runs)
    match way:
        case "cancel":
            return f"cancelled {names}; the run starts once that has ended"
        case "terminate":
            return f"terminated {names}"
        case _:
            return f"{names} is under way; the run starts once that has ended (Ctrl-C gives up)"


async def is_served(client: "Client", task_queue: str) -> bool:
    """Whether a worker has asked for work on the task queue in the last minute."""
    from temporalio.api.enums.v1 import TaskQueueType  # noqa: PLC0415 -- slow to import
    from temporalio.api.taskqueue.v1 import TaskQueue  # noqa: PLC0415
    from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest  # noqa: PLC0415

    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=task_queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    since = datetime.now(UTC) - _POLLED
    return any(
        poller.last_access_time.ToDatetime(tzinfo=UTC) >= since for poller in described.pollers
    )


async def web_ui(client: "Client") -> str | None:
    """The Web UI of a server on this machine, where `temporal server start-dev` puts it."""
    from euryale.server.server import UI_OFFSET  # noqa: PLC0415 -- slow to import
    from euryale.server.server_address import (  # noqa: PLC0415
        is_local,
        is_web_ui,
        join_address,
        split_address,
    )

    address = client.service_client.config.target_host
    if not is_local(address):
        return None
    host, port = split_address(address)
    if not await is_web_ui(host, port + UI_OFFSET):
        return None
    return f"http://{join_address(host, port + UI_OFFSET)}"


def run_link(ui: str, namespace: str, handle: "WorkflowHandle[Any, Any]") -> str:
    """The page of a run in Temporal's Web UI."""
    return (
        f"{ui}/namespaces/{quote(namespace, safe='')}/workflows/{quote(handle.id, safe='')}"
        f"/{handle.first_execution_run_id}/history"
    )
