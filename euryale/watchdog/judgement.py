"""Judging one job: whether its runs come in time, fail again and again, or don't end.

Each judgement is that something is wrong, that all is well, or None where nobody can tell: a firing
that the overlap policy skipped, a run that somebody cancelled.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from euryale.runs.runs import Run
from euryale.time.firing import last_firing
from euryale.time.timetable import Timetable, default_catch_up, firings
from euryale.time.zones import time_zone
from euryale.watchdog.expectation import Expectation, overdue

Trouble = Literal["missing", "late", "failing", "running_long"]

SHORTEST_GRACE = timedelta(minutes=1)
"""Temporal's list of schedules lags behind by up to 36 seconds, and a start by some more."""

LONGEST_GRACE = timedelta(minutes=10)

_GRACE_PART = 10
_FAILED = ("failed", "timed out")


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What is known of a job at the time of a look.

    Attributes:
        job: Its name.
        timetable: When it fires.
        version: Changes when its schedule does; a job whose schedule was changed is watched anew.
        expectation: What its config expects in words.
        timeout: How long a run may take.
        spread: How much later than by the timetable each firing is.
        jitter: How much later than that a run may start.
        held: Whether Temporal has its schedule.
        paused: Whether that is paused.
        exhausted: Whether it has used up its executions.
        runs: Its last runs, those that go on among them.
        completed: When its last runs completed: two at least, if there were so many. Needed only
            with an expectation.
        stirred: Whether what it is judged by may have changed since the look before; where it
            can't have, its runs needn't be known. See `may_have_changed`.
    """

    job: str
    timetable: Timetable
    version: str = ""
    expectation: Expectation | None = None
    timeout: timedelta | None = None
    spread: timedelta = timedelta(0)
    jitter: timedelta = timedelta(0)
    held: bool = True
    paused: bool = False
    exhausted: bool = False
    runs: tuple[Run, ...] = ()
    completed: tuple[datetime, ...] = ()
    stirred: bool = True

    @property
    def grace(self) -> timedelta:
        """How late a run may start: a tenth of the shortest interval, 1 to 10 minutes."""
        tenth = default_catch_up(self.timetable) / _GRACE_PART
        return min(max(tenth, SHORTEST_GRACE), LONGEST_GRACE) + self.jitter


@dataclass(frozen=True, slots=True)
class Open:
    """What was found and isn't over; the fields are those of its finding."""

    kind: Trouble
    about: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Wrong:
    """That something is wrong; the fields are those of its finding."""

    kind: Trouble
    about: str
    since: datetime
    message: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class Fine:
    """That all is well, and why; `settles` is the firing whose run was missing and came late."""

    message: str
    run: str = ""
    settles: str = ""


Judgement = Wrong | Fine | None
"""What is wrong, that all is well, or that nobody can tell."""


# --- In time? --------------------------------------------------------------------------------


def judge_punctuality(
    facts: JobFacts, *, since: datetime | None, known: Open | None, now: datetime
) -> Judgement:
    """Judge whether runs come in time: by what the config expects, or else by the schedule.

    Args:
        facts: What is known of the job.
        since: Since when its runs are expected; None if they aren't.
        known: What of this kind was found before and isn't over.
        now: The time of the look, in UTC.
    """
    if since is None:
        return None
    if facts.expectation is not None:
        return _as_expected(facts, facts.expectation, since, known, now)
    return _as_scheduled(facts, since, known, now)


def _as_expected(
    facts: JobFacts, expectation: Expectation, since: datetime, known: Open | None, now: datetime
) -> Judgement:
    missed = overdue(
        expectation, facts.timetable.zone, now=now, watched=since, completed=facts.completed
    )
    if missed is None:
        last = max(facts.completed, default=None)
        if last is None or (known is not None and last <= known.since):
            return None
        return Fine(f"a run completed at {_told(facts, last)}")
    about = missed.deadline.isoformat()
    running = [run for run in facts.runs if run.status == "running" and run.started < now]
    if running:
        first = min(running, key=lambda run: run.started)
        message = (
            f"the run that started at {_told(facts, first.started)} had not completed at "
            f"{_told(facts, missed.deadline)}, which '{expectation.text}' asks for"
        )
        return Wrong("late", about, missed.deadline, message, first.workflow_id)
    failed = next((run for run in _finished(facts) if run.status in _FAILED), None)
    message = (
        f"no run completed from {_told(facts, missed.since)} to {_told(facts, missed.deadline)}, "
        f"which '{expectation.text}' asks for"
    )
    if failed is not None and failed.ended is not None and failed.ended > missed.since:
        message += f"; one failed at {_told(facts, failed.ended)}"
        return Wrong("missing", about, missed.deadline, message, failed.workflow_id)
    return Wrong("missing", about, missed.deadline, message)


