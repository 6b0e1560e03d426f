"""`euryale worker`: serves an application's runs in production."""

import asyncio
import os
import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from euryale.cli.options import (
    AddressOption,
    AppOption,
    LogLevelOption,
    NamespaceOption,
    Output,
    ReleaseOption,
    RollbackOption,
    SequenceOption,
)
from euryale.cli.screen import reporting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temporalio.client import Client

    from euryale.project import Project
    from euryale.schedules.apply import Applied
    from euryale.schedules.release import Release

_FOREVER = timedelta(days=3650)
"""A worker that starts before its server waits for it: whoever runs it decides when to give up."""

_RETRY = timedelta(seconds=2)


def worker(
    *,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply/--no-apply",
            envvar="EURYALE_APPLY",
            help="Whether the schedules are created, updated and removed at the start.",
        ),
    ] = True,
    release: ReleaseOption = None,
    sequence: SequenceOption = None,
    rollback: RollbackOption = False,
    log_level: LogLevelOption = "info",
    output: Annotated[
        Output | None,
        typer.Option(
            "--output",
            "-o",
            envvar="EURYALE_OUTPUT",
            help="The form of the log's lines; by default text on a terminal, else JSON.",
        ),
    ] = None,
    until_stdin_ends: Annotated[bool, typer.Option("--until-stdin-ends", hidden=True)] = False,
) -> None:
    """Serve the application's runs until SIGTERM or Ctrl-C; then drain.

    Waits for Temporal if it isn't there yet. Logs readable lines on a terminal and JSON elsewhere,
    unless --output says otherwise.
    """
    chosen: Output = output or ("text" if sys.stdout.isatty() else "json")
    with reporting(chosen):
        from euryale.logs import configure_logs, write_to  # noqa: PLC0415 -- slow to import
        from euryale.project import given_release, load_project  # noqa: PLC0415

        configure_logs(
            level=log_level,
            as_json=chosen == "json",
            colors=sys.stdout.isatty(),
            write=write_to(sys.stdout),
        )
        if chosen == "json":
            _let_core_log_json()
        project = load_project(app)
        release_given = given_release(project, release, sequence, rollback=rollback)
        asyncio.run(
            _work(
                project,
                release=release_given,
                address=address,
                namespace=namespace,
                apply_schedules=apply,
                until_stdin_ends=until_stdin_ends,
            )
        )


async def _work(
    project: "Project",
    *,
    release: "Release",
    address: str | None,
    namespace: str | None,
    apply_schedules: bool,
    until_stdin_ends: bool,
) -> None:
    from euryale.server.connection import connect  # noqa: PLC0415 -- slow to import
    from euryale.worker import stop_on  # noqa: PLC0415

    with stop_on() as stop:
        if until_stdin_ends:
            _stop_with_parent(stop)
        connecting = asyncio.ensure_future(
            connect(address=address, namespace=namespace, wait=_FOREVER)
        )
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not connecting.done():
            connecting.cancel()
            return
        client = await connecting
        while not await _serve(
            project, client, stop, release=release, apply_schedules=apply_schedules
        ):
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _RETRY.total_seconds())


async def _serve(
    project: "Project",
    client: "Client",
    stop: asyncio.Event,
    *,
    release: "Release",
    apply_schedules: bool,
) -> bool:
    """Serve until told to stop.

    Returns:
        Whether it is done; False where Temporal went away before the schedules were applied.
    """
    import structlog  # noqa: PLC0415 -- slow to import
    from temporalio.service import RPCError  # noqa: PLC0415

    from euryale.errors import TemporalUnreachable  # noqa: PLC0415
    from euryale.plugin import EuryalePlugin  # noqa: PLC0415
    from euryale.schedules.apply import CHANGED  # noqa: PLC0415
    from euryale.server.connection import translate  # noqa: PLC0415
    from euryale.worker import make_worker, serve  # noqa: PLC0415

    if stop.is_set():
        return True
    log = structlog.get_logger("euryale.worker")

    async def ready(applied: "Sequence[Applied]" = ()) -> None:
        log.info(
            "ready",
            action="worker_ready",
            app=project.app.name,
            task_queue=project.app.queue,
            namespace=client.namespace,
            jobs=sorted(plugin.registry.jobs),
            left_out=[error.where for error in plugin.registry.errors],
            release=release.name,
            schedules_changed=[one.id for one in applied if one.outcome in CHANGED],
            schedules_failed=[one.id for one in applied if one.outcome == "failed"],
        )

    plugin = EuryalePlugin(
        project.app,
        root=project.root,
        apply_schedules=apply_schedules,
        release=release,
        on_applied=ready,
    )
    if not apply_schedules:
        await ready()
    try:
        await serve(make_worker(client, plugin), stop)
    except RPCError as error:
        meaning = translate(error)
        if not isinstance(meaning, TemporalUnreachable):
            raise
        log.warning(
            "Temporal went away; starting again",
            action="worker_retry",
            reason=meaning.what,
            retry_in_seconds=_RETRY.total_seconds(),
        )
        return False
    return True


def _let_core_log_json() -> None:
    """Let what Temporal's core writes to the standard output by itself be JSON as well."""
    from temporalio.runtime import LoggingConfig, LoggingFormat, Runtime, TelemetryConfig  # noqa: PLC0415 -- slow to import

    config = LoggingConfig(filter=LoggingConfig.default.filter, format=LoggingFormat.JSON)
    with suppress(RuntimeError):  # somebody in this process has connected already
        Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=config)))


def _stop_with_parent(stop: asyncio.Event) -> None:
    """Stop when the standard input ends, which is when `euryale dev` has died."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            loop.remove_reader(sys.stdin.fileno())
            stop.set()

    loop.add_reader(sys.stdin.fileno(), read)
