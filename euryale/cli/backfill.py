"""`euryale backfill`: runs the firings of a past stretch of time that have no run."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import Screen, reporting
from euryale.cli.times import distance, moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from euryale.jobs.job import Job
    from euryale.runs.backfill import PastFiring, Stretch

_STYLES = {None: "yellow", "completed": "green", "running": "cyan"}


def backfill(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    *,
    since: Annotated[
        str,
        typer.Option(
            "--from",
            envvar="EURYALE_FROM",
            metavar="TIME",
            help="The first time, without an offset in the job's zone; a firing may be at it.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            envvar="EURYALE_TO",
            metavar="TIME",
            help="The last time; a firing may be at it.",
        ),
    ],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", envvar="EURYALE_DRY_RUN", help="Show what would run, and start nothing."
        ),
    ] = False,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Run the firings of a past stretch of time that have no run, also while paused."""
    with reporting(output) as screen:
        from euryale.cli.given import given_time  # noqa: PLC0415
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.runs.backfill import stretch_of  # noqa: PLC0415 -- slow to import
        from euryale.time.zones import time_zone  # noqa: PLC0415

        project = load_project(app)
        job = project.job(name)
        zone = time_zone(job.timetable.zone)
        now = datetime.now(UTC)
        stretch = stretch_of(
            project.app.name,
            job,
            given_time(since, zone, "--from"),
            given_time(to, zone, "--to"),
            now=now,
        )
        asyncio.run(
            _backfill(
                screen,
                project.app.name,
                job,
                stretch,
                now=now,
                dry_run=dry_run,
                server=(address, namespace),
            )
        )


async def _backfill(
    screen: Screen,
    app: str,
    job: "Job",
    stretch: "Stretch",
    *,
    now: datetime,
    dry_run: bool,
    server: tuple[str | None, str | None],
) -> None:
    from euryale.cli.pause_report import counting  # noqa: PLC0415
    from euryale.runs import backfilling  # noqa: PLC0415 -- slow to import
    from euryale.runs.backfill import of_unknown_past  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415

    address, namespace = server
    client = await connect(address=address, namespace=namespace)
    waiting = (await backfilling.backlog(client, app, job.name)).waiting
    with counting(screen) as told:
        stretch = await backfilling.with_statuses(client, stretch, told)
    kept_since = await backfilling.kept_since(client, now)
    unknown = 0 if kept_since is None else of_unknown_past(stretch, kept_since)
    if kept_since is not None and unknown:
        screen.note(
            f"{unknown:,} of the firings without a run are older than the "
            f"{distance(now - kept_since)} for which the namespace keeps runs: "
            "if they ran, nothing tells of it any more"
        )
    given: tuple[PastFiring, ...] = ()
    if not dry_run and stretch.missing:
        with counting(screen) as told:
            given = (await backfilling.backfill(client, app, job.name, stretch, told)).firings
        waiting = (await backfilling.backlog(client, app, job.name)).waiting
    screen.result(
        {
            "name": job.name,
            "schedule_id": stretch.schedule_id,
            "overlap": stretch.overlap.name.lower(),
            "dry_run": dry_run,
            "firings": [_as_dict(firing) for firing in stretch.firings],
            "backfilled": [firing.workflow_id for firing in given],
            "waiting": waiting,
            "possibly_deleted": unknown,
        },
        *_lines(stretch, dry_run=dry_run),
        Text(_summary(stretch, len(given), waiting, dry_run=dry_run), style="bold"),
    )


def _as_dict(firing: "PastFiring") -> dict[str, Any]:
    return {
        "fire_time": firing.fire_time.isoformat(),
        "nominal_time": firing.nominal_time.isoformat(),
        "workflow_id": firing.workflow_id,
        "status": firing.status,
    }


def _lines(stretch: "Stretch", *, dry_run: bool) -> "Iterator[Text]":
    """A line for each firing: when, and what became of it."""
    width = max((len(moment(firing.fire_time)) for firing in stretch.firings), default=0)
    for firing in stretch.firings:
        told = firing.status or ("would run" if dry_run else "backfilled")
        style = _STYLES.get(firing.status, "red")
        yield Text.assemble(moment(firing.fire_time).ljust(width), "   ", (told, style))


def _summary(stretch: "Stretch", given: int, waiting: int, *, dry_run: bool) -> str:
    count, missing = len(stretch.firings), len(stretch.missing)
    if not count:
        return "nothing to do: the job doesn't fire in this stretch"
    wait = f"; {_firings(waiting)} wait for the run before to end" if waiting else ""
    if not missing:
        ended = Counter(firing.status for firing in stretch.firings)
        others = {status: ended[status] for status in ended if status != "completed"}
        told = ", ".join(f"{number:,} {status}" for status, number in others.items())
        all_of = f"all {count:,} firings have" if count > 1 else "the one firing has"
        return f"nothing to do: {all_of} run{f' ({told})' if told else ''}{wait}"
    if dry_run:
        return f"{missing:,} of {_firings(count)} would run{wait}"
    return f"{given:,} of {_firings(count)} backfilled{wait}"


def _firings(count: int) -> str:
    return f"{count:,} {'firing' if count == 1 else 'firings'}"
