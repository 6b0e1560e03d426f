"""`euryale freeze` and `euryale thaw`: all schedules stopped at once, and let go again."""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from euryale.cli.options import (
    AddressOption,
    AppOption,
    NamespaceOption,
    OperatorOption,
    OutputOption,
)
from euryale.cli.pause import NoteOption
from euryale.cli.screen import Screen, reporting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from temporalio.client import Client

    from euryale.project import Project
    from euryale.schedules.ledger import Freeze
    from euryale.schedules.pausing import ChangedAll, Told

    Change = Callable[[Client, str, "tuple[str, ...]", Told], Awaitable[ChangedAll]]


def freeze(
    *,
    note: NoteOption = "",
    operator: OperatorOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Pause all schedules that aren't paused, also those that are made until the thaw."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415 -- slow to import
        from euryale.schedules.pauses import PauseNote  # noqa: PLC0415
        from euryale.schedules.pausing import freeze_all  # noqa: PLC0415

        said = PauseNote(operator or operator_name(), datetime.now(UTC), note, frozen=True)
        asyncio.run(
            _change(
                screen,
                load_project(app),
                lambda client, name, jobs, told: freeze_all(client, name, jobs, said, told),
                "it was frozen already",
                server=(address, namespace),
            )
        )


def thaw(
    *,
    note: NoteOption = "",
    operator: OperatorOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Resume the schedules that a freeze paused; what was paused otherwise stays so."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.operators import operator_name  # noqa: PLC0415 -- slow to import
        from euryale.schedules.pauses import resume_note  # noqa: PLC0415
        from euryale.schedules.pausing import thaw_all  # noqa: PLC0415

        said = resume_note(operator or operator_name(), datetime.now(UTC), note)
        asyncio.run(
            _change(
                screen,
                load_project(app),
                lambda client, name, jobs, told: thaw_all(client, name, jobs, said, told),
                "it was frozen",
                server=(address, namespace),
            )
        )


async def _change(
    screen: Screen,
    project: "Project",
    change: "Change",
    was: str,
    *,
    server: tuple[str | None, str | None],
) -> None:
    from euryale.cli.pause_report import counting, report  # noqa: PLC0415 -- slow to import
    from euryale.server.connection import connect  # noqa: PLC0415

    address, namespace = server
    client = await connect(address=address, namespace=namespace)
    app = project.app.name
    with counting(screen) as told:
        done = await change(client, app, tuple(project.registry.jobs), told)
    before = done.before
    told_before = [] if before is None else [Text(f"{was} {_told(before)}")]
    report(screen, {"app": app, "freeze": _as_dict(before)}, done.changed, *told_before)


def _told(freeze: "Freeze") -> str:
    from euryale.schedules.pauses import one_line  # noqa: PLC0415 -- slow to import

    why = one_line(freeze.note)
    by = f"by {freeze.by}, {freeze.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{by}: {why}" if why else by


def _as_dict(freeze: "Freeze | None") -> dict[str, Any] | None:
    return None if freeze is None else freeze.model_dump(mode="json")
