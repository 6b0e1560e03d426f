"""`euryale dev`: server, worker, schedules and reload in one terminal."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from euryale.cli.options import (
    AddressOption,
    AppOption,
    LogLevelOption,
    NamespaceOption,
    OutputOption,
)
from euryale.cli.screen import FAILED, reporting

if TYPE_CHECKING:
    from euryale.cli.dev_session import DevSession

_STARTING = timedelta(seconds=10)


def dev(
    *,
    run: Annotated[
        list[str] | None,
        typer.Option(
            "--run",
            envvar="EURYALE_RUN",
            metavar="NAME",
            help="Run this job at once and show how it gets on; repeatable.",
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            envvar="EURYALE_ONCE",
            help="Exit when the runs have ended: 0, or 1 if one failed.",
        ),
    ] = False,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    log_level: LogLevelOption = "info",
    output: OutputOption = "text",
) -> None:
    """Run the application on this machine: server, worker, schedules, reload on change.

    A Temporal server that answers at the address is used; else one is started, with its state in
    the folder .euryale of the project. Ctrl-C drains the worker and stops the server.
    """
    with reporting(output) as screen:
        from euryale.cli.dev_session import DevSession  # noqa: PLC0415 -- slow to import
        from euryale.logs import configure_logs  # noqa: PLC0415
        from euryale.project import load_project  # noqa: PLC0415

        configure_logs(
            level=log_level,
            as_json=screen.as_json,
            colors=screen.console.is_terminal,
            write=screen.log_line,
        )
        project = load_project(app)
        # Wrong names and data are refused before anything is started.
        jobs = [project.job(name) for name in run or ()]
        for job in jobs:
            job.validate_data(job.config.data)
        session = DevSession(screen, project, jobs, log_level=log_level)
        if not asyncio.run(_dev(session, address, namespace, once=once)):
            raise typer.Exit(FAILED)


async def _dev(
    session: "DevSession", address: str | None, namespace: str | None, *, once: bool
) -> bool:
    from euryale.server.connection import connect  # noqa: PLC0415 -- slow to import
    from euryale.server.server import DevServer  # noqa: PLC0415
    from euryale.worker import stop_on  # noqa: PLC0415

    with stop_on() as stop:
        state = session.project.root / ".euryale"
        async with DevServer.start(address, state_dir=state, namespace=namespace) as server:
            session.tell_server(server)
            client = await connect(address=server.address, namespace=namespace, wait=_STARTING)
            keeper = session.worker_keeper(server.address, client.namespace)
            async with asyncio.TaskGroup() as group:
                around = [
                    group.create_task(session.keep_server(server)),
                    group.create_task(session.watch(keeper)),
                ]
                serving = group.create_task(keeper.run(stop))
                going_on = group.create_task(session.carry_out(client, server, keeper, once=once))
                stopping = group.create_task(stop.wait())
                await asyncio.wait({going_on, stopping}, return_when=asyncio.FIRST_COMPLETED)
                interrupted = not going_on.done()
                stop.set()
                going_on.cancel()
                for task in around:
                    task.cancel()
                session.screen.event("stopping", "the worker drains")
                await serving
            with suppress(asyncio.CancelledError):
                return going_on.result()
    return interrupted and not once
