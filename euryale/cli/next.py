"""`euryale next`: when a job or an expression fires next, by the rules alone."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from euryale.cli.options import AppOption, OutputOption
from euryale.cli.screen import reporting
from euryale.cli.times import distance, moment, offset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.time.seams import Seam, SeamEffect
    from euryale.time.timetable import Timetable

_MOST_FIRINGS = 1_000
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a job's config lets it be called, which is never a whole schedule."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked about: a job, or a schedule of no job (then without a name).

    By the spread all starts are put off, by up to the jitter each.
    """

    name: str | None
    timetable: "Timetable"
    spread: timedelta = timedelta(0)
    jitter: timedelta = timedelta(0)


def next_firings(
    asked: Annotated[
        str,
        typer.Argument(
            metavar="NAME|EXPR",
            help="The job's name, or a schedule in words, such as '0 9 * * MON-FRI'.",
        ),
    ],
    *,
    tz: Annotated[
        str | None,
        typer.Option(
            "--tz",
            envvar="EURYALE_TZ",
            metavar="ZONE",
            help="The zone whose wall clock is meant, instead of the job's own or UTC.",
        ),
    ] = None,
    count: Annotated[
        int,
        typer.Option(
            "-n",
            "--count",
            envvar="EURYALE_COUNT",
            min=1,
            max=_MOST_FIRINGS,
            help="How many firings.",
        ),
    ] = 5,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            envvar="EURYALE_FROM",
            metavar="TIME",
            help="The earliest time, without an offset in that zone; by default now.",
        ),
    ] = None,
    dst: Annotated[
        Literal["once", "skip", "twice"] | None,
        typer.Option(
            "--dst",
            envvar="EURYALE_DST",
            help="What becomes of times that the clocks leave out or show twice, instead of the "
            "job's own policy or 'once'.",
        ),
    ] = None,
    app: AppOption = None,
    output: OutputOption = "text",
) -> None:
    """Show when a job or an expression fires next, without a server."""
    with reporting(output) as screen:
        from euryale.cli.given import given_time  # noqa: PLC0415 -- slow to import
        from euryale.time.spread import starts  # noqa: PLC0415
        from euryale.time.timetable import firings, just_before  # noqa: PLC0415
        from euryale.time.timetable_words import timetable_in_words, timetable_text  # noqa: PLC0415
        from euryale.time.zones import time_zone  # noqa: PLC0415

        found = _find(asked, app, tz=tz, dst=dst)
        timetable = found.timetable
        now = datetime.now(UTC)
        after = now
        if since is not None:
            # The time itself may be one of the firings.
            after = just_before(given_time(since, time_zone(timetable.zone), "--from"))
        times = list(islice(firings(timetable, after=after), count))
        started = [
            starts(timetable, time, spread=found.spread, jitter=found.jitter) for time in times
        ]
        changes = _changes(timetable, after, times)
        words, text = timetable_in_words(timetable), timetable_text(timetable)
        screen.result(
            {
                "name": found.name,
                "schedule": text,
                "time_zone": timetable.zone,
                "dst": timetable.dst,
                "words": words,
                "times": [time.isoformat() for time in times],
                "spread": found.spread.total_seconds(),
                "jitter": found.jitter.total_seconds(),
                "starts": [
                    {"first": first.isoformat(), "last": last.isoformat()}
                    for first, last in started
                ],
                "clock_changes": [
                    seam.as_dict() | {"effects": [effect.as_dict() for effect in effects]}
                    for seam, effects in changes
                ],
            },
            Text.assemble((found.name or text, "cyan"), f"  {words} ({timetable.zone})"),
            *(_lines(times, started, changes, now) if times else ["it never fires"]),
        )


