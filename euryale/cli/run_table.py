"""Runs as lines of a table: which run, how it ended, what it did and why it failed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any

from rich.table import Table
from rich.text import Text

from euryale.cli.progress import counts, place
from euryale.cli.times import moment, took
from euryale.jobs.job import Job
from euryale.runs.run_details import RunDetails
from euryale.runs.runless import RunlessFirings
from euryale.runs.runs import Run
from euryale.runs.sweep_progress import RunSweep
from euryale.sagas.undo_report import UndoReport
from euryale.time.timetable import nominal
from euryale.time.zones import time_zone
from euryale.undo.undone_runs import UndoneRun

STYLES = {
    "running": "cyan",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "terminated": "red",
    "timed out": "red",
    "continued": "dim",
}
"""The colour of each status."""

_LONGEST_REASON = 300

_MOST_RETRYING = 3
"""Calls that are tried again of which a line tells; a run may have 64 under way."""

_MOST_SWEEPS = 3
"""Sweeps of which a line tells."""

_SKIPPED = {
    "overlap": "skipped: {} was under way",
    "waiting": "waits for the end of {}",
    "caught up": "only the latest missed firing was caught up, by {}",
    "paused": "the schedule is paused",
    "unknown": "no run: paused then, or missed by more than catch_up allows",
}


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as a table shows it.

    Attributes:
        app: The application's name.
        run: The run.
        job: Its job; None if the application has none of that name.
        details: What its history tells; None where it wasn't asked.
        undone: What became of it afterwards; None where nobody took it back.
        sweeps: Its sweeps.
    """

    app: str
    run: Run
    job: Job | None = None
    details: RunDetails | None = None
    undone: UndoneRun | None = None
    sweeps: tuple[RunSweep, ...] = ()

    @property
    def name(self) -> str:
        """The run's workflow id without the application's name."""
        return self.run.workflow_id.removeprefix(f"{self.app}/")

    @property
    def zone(self) -> tzinfo:
        """The job's zone, in which its times are told."""
        return UTC if self.job is None else time_zone(self.job.timetable.zone)

    @property
    def nominal(self) -> datetime | None:
        """The time that it was meant for; None for a run by hand."""
        if self.job is None:
            return self.run.fire_time
        turn = self.details and self.details.turn
        if turn and not turn.superseded:
            return nominal(self.job.timetable, turn.fired_at)
        return self.run.nominal_time(self.job)

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """The line for programs."""
        run = self.run
        return {
            "name": run.job,
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "status": run.status,
            "nominal": self.nominal and self.nominal.isoformat(),
            "started": run.started.isoformat(),
            "ended": run.ended and run.ended.isoformat(),
            "seconds": round(run.elapsed(now).total_seconds(), 3),
            "by_hand": run.by_hand,
            "operator": run.operator,
            "note": run.note,
            "superseded": self.superseded,
            "undone": self._undone(),
            "sweeps": [sweep.as_dict() for sweep in self.sweeps],
            **self._deeds(),
        }

    def _deeds(self) -> dict[str, Any]:
        if self.details is None or self.details.progress is None:
            return {
                "calls": None,
                "failed_calls": None,
                "retrying": None,
                "result": None,
                "failure": None,
            }
        progress, outcome = self.details.progress, self.details.outcome
        whole = self.details.whole
        failed = outcome is not None and not outcome.succeeded
        return {
            "calls": dict(progress.finished) if whole else None,
            "failed_calls": dict(progress.failed) if whole else None,
            "retrying": [asdict(each) for each in progress.retrying],
            "result": outcome.result if outcome else None,
            "failure": {
                "type": outcome.failure_type,
                "message": outcome.failure_message,
                "where": place(outcome.failure_where),
            }
            if outcome and failed
            else None,
        }

    def _undone(self) -> dict[str, Any] | None:
        """What was taken back, because it failed or since somebody asked for it."""
        if self.undone is not None:
            report = self.undone.report
            return {
                "status": self.undone.status,
                "operator": self.undone.operator,
                "note": self.undone.note,
                "compensation": report and report.compensation,
                "report": report and report.model_dump(mode="json"),
            }
        report = self._own_report()
        if report is None:
            return None
        return {"compensation": report.compensation, "report": report.model_dump(mode="json")}

    def _own_report(self) -> UndoReport | None:
        outcome = self.details.outcome if self.details else None
        return outcome.undo if outcome else None

    @property
    def said(self) -> str:
        """Who started it by hand, and why."""
        return ": ".join(part for part in (self.run.operator, self.run.note) if part)

    @property
    def superseded(self) -> bool:
        """Whether it ended at once, since a later missed firing has a run of its own."""
        turn = self.details and self.details.turn
        return bool(turn and turn.superseded)

    @property
    def deeds(self) -> Text:
        """What it did and why it failed."""
        parts = [self.said] if self.said else []
        if self.superseded:
            parts.append("superseded: only the latest missed firing is caught up")
        details = self.details
        if details is not None and details.progress is not None:
            if not details.whole:
                parts.append(f"{self.run.events:,} events")
            elif told := counts(details.progress):
                parts.append(told)
        parts += self._swept()
        text = Text(" · ".join(parts))
        reason = self._reason()
        if reason:
            text.append(" · " if parts else "").append(reason, style="red")
        if self.undone is not None:
            text.append(" · " if text else "").append(str(self.undone), style="yellow")
        elif (report := self._own_report()) and not report.left:
            text.append(" · " if text else "").append(str(report), style="yellow")
        return text

    def _swept(self) -> list[str]:
        """How far its sweeps are: those that go on where it does, and else all."""
        on = self.run.status == "running"
        told = [f"{sweep.step}: {sweep}" for sweep in self.sweeps if sweep.goes_on or not on]
        more = len(told) - _MOST_SWEEPS
        return told[:_MOST_SWEEPS] + ([f"{more:,} more sweeps"] if more > 0 else [])

    def _reason(self) -> str:
        details = self.details
        if details is None or details.progress is None:
            return ""
        if details.progress.stuck:
            return f"waits for a worker: {_one_line(details.progress.stuck)}"
        if details.progress.retrying:
            return "; ".join(
                f"{each.call} is tried again (attempt {each.attempt}): {_one_line(each.reason)}"
                for each in details.progress.retrying[:_MOST_RETRYING]
            )
        outcome = details.outcome
        if outcome is None or outcome.succeeded:
            return ""
        # For what is no exception, the type says the status again.
        kind = outcome.failure_type if self.run.status == "failed" else ""
        told = ": ".join(part for part in (kind, _one_line(outcome.failure_message)) if part)
        return f"{told} ({place(outcome.failure_where)})" if outcome.failure_where else told


