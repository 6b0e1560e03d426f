"""`euryale dst`: what becomes of the jobs in the nights when clocks are changed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from euryale.cli.options import AppOption, OutputOption
from euryale.cli.screen import reporting
from euryale.cli.times import day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from euryale.jobs.job import Job
    from euryale.time.seams import Seam, SeamEffect

_FIRST_YEAR, _LAST_YEAR = 2000, 2100
"""The years that Temporal's calendars know."""


@dataclass(frozen=True, slots=True)
class _Night:
    """A change of a zone's clocks, the jobs that it touches, and how many others are there."""

    seam: "Seam"
    touched: "tuple[tuple[Job, tuple[SeamEffect, ...]], ...]"
    others: int


def dst(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this job.", show_default=False)
    ] = None,
    *,
    year: Annotated[
        int | None,
        typer.Option(
            "--year",
            envvar="EURYALE_YEAR",
            min=_FIRST_YEAR,
            max=_LAST_YEAR,
            help="The year to look at; by default this one.",
        ),
    ] = None,
    app: AppOption = None,
    output: OutputOption = "text",
) -> None:
    """Show which jobs are touched when clocks are changed, and what will happen to each."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415 -- slow to import

        project = load_project(app)
        jobs = list(project.registry.jobs.values()) if name is None else [project.job(name)]
        looked_at = year or datetime.now(UTC).year
        nights = list(_nights(jobs, looked_at))
        screen.result(
            {
                "year": looked_at,
                "nights": [
                    night.seam.as_dict()
                    | {
                        "jobs": [
                            {
                                "name": job.name,
                                "dst": job.timetable.dst,
                                "effects": [effect.as_dict() for effect in effects],
                            }
                            for job, effects in night.touched
                        ],
                        "other_jobs": night.others,
                    }
                    for night in nights
                ],
            },
            *_told(nights, jobs, looked_at),
        )
        if name is None and project.registry.errors:
            screen.note("broken job files are not shown; `euryale check` tells what is wrong")


def _nights(jobs: "Sequence[Job]", year: int) -> "Iterator[_Night]":
    from euryale.time.seams import seam_effects, seams  # noqa: PLC0415 -- slow to import

    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    zones = sorted({job.timetable.zone for job in jobs})
    found = (seam for zone in zones for seam in seams(zone, start, days=(end - start).days))
    for seam in sorted(found, key=lambda seam: seam.at):
        there = [job for job in jobs if job.timetable.zone == seam.zone]
        touched = tuple(
            (job, effects) for job in there if (effects := seam_effects(job.timetable, seam))
        )
        yield _Night(seam, touched, len(there) - len(touched))


def _told(
    nights: "Sequence[_Night]", jobs: "Sequence[Job]", year: int
) -> "Iterable[RenderableType]":
    if not nights:
        zones = ", ".join(sorted({job.timetable.zone for job in jobs})) or "none"
        yield f"no clocks are changed in {year} in the jobs' zones ({zones})"
    for number, night in enumerate(nights):
        if number:
            yield ""
        seam = night.seam
        missing = "don't exist" if seam.kind == "gap" else "come twice"
        last = "24:00" if seam.end.hour == seam.end.minute == 0 else f"{seam.end:%H:%M}"
        yield Text.assemble(
            (f"{day(seam.start)} {seam.zone}", "bold"),
            f": {seam.words}; the times from {seam.start:%H:%M} to before {last} {missing}",
        )
        if night.touched:
            table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
            for job, effects in night.touched:
                for effect in effects:
                    table.add_row(
                        Text(f"  {job.name}", style="cyan"),
                        f"dst={job.timetable.dst}",
                        effect.words,
                    )
            yield table
        yield Text(f"  {_others(night)}", style="dim")


def _others(night: _Night) -> str:
    if not night.others:
        return "no other jobs are in this zone"
    jobs = "job is" if night.others == 1 else "jobs are"
    other = "other " if night.touched else ""
    return f"{night.others} {other}{jobs} not touched"