def _as_scheduled(facts: JobFacts, since: datetime, known: Open | None, now: datetime) -> Judgement:
    """Judge the last firing whose grace is over."""
    nominal = last_firing(facts.timetable, now - facts.grace - facts.spread)
    due = None if nominal is None else nominal.astimezone(UTC) + facts.spread
    if nominal is None or due is None or due <= since:
        return None
    started = [run for run in facts.runs if due <= run.started <= now]
    if started:
        # A run that is backfilled says nothing against the one that came in time.
        best = min(started, key=lambda run: _lateness(run, due))
        return _judge_start(facts, best, nominal, due, known)
    if facts.exhausted or any(_under_way(run, due) for run in facts.runs):
        return None
    reason = "" if facts.held else ", and its schedule isn't in Temporal"
    message = f"no run started for the firing at {_told(facts, nominal)}{reason}"
    return Wrong("missing", due.isoformat(), due, message)


def _judge_start(
    facts: JobFacts, run: Run, nominal: datetime, due: datetime, known: Open | None
) -> Judgement:
    """Judge the run that started at a firing or after it, and soonest."""
    lateness = _lateness(run, due)
    if lateness <= facts.grace:
        return Fine(f"a run started at {_told(facts, run.started)}", run.workflow_id)
    message = f"the run for {_told(facts, nominal)} started {_length(lateness)} late"
    about = due.isoformat()
    if known is not None and known.kind == "missing":
        return Fine(message, run.workflow_id, settles=about)
    return Wrong("late", about, due, message, run.workflow_id)


def _lateness(run: Run, due: datetime) -> timedelta:
    """How long after its own firing a run started, or after a later one for which it stands."""
    return timedelta(0) if run.fire_time is None else run.started - max(run.fire_time, due)


def _under_way(run: Run, due: datetime) -> bool:
    """Whether a run was under way at a firing: what became of that is the overlap policy's."""
    return not run.by_hand and run.started < due and (run.ended is None or run.ended >= due)


# --- Failing? --------------------------------------------------------------------------------


def judge_failures(facts: JobFacts, *, failures: int) -> Judgement:
    """Judge whether so many of its runs failed in a row."""
    last = list(islice(_finished(facts), failures))
    if not last:
        return None
    newest = last[0]
    at = _told(facts, newest.ended or newest.started)
    if newest.status == "completed":
        return Fine(f"a run completed at {at}", newest.workflow_id)
    if len(last) < failures or any(run.status == "completed" for run in last):
        return None
    began = last[-1].ended or last[-1].started
    message = "its last run failed" if failures == 1 else f"its last {failures} runs failed"
    message += f", the last one at {at}" if failures > 1 else f" at {at}"
    return Wrong("failing", newest.run_id, began, message, newest.workflow_id)


def _finished(facts: JobFacts) -> Iterator[Run]:
    """The runs that ended by themselves, newest first: not those that somebody ended."""
    ended = [run for run in facts.runs if run.ended and run.status in ("completed", *_FAILED)]
    yield from sorted(ended, key=lambda run: run.ended or run.started, reverse=True)


# --- Endless? --------------------------------------------------------------------------------


def judge_duration(facts: JobFacts, *, now: datetime) -> Judgement:
    """Judge whether one of its runs takes too long."""
    running = sorted(
        (run for run in facts.runs if run.status == "running" and run.started < now),
        key=lambda run: run.started,
    )
    for run in running:
        end = _should_have_ended(facts, run)
        if end is not None and end < now:
            limit = (
                f"its timeout of {_length(facts.timeout)}"
                if facts.timeout
                else "until the next firing but one"
            )
            message = f"a run has been running since {_told(facts, run.started)}, longer than "
            return Wrong("running_long", run.run_id, run.started, message + limit, run.workflow_id)
    return Fine("no run takes too long any more")


def _should_have_ended(facts: JobFacts, run: Run) -> datetime | None:
    """When a run takes too long; None where its schedule doesn't go on and it has no timeout."""
    if facts.timeout is not None:
        return run.started + facts.timeout + facts.grace
    following = islice(firings(facts.timetable, after=run.started), 1, None)
    next_but_one = next(following, None)
    return next_but_one and next_but_one.astimezone(UTC) + facts.spread + facts.grace


def _told(facts: JobFacts, moment: datetime) -> str:
    shown = moment.astimezone(time_zone(facts.timetable.zone))
    seconds = f":{shown:%S}" if shown.second else ""
    return f"{shown:%Y-%m-%d %H:%M}{seconds} {shown.tzname()}"


def _length(duration: timedelta) -> str:
    return str(timedelta(seconds=round(duration.total_seconds())))