def _find(asked: str, app: str | None, *, tz: str | None, dst: Any) -> _Asked:
    """The job of that name, or the schedule that the text is."""
    from euryale.time.spread import spread_of  # noqa: PLC0415 -- slow to import
    from euryale.time.timetable import parse_timetable  # noqa: PLC0415
    from euryale.time.zones import time_zone  # noqa: PLC0415

    zone = None if tz is None else time_zone(tz, where="--tz").key
    if not _JOB_NAME.fullmatch(asked):
        timetable = parse_timetable(asked, zone=zone, dst=dst or "once")
        return _Asked(None, timetable)
    project, job = _job(asked, app)
    timetable = job.timetable
    if zone is not None:
        for expression in timetable.expressions:
            expression.in_zone(zone, where="--tz")
        timetable = replace(timetable, zone=zone)
    if dst is not None:
        timetable = replace(timetable, dst=dst)
    spread = spread_of(f"{project.app.name}/{job.name}", job.config.window)
    return _Asked(job.name, timetable, spread, job.config.jitter)


def _job(name: str, app: str | None) -> "tuple[Project, Job]":
    """The job of that name; says of a name that is none that it is no schedule either."""
    from euryale.errors import AppNotFound, JobUnknown, ScheduleInvalid  # noqa: PLC0415
    from euryale.project import load_project  # noqa: PLC0415
    from euryale.time.cron import parse_schedule  # noqa: PLC0415 -- slow to import

    try:
        project = load_project(app)
        return project, project.job(name)
    except (AppNotFound, JobUnknown) as error:
        try:
            parse_schedule(name)
        except ScheduleInvalid as refusal:
            what = (
                f"{error.what}, and it is no schedule either: {refusal.what}"
                if isinstance(error, JobUnknown)
                else f"{error.what}, so there is no job '{name}'; and as a schedule, {refusal.what}"
            )
            raise type(error)(what, where=error.where, mend=error.mend) from None
        raise


def _changes(
    timetable: "Timetable", after: datetime, times: "Sequence[datetime]"
) -> "list[tuple[Seam, tuple[SeamEffect, ...]]]":
    """The changes of the clocks up to the last firing that touch one, or lie on its day."""
    from euryale.time.seams import seam_effects, seams  # noqa: PLC0415 -- slow to import

    if not times or not timetable.expressions:
        return []
    # A change that moves the last firing is at that very moment.
    ahead = (times[-1] - after).days + 1
    days = {time.date() for time in times}
    found = (
        (seam, seam_effects(timetable, seam)) for seam in seams(timetable.zone, after, days=ahead)
    )
    return [
        (seam, effects)
        for seam, effects in found
        if seam.at <= times[-1] and (effects or seam.start.date() in days)
    ]


def _lines(
    times: "Sequence[datetime]",
    started: "Sequence[tuple[datetime, datetime]]",
    changes: "Sequence[tuple[Seam, tuple[SeamEffect, ...]]]",
    now: datetime,
) -> "Iterator[Text]":
    """A line for each firing, and one for each change of the clocks before it."""
    aways = [_away(time - now) for time in times]
    shown = [
        f"{moment(time)}{_starts(time, *each)}" for time, each in zip(times, started, strict=True)
    ]
    widths = max(map(len, shown)), max(map(len, aways))
    left = list(changes)
    for time, told, away in zip(times, shown, aways, strict=True):
        while left and left[0][0].at <= time:
            seam, effects = left.pop(0)
            changed = "; ".join(effect.words for effect in effects)
            yield Text(f"~ {seam.words}{': ' if changed else ''}{changed}", style="yellow")
        yield Text.assemble(
            told.ljust(widths[0]),
            (f"   {away.ljust(widths[1])}   {offset(time)}", "dim"),
        )


def _starts(time: datetime, first: datetime, last: datetime) -> str:
    """When the run of a firing starts, where that isn't at the firing itself."""
    if time == last:
        return ""
    return f", starts {_clock(first, time)}" + (
        f" to {_clock(last, first)}" if first != last else ""
    )


def _clock(time: datetime, beside: datetime) -> str:
    """A time of day; the whole time where its date is another one."""
    if time.date() != beside.date():
        return moment(time)
    return f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"


def _away(duration: timedelta) -> str:
    if duration < timedelta(0):
        return f"{distance(-duration)} ago"
    return f"in {distance(duration)}"
