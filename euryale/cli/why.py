"""`euryale why`: why a run of a job did not happen, was late or failed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import reporting
from euryale.cli.times import moment, took

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from zoneinfo import ZoneInfo

    from rich.console import RenderableType

    from euryale.jobs.job import Job
    from euryale.project import Project
    from euryale.time.firing import Firing, NoFiring
    from euryale.time.timetable import Timetable
    from euryale.why.evidence import Facts, Value, Verdict

_COLORS = {
    "completed": "green",
    "running": "green",
    "will run": "green",
    "waiting": "yellow",
    "no firing": "yellow",
    "unknown": "yellow",
}


def why(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The job's name.")],
    time: Annotated[
        str | None,
        typer.Argument(
            metavar="TIME",
            help="The time at which it should have run, without an offset in the job's zone; by "
            "default its last firing, and whether the next one will come.",
            show_default=False,
        ),
    ] = None,
    *,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Tell why a run of a job did not happen, was late or failed."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415
        from euryale.time.firing import Firing, NoFiring  # noqa: PLC0415 -- slow to import
        from euryale.time.zones import time_zone  # noqa: PLC0415
        from euryale.why.why_no_firing import why_no_firing  # noqa: PLC0415

        project = load_project(app)
        job = project.job(name)
        say = _sayer(time_zone(job.timetable.zone))
        now = datetime.now(UTC)
        found = _last_and_next(project, job, now) if time is None else [_find(project, job, time)]
        missing: list[NoFiring] = [each for each in found if isinstance(each, NoFiring)]
        if missing:
            asked = missing[0].asked
            ran = _has_run(project, job, asked, address=address, namespace=namespace)
            if asyncio.run(ran):
                # The schedule was another one then.
                found, missing = [Firing(asked)], []
        if missing:
            verdict = why_no_firing(job.timetable, missing[0])
            answers = [{"asked": missing[0].asked.isoformat()} | verdict.as_dict(say)]
            text = [*_told(job, say(missing[0].asked), verdict, say)]
        else:
            firings = [each for each in found if not isinstance(each, NoFiring)]
            explained = asyncio.run(
                _explain(project, job, firings, now=now, address=address, namespace=namespace)
            )
            answers = [_as_dict(job, facts, verdict, say) for facts, verdict in explained]
            text = [
                line
                for facts, verdict in explained
                for line in (
                    *_told(job, say(_nominal(job, facts)), verdict, say),
                    *_known(facts, say),
                    "",
                )
            ][:-1] or ["it has never fired, and never will"]
        screen.result(
            {"name": job.name, "time_zone": job.timetable.zone, "answers": answers}, *text
        )


def _find(project: "Project", job: "Job", text: str) -> "Firing | NoFiring":
    """The firing that a time means, by the policy clock or by when its run is started."""
    from euryale.time.firing import NoFiring, find_firing  # noqa: PLC0415 -- slow to import

    asked = _asked(text, job.timetable)
    found = find_firing(job.timetable, asked)
    spread = _spread(project, job)
    if isinstance(found, NoFiring) and spread:
        put_off = (asked.astimezone(UTC) - spread).astimezone(asked.tzinfo)
        other = find_firing(job.timetable, put_off)
        return found if isinstance(other, NoFiring) else other
    return found


def _asked(text: str, timetable: "Timetable") -> datetime:
    """The time that was given, also one that the clocks left out, or of which one pass fires."""
    from euryale.cli.given import FIRST_YEAR, given_time  # noqa: PLC0415 -- slow to import
    from euryale.time.firing import fires_at, is_missing  # noqa: PLC0415
    from euryale.time.zones import LAST_YEAR, time_zone  # noqa: PLC0415

    zone = time_zone(timetable.zone)
    try:
        wall = datetime.fromisoformat(text.strip())
    except ValueError:
        return given_time(text, zone, "TIME")
    if wall.tzinfo is None and FIRST_YEAR <= wall.year <= LAST_YEAR:
        passes = [wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
        if is_missing(passes[0]):
            return passes[0]
        firing = [each for each in passes if fires_at(timetable, each)]
        if passes[0].utcoffset() != passes[1].utcoffset() and len(firing) < len(passes):
            return (firing or passes)[0]
    return given_time(text, zone, "TIME")


def _last_and_next(project: "Project", job: "Job", now: datetime) -> "list[Firing | NoFiring]":
    from euryale.time.firing import Firing, last_firing  # noqa: PLC0415 -- slow to import
    from euryale.time.timetable import firings  # noqa: PLC0415

    until = now - _spread(project, job)
    times = last_firing(job.timetable, until), next(firings(job.timetable, after=until), None)
    return [Firing(time) for time in times if time is not None]


def _spread(project: "Project", job: "Job") -> timedelta:
    from euryale.time.spread import spread_of  # noqa: PLC0415 -- slow to import

    return spread_of(f"{project.app.name}/{job.name}", job.config.window)


async def _has_run(
    project: "Project",
    job: "Job",
    asked: datetime,
    *,
    address: str | None,
    namespace: str | None,
) -> bool:
    """Whether Temporal knows a run of that time; False also where it can't be asked."""
    from temporalio.service import RPCError  # noqa: PLC0415 -- slow to import

    from euryale.errors import EuryaleError  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415
    from euryale.why.why_run_facts import read_run  # noqa: PLC0415

    try:
        client = await connect(address=address, namespace=namespace)
        return await read_run(client, project.app.name, job, asked.astimezone(UTC)) is not None
    except (EuryaleError, RPCError):
        return False


