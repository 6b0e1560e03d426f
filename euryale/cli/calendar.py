"""`euryale calendar`: some days of all jobs as a picture, a page, a feed or data."""

from collections import Counter
from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from euryale.cli.options import AppOption
from euryale.cli.screen import Screen, reporting
from euryale.cli.times import day

if TYPE_CHECKING:
    from collections.abc import Sequence

    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.time.icalendar import Event
    from euryale.time.week import Week

_MOST_DAYS = 366
_MOST_EVENTS = 1_000
"""Events of a job in the feed, since a calendar shows each on its own."""


def calendar(
    *,
    days: Annotated[
        int,
        typer.Option("--days", envvar="EURYALE_DAYS", min=1, max=_MOST_DAYS, help="How many days."),
    ] = 7,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", envvar="EURYALE_FROM", metavar="DATE", help="The first day; by default today."
        ),
    ] = None,
    app: AppOption = None,
    output: Annotated[
        Literal["text", "html", "ics", "json"],
        typer.Option(
            "--output",
            "-o",
            envvar="EURYALE_OUTPUT",
            help="A picture in text, an HTML page, an iCalendar feed, or JSON for programs.",
        ),
    ] = "text",
) -> None:
    """Show the firings of all jobs by day and hour, and the seconds at which too many are due."""
    with reporting("json" if output == "json" else "text") as screen:
        from euryale.cli.given import given_date  # noqa: PLC0415 -- slow to import
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.time.week import week  # noqa: PLC0415
        from euryale.time.zones import time_zone  # noqa: PLC0415

        first = None if since is None else given_date(since, "--from")
        project = load_project(app)
        jobs = list(project.registry.jobs.values())
        zone = _zone(jobs)
        shown = week(
            {job.name: job.timetable for job in jobs},
            zone=zone,
            start=first or datetime.now(time_zone(zone)).date(),
            days=days,
            spread={job.name for job in jobs if job.config.jitter or job.config.window},
        )
        if output == "html":
            _print_raw(_page(project, shown, jobs))
        elif output == "ics":
            _print_feed(screen, project.app.name, jobs, shown)
        elif output == "json":
            screen.result(_as_dict(project.app.name, shown))
        else:
            _print_picture(screen, project.app.name, shown)
        if project.registry.errors:
            screen.note("broken job files are not shown; `euryale check` tells what is wrong")


def _zone(jobs: "Sequence[Job]") -> str:
    """The zone that most jobs are in; UTC if as many are there."""
    zones = Counter(job.timetable.zone for job in jobs)
    return max(sorted(zones), key=lambda zone: (zones[zone], zone == "UTC"), default="UTC")


def _print_raw(text: str) -> None:
    """Print what a program reads, with its own line ends."""
    typer.echo(text.encode(), nl=False)


def _print_picture(screen: Screen, app: str, shown: "Week") -> None:
    from euryale.cli.week_picture import week_picture  # noqa: PLC0415 -- slow to import

    first, last = shown.days[0].date, shown.days[-1].date
    firings = sum(shown.jobs.values())
    screen.result(
        None,
        Text.assemble(
            (app, "cyan"),
            f"  {day(first)} to {day(last)} ({shown.zone}): {_counted(len(shown.jobs), 'job')}, "
            f"{_counted(firings, 'firing')}",
        ),
        Text(),
        *week_picture(shown),
    )


def _page(project: "Project", shown: "Week", jobs: "Sequence[Job]") -> str:
    from euryale.time.timetable_words import timetable_in_words, timetable_text  # noqa: PLC0415 -- slow
    from euryale.time.week_page import JobText, week_page  # noqa: PLC0415

    return week_page(
        project.app.name,
        shown,
        [
            JobText(
                name=job.name,
                schedule=timetable_text(job.timetable),
                words=timetable_in_words(job.timetable),
                zone=job.timetable.zone,
                description=job.config.description,
            )
            for job in jobs
        ],
    )


def _print_feed(screen: Screen, app: str, jobs: "Sequence[Job]", shown: "Week") -> None:
    from euryale.time.icalendar import icalendar  # noqa: PLC0415 -- slow to import

    cut = [name for name, count in shown.jobs.items() if count > _MOST_EVENTS]
    note = ""
    if cut:
        note = (
            f"only the first {_MOST_EVENTS:,} firings of each job are here, and more are due of: "
            f"{', '.join(cut)}"
        )
        screen.note(note)
    events = [
        event
        for job in jobs
        for event in _events(job, shown.days[0].date, shown.zone, shown.jobs[job.name])
    ]
    _print_raw(icalendar(app, events, made_at=datetime.now(UTC), note=note))


def _events(job: "Job", first: date, zone: str, count: int) -> "list[Event]":
    from euryale.time.icalendar import Event  # noqa: PLC0415
    from euryale.time.omissions import local_day  # noqa: PLC0415
    from euryale.time.timetable import firings, just_before  # noqa: PLC0415
    from euryale.time.timetable_words import timetable_in_words  # noqa: PLC0415
    from euryale.time.zones import time_zone  # noqa: PLC0415

    begin, _ = local_day(first, time_zone(zone))
    words = f"{timetable_in_words(job.timetable)} ({job.timetable.zone})"
    description = f"{job.config.description}\n{words}".strip()
    times = islice(firings(job.timetable, after=just_before(begin)), min(count, _MOST_EVENTS))
    return [Event(job.name, time, description) for time in times]


def _as_dict(app: str, shown: "Week") -> dict[str, Any]:
    return {
        "app": app,
        "time_zone": shown.zone,
        "days": [
            {
                "date": each.date.isoformat(),
                "hours": each.counts,
                "missing_hours": each.missing,
                "clock_changes": [seam.as_dict() for seam in each.seams],
            }
            for each in shown.days
        ],
        "jobs": [{"name": name, "firings": count} for name, count in shown.jobs.items()],
        "herds": [
            {"at": herd.at.isoformat(), "firings": len(herd.jobs), "jobs": herd.jobs}
            for herd in shown.herds
        ],
    }


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'s' * (count != 1)}"
