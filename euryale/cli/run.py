"""`euryale run`: starts a run of a job now, and follows it if asked to."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer
from rich.text import Text

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import FAILED, Screen, reporting

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from euryale.job import Job
    from euryale.project import Project

_POLLED = timedelta(seconds=75)
"""A worker asks for work at least once a minute, the length of its long poll."""


def run(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    *,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            envvar="EURYALE_DATA",
            metavar="JSON",
            help="What the handler gets as `data`, instead of what the config says; `-` reads it "
            "from the standard input.",
        ),
    ] = None,
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
        from euryale.given_data import parse_data  # noqa: PLC0415 -- slow to import
        from euryale.project import load_project  # noqa: PLC0415

        project = load_project(app)
        job = project.job(name)
        given = None if data is None else parse_data(sys.stdin.read() if data == "-" else data)
        started: list[str] = []
        try:
            succeeded = asyncio.run(
                _run(
                    screen,
                    project,
                    job,
                    data=given,
                    started=started,
                    address=address,
                    namespace=namespace,
                    wait=wait,
                )
            )
        except KeyboardInterrupt:
            if started:
                screen.note(f"the run goes on: {started[0]}")
            raise
        if not succeeded:
            raise typer.Exit(FAILED)


async def _run(
    screen: Screen,
    project: "Project",
    job: "Job",
    *,
    data: dict[str, Any] | None,
    started: list[str],
    address: str | None,
    namespace: str | None,
    wait: bool,
) -> bool:
    from euryale.cli.progress import StartedRun, follow_runs  # noqa: PLC0415 -- slow to import
    from euryale.connection import connect  # noqa: PLC0415
    from euryale.run import start_run  # noqa: PLC0415

    # Wrong data is refused before anything is asked of the server.
    job.validate_data(job.config.data if data is None else data)
    client = await connect(address=address, namespace=namespace)
    handle = await start_run(client, project.app, job, data)
    started.append(handle.id)
    ui = await _web_ui(client)
    link = None if ui is None else run_link(ui, client.namespace, handle)
    fields = {
        "name": job.name,
        "workflow_id": handle.id,
        "run_id": handle.first_execution_run_id,
        "web_ui": link,
    }
    if not screen.as_json:
        screen.console.print(Text.assemble("started ", (handle.id, "cyan")), soft_wrap=True)
        screen.console.print(f"  run id  {handle.first_execution_run_id}", soft_wrap=True)
        if link is not None:
            screen.console.print(f"  Web UI  {link}", soft_wrap=True)
    if not await _is_served(client, project.app.queue):
        screen.note(
            f"no worker has asked for work on task queue '{project.app.queue}' in the last minute; "
            "the run begins when one does (`euryale worker` or `euryale dev`)"
        )
    if not wait:
        if screen.as_json:
            screen.result(fields)
        return True
    (ended,) = await follow_runs(screen, client, [StartedRun(job.name, handle)])
    screen.result(fields | ended.as_dict(), ended.report())
    return ended.outcome.succeeded


async def _is_served(client: "Client", task_queue: str) -> bool:
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


async def _web_ui(client: "Client") -> str | None:
    """The Web UI of a server on this machine, where `temporal server start-dev` puts it."""
    from euryale.server import UI_OFFSET  # noqa: PLC0415 -- slow to import
    from euryale.server_address import (  # noqa: PLC0415
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
