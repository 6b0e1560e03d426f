"""`euryale simulate`: what would become of each firing of a job, and why."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from euryale.cli.options import AppOption, OutputOption
from euryale.cli.screen import reporting
from euryale.cli.times import distance, moment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from euryale.time.simulation import Outcome, Simulated
    from euryale.time.timetable import Timetable

_MOST_FIRINGS = 10_000
_SPAN = "TIME..TIME"
_DEFAULT_LENGTH = timedelta(days=7)

_HEADERS = ("nominal time", "outcome", "starts", "ends", "why")
_STYLES: "dict[Outcome, str]" = {
    "started": "green",
    "buffered": "yellow",
    "caught_up": "yellow",
    "skipped": "red",
    "missed": "red",
    "paused": "dim",
    "exhausted": "dim",
}


def simulate(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    *,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            envvar="EURYALE_FROM",
            metavar="TIME",
            help="The first time, without an offset in the job's zone; by default now.",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            envvar="EURYALE_TO",
            metavar="TIME",
            help="The time to stop before; by default a week later.",
        ),
    ] = None,
    outage: Annotated[
        list[str] | None,
        typer.Option(
            "--outage",
            envvar="EURYALE_OUTAGE",
            metavar=_SPAN,
            help="When the Temporal server is down; repeatable.",
        ),
    ] = None,
    duration: Annotated[
        str,
        typer.Option(
            "--duration",
            envvar="EURYALE_DURATION",
            metavar="DURATION",
            help="How long a run takes, such as 40m, 2h or 90s.",
        ),
    ] = "0s",
    paused: Annotated[
        list[str] | None,
        typer.Option(
            "--paused",
            envvar="EURYALE_PAUSED",
            metavar=_SPAN,
            help="When the schedule is paused; repeatable.",
        ),
    ] = None,
    app: AppOption = None,
    output: OutputOption = "text",
) -> None:
    """Simulate a job: which runs start, are skipped, buffered, caught up or missed, and why."""
    with reporting(output) as screen:
        from euryale.cli import given  # noqa: PLC0415
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.time.catch_up import catch_up_window  # noqa: PLC0415 -- slow to import
        from euryale.time.simulation import simulate_job  # noqa: PLC0415
        from euryale.time.spread import spread_of  # noqa: PLC0415
        from euryale.time.timetable import just_before  # noqa: PLC0415
        from euryale.time.timetable_words import timetable_in_words, timetable_text  # noqa: PLC0415
        from euryale.time.zones import time_zone  # noqa: PLC0415

        project = load_project(app)
        job = project.job(name)
        config, timetable = job.config, job.timetable
        zone = time_zone(timetable.zone)
        start, end = _period(since, to, zone)
        length = given.given_duration(duration, "--duration")
        outages = [given.given_span(each, zone, "--outage") for each in outage or ()]
        pauses = [given.given_span(each, zone, "--paused") for each in paused or ()]
        _refuse_too_many(timetable, start, end)
        results = simulate_job(
            config,
            start=start,
            end=just_before(end),
            spread=spread_of(f"{project.app.name}/{job.name}", config.window),
            duration=length,
            outages=outages,
            pauses=pauses,
        )
        catch_up = catch_up_window(config, timetable)
        mode = config.catch_up if isinstance(config.catch_up, str) else None
        counts = Counter(each.outcome for each in results)
        screen.result(
            {
                "name": job.name,
                "schedule": timetable_text(timetable),
                "time_zone": timetable.zone,
                "overlap": config.overlap,
                "catch_up": mode or catch_up.total_seconds(),
                "from": start.isoformat(),
                "to": end.isoformat(),
                "counts": counts,
                "firings": [_as_dict(each, zone) for each in results],
            },
            Text.assemble(
                (job.name, "cyan"),
                f"  {timetable_in_words(timetable)} ({timetable.zone})",
                f"  overlap {config.overlap}, catch-up {mode or distance(catch_up)}",
            ),
            _table(results, zone) if results else "it doesn't fire in that time",
            Text(_summary(counts), style="bold"),
        )


def _period(since: str | None, to: str | None, zone: "ZoneInfo") -> tuple[datetime, datetime]:
    """From when to before when, in the zone."""
    from euryale.cli.given import given_time, refuse_backwards  # noqa: PLC0415 -- slow to import

    start = (
        datetime.now(zone).replace(microsecond=0)
        if since is None
        else given_time(since, zone, "--from")
    )
    # Seven days by the wall clock, so that the end is at the start's time of day.
    end = start + _DEFAULT_LENGTH if to is None else given_time(to, zone, "--to")
    refuse_backwards(start, end, "--to")
    return start, end


def _refuse_too_many(timetable: "Timetable", start: datetime, end: datetime) -> None:
    from euryale.errors import ScheduleInvalid  # noqa: PLC0415 -- slow to import
    from euryale.time.timetable import firings, just_before  # noqa: PLC0415

    times = firings(timetable, after=just_before(start))
    first_too_many = next(islice(times, _MOST_FIRINGS, None), None)
    if first_too_many is not None and first_too_many.astimezone(UTC) < end.astimezone(UTC):
        raise ScheduleInvalid(
            f"the job fires more than {_MOST_FIRINGS:,} times in that time",
            where="--to",
            mend=f"give a time up to {first_too_many.isoformat()}",
        )


def _table(results: "Sequence[Simulated]", zone: "ZoneInfo") -> Text:
    """The firings, a line each; not as rich's table, which takes a millisecond for each."""
    rows = [
        (
            moment(each.nominal.astimezone(zone)),
            each.outcome.replace("_", " "),
            _shown(each.started, each.nominal, zone),
            _shown(each.ended, each.nominal, zone),
            each.reason,
        )
        for each in results
    ]
    widths = [max(map(len, column)) for column in zip(_HEADERS, *rows, strict=True)]
    text = Text.assemble((_line(_HEADERS, widths), "bold"))
    for each, row in zip(results, rows, strict=True):
        text.append(f"\n{_line(row, widths)}", style=_STYLES[each.outcome])
    return text


def _line(cells: "Sequence[str]", widths: "Sequence[int]") -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return "   ".join(padded).rstrip()


def _shown(time: datetime | None, nominal: datetime, zone: "ZoneInfo") -> str:
    """A time; its date only where it is another one."""
    if time is None:
        return ""
    local = time.astimezone(zone)
    if local.date() != nominal.astimezone(zone).date():
        return moment(local)
    return f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"


def _summary(counts: "Counter[Outcome]") -> str:
    total = counts.total()
    parts = [f"{counts[each]} {each.replace('_', ' ')}" for each in _STYLES if counts[each]]
    told = f": {', '.join(parts)}" if parts else ""
    return f"{total} firing{'s' * (total != 1)}{told}"


def _as_dict(each: "Simulated", zone: "ZoneInfo") -> dict[str, Any]:
    return {
        "nominal": each.nominal.astimezone(zone).isoformat(),
        "outcome": each.outcome,
        "reason": each.reason,
        "started": each.started and each.started.astimezone(zone).isoformat(),
        "ended": each.ended and each.ended.astimezone(zone).isoformat(),
    }