async def _explain(
    project: "Project",
    job: "Job",
    found: "Iterable[Firing]",
    *,
    now: datetime,
    address: str | None,
    namespace: str | None,
) -> "list[tuple[Facts, Verdict]]":
    from dataclasses import replace  # noqa: PLC0415 -- beside the others

    from euryale.server.connection import connect  # noqa: PLC0415 -- slow to import
    from euryale.why.why import why as explain  # noqa: PLC0415
    from euryale.why.why_facts import collect_facts  # noqa: PLC0415
    from euryale.why.why_no_firing import on_that_night  # noqa: PLC0415

    client = await connect(address=address, namespace=namespace)
    explained = []
    for firing in found:
        facts = await collect_facts(client, project.app, job, firing.fire_time, now=now)
        verdict = explain(facts)
        if (night := on_that_night(job.timetable, firing)) is not None:
            verdict = replace(verdict, reasons=(*verdict.reasons, night))
        explained.append((facts, verdict))
    return explained


def _nominal(job: "Job", facts: "Facts") -> datetime:
    from euryale.time.timetable import nominal  # noqa: PLC0415 -- slow to import

    return nominal(job.timetable, facts.fired_at)


def _as_dict(
    job: "Job", facts: "Facts", verdict: "Verdict", say: "Callable[[Value], str]"
) -> dict[str, Any]:
    """The answer for programs."""
    schedule = facts.schedule
    return (
        {"nominal": _nominal(job, facts).isoformat(), "due": facts.due.isoformat()}
        | verdict.as_dict(say)
        | {
            "run": facts.run and facts.run.run.workflow_id,
            "schedule": schedule and schedule.as_dict(),
            "known_since": facts.record.since and facts.record.since.isoformat(),
            "last_poll": facts.polled and facts.polled.isoformat(),
        }
    )


def _told(
    job: "Job", asked: str, verdict: "Verdict", say: "Callable[[Value], str]"
) -> "Iterator[RenderableType]":
    """The answer for people: what became of it, why, and what to do."""
    color = _COLORS.get(verdict.outcome, "red")
    yield Text.assemble((job.name, "cyan"), f"  {asked}  ", (verdict.outcome, f"bold {color}"))
    for reason in verdict.reasons:
        yield Text.assemble((f"  {reason.certainty}  ", "dim"), reason.told(say))
    mends = dict.fromkeys(reason.told_mend(say) for reason in verdict.reasons if reason.mend)
    for mend in mends:
        yield Text.assemble(("  to do  ", "dim"), mend)


def _known(facts: "Facts", say: "Callable[[Value], str]") -> "Iterator[Text]":
    """What is known of the firing, a line for each fact."""
    rows = list(_rows(facts, say))
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        yield Text(f"    {label.ljust(width)}   {value}", style="dim")


def _rows(facts: "Facts", say: "Callable[[Value], str]") -> "Iterator[tuple[str, str]]":
    yield "due", say(facts.due)
    if facts.run is not None:
        yield "run", facts.run.run.workflow_id
        yield "started", say(facts.run.run.started)
    schedule = facts.schedule
    if schedule is not None:
        changed = f", changed {say(schedule.updated)}" if schedule.updated else ""
        yield "schedule", f"made {say(schedule.created)}{changed}"
        left = "" if schedule.remaining is None else f", {schedule.remaining} executions left"
        yield "now", f"{'paused' if schedule.paused else 'not paused'}{left}"
        yield "overlap", f"{schedule.overlap}; skipped {schedule.skipped} so far"
        yield "catch-up", f"{say(schedule.catch_up)}; missed {schedule.missed} so far"
    polled = "none is known" if facts.polled is None else say(facts.polled)
    yield "last poll", f"{polled} (task queue {facts.task_queue})"


def _sayer(zone: "ZoneInfo") -> "Callable[[Value], str]":
    """How values are told: times in the job's zone."""

    def say(value: "Value") -> str:
        match value:
            case datetime():
                return moment(value.astimezone(zone) if value.tzinfo is not zone else value)
            case timedelta():
                return took(value)
            case _:
                return str(value)

    return say