def _one_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "…"


def run_lines(
    app: str,
    details: Iterable[RunDetails],
    jobs: Mapping[str, Job],
    undone: Mapping[str, UndoneRun] = MappingProxyType({}),
    sweeps: Mapping[str, tuple[RunSweep, ...]] = MappingProxyType({}),
) -> tuple[RunLine, ...]:
    """The lines of some runs, with their jobs, their sweeps and what became of them afterwards."""
    return tuple(
        RunLine(
            app,
            each.run,
            jobs.get(each.run.job),
            each,
            undone.get(each.run.run_id),
            sweeps.get(each.run.run_id, ()),
        )
        for each in details
    )


def runless_as_dict(firings: RunlessFirings) -> dict[str, Any]:
    """Firings without a run, for programs."""
    return {
        "first": firings.first.isoformat(),
        "last": firings.last.isoformat(),
        "count": firings.count,
        "reason": firings.reason,
        "run": firings.run or None,
    }


def run_table(
    lines: Sequence[RunLine], runless: Sequence[RunlessFirings], app: str, now: datetime
) -> Table:
    """The lines as a table, the latest first, and between them the firings without a run."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("run", style="cyan", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("nominal", no_wrap=True)
    table.add_column("started", no_wrap=True)
    table.add_column("took", no_wrap=True, justify="right")
    table.add_column("what it did", overflow="fold")
    rows = [((line.nominal or line.run.started).astimezone(UTC), _row(line, now)) for line in lines]
    rows += [(each.last.astimezone(UTC), _runless_row(each, app)) for each in runless]
    for _, row in sorted(rows, key=lambda each: each[0], reverse=True):
        table.add_row(*row)
    return table


def _row(line: RunLine, now: datetime) -> list[Text | str]:
    meant = line.nominal
    started = line.run.started.astimezone(line.zone)
    return [
        line.name,
        Text(line.run.status, style=STYLES[line.run.status]),
        moment(meant) if meant else Text("by hand", style="dim"),
        f"{started:%H:%M:%S}"
        if meant and meant.date() == started.date()
        else f"{started:%Y-%m-%d %H:%M:%S}",
        took(line.run.elapsed(now)),
        line.deeds,
    ]


def _runless_row(firings: RunlessFirings, app: str) -> list[Text | str]:
    many = firings.count > 1
    told = _SKIPPED[firings.reason].format(firings.run.removeprefix(f"{app}/"))
    return [
        Text(f"{firings.count:,} firings" if many else "-", style="dim"),
        Text("no run" if firings.reason != "waiting" else "waiting", style="dim"),
        f"{moment(firings.first)} to {moment(firings.last)}" if many else moment(firings.first),
        "",
        "",
        Text(told, style="dim"),
    ]
