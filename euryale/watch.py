"""What is wrong with jobs: facts and what was found before in; findings and what to remember out.

A job is judged in three ways: whether its runs come in time (`missing`, `late`), whether they fail
again and again (`failing`), and whether one doesn't end (`running_long`). Each is told once when it
begins and once when it is over (`recovered`). What can't be known changes nothing.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Literal

from euryale.expectation import Expectation, overdue
from euryale.firing import last_firing
from euryale.runs import Run
from euryale.timetable import Timetable, default_catch_up, firings
from euryale.zones import time_zone

Trouble = Literal["missing", "late", "failing", "running_long"]
Kind = Literal["missing", "late", "failing", "running_long", "recovered"]

SHORTEST_GRACE = timedelta(minutes=1)
"""Temporal's list of schedules lags behind by up to 36 seconds, and a start by some more."""

LONGEST_GRACE = timedelta(minutes=10)

MOST_FINDINGS = 500
"""Findings of one look; further ones come with the next, so that a payload stays small."""

_GRACE_PART = 10
_FAILED = ("failed", "timed out")
_ASPECTS: tuple[tuple[Trouble, ...], ...] = (("missing", "late"), ("failing",), ("running_long",))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a job, or no longer is.

    Attributes:
        app: The application's name.
        job: The job's name.
        kind: What is wrong; `recovered` when it is over.
        message: The same as a sentence, with times in the job's zone.
        since: When it began: the firing or the deadline that was missed, or a run's time.
        found_at: When the watchdog found it.
        about: What tells it from others of its kind: that firing, deadline or run.
        recovered_from: What is over, where the kind is `recovered`.
        run: The workflow id of the run that it is about; empty if there is none.
    """

    app: str
    job: str
    kind: Kind
    message: str
    since: datetime
    found_at: datetime
    about: str
    recovered_from: Trouble | None = None
    run: str = ""

    @property
    def key(self) -> str:
        """The same whenever the same thing is found, so that whoever is told twice can know."""
        parts = (self.app, self.job, self.kind, self.recovered_from or "", self.about)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


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
class Watched:
    """What is remembered of a job.

    Attributes:
        since: Since when its runs are expected; None while they aren't, since it is paused.
        version: What it was then; see `JobFacts`.
        open: What was found and isn't over.
        settled: The firing that was told as missing and whose run came later.
    """

    since: datetime | None
    version: str
    open: tuple[Open, ...] = ()
    settled: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """What one look leaves to the next: the jobs by name."""

    jobs: Mapping[str, Watched] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wrong:
    kind: Trouble
    about: str
    since: datetime
    message: str
    run: str = ""


@dataclass(frozen=True, slots=True)
class _Fine:
    message: str
    run: str = ""
    settles: str = ""


_Judgement = _Wrong | _Fine | None
"""What is wrong, that all is well, or that nobody can tell."""


def watch(
    app: str,
    facts: Iterable[JobFacts],
    memory: Memory,
    *,
    now: datetime,
    failures: int,
    others: Iterable[str] = (),
) -> tuple[tuple[Finding, ...], Memory]:
    """Judge the jobs, and tell what is new.

    Args:
        app: The application's name.
        facts: What is known of each job.
        memory: What the look before left.
        now: The time of the look, aware.
        failures: How many failed runs in a row are told.
        others: Names of jobs of which nothing is known now, but that aren't gone: what was found of
            them stays found.

    Returns:
        What is to be told now, at most `MOST_FINDINGS`, and what to remember.

    Example:
        >>> watch("shop", [], Memory(), now=datetime(2026, 1, 5, tzinfo=UTC), failures=3)
        ((), Memory(jobs={}))
    """
    now = now.astimezone(UTC)
    jobs = {name: memory.jobs[name] for name in others if name in memory.jobs}
    findings: list[Finding] = []
    for each in facts:
        before = memory.jobs.get(each.job)
        if len(findings) >= MOST_FINDINGS:
            if before is not None:
                jobs[each.job] = before
            continue
        found, jobs[each.job] = _look_at(app, each, before, now, failures)
        findings += found
    return tuple(findings), Memory(jobs)


def _look_at(
    app: str, facts: JobFacts, before: Watched | None, now: datetime, failures: int
) -> tuple[list[Finding], Watched]:
    watched = _watched(facts, before, now)
    quiet = facts.paused and facts.expectation is None
    judgements = (
        _punctual(facts, watched, now),
        _failing(facts, failures),
        _running_long(facts, now),
    )
    findings: list[Finding] = []
    still_open: list[Open] = []
    settled = watched.settled
    for kinds, judgement in zip(_ASPECTS, judgements, strict=True):
        known = next((each for each in watched.open if each.kind in kinds), None)
        if isinstance(judgement, _Fine):
            if known is not None:
                findings.append(_over(app, facts.job, known, judgement, now))
                settled = judgement.settles or settled
        elif judgement is None or quiet or not _is_news(judgement, known, settled):
            still_open += [known] if known else []
        else:
            findings.append(_begun(app, facts.job, judgement, now))
            still_open.append(Open(judgement.kind, judgement.about, judgement.since))
    return findings, replace(watched, open=tuple(still_open), settled=settled)


def _watched(facts: JobFacts, before: Watched | None, now: datetime) -> Watched:
    """The job as it is remembered; watched anew where it was paused or its schedule was changed."""
    expected = facts.expectation
    version = f"{expected.text} {facts.timetable.zone}" if expected else facts.version
    if before is None:
        before = Watched(None, version)
    if facts.paused and expected is None:
        return replace(before, since=None, version=version)
    if before.since is None or before.version != version:
        return replace(before, since=now, version=version)
    return before


def _is_news(wrong: _Wrong, known: Open | None, settled: str) -> bool:
    if known is None:
        # That its run was late is what the end of `missing` said.
        return not (wrong.kind == "late" and wrong.about == settled)
    return (known.kind, wrong.kind) == ("late", "missing")


def _begun(app: str, job: str, wrong: _Wrong, now: datetime) -> Finding:
    return Finding(
        app, job, wrong.kind, wrong.message, wrong.since, now, wrong.about, run=wrong.run
    )


def _over(app: str, job: str, known: Open, fine: _Fine, now: datetime) -> Finding:
    return Finding(
        app,
        job,
        "recovered",
        fine.message,
        known.since,
        now,
        known.about,
        recovered_from=known.kind,
        run=fine.run,
    )


# --- In time? --------------------------------------------------------------------------------


def _punctual(facts: JobFacts, watched: Watched, now: datetime) -> _Judgement:
    if watched.since is None:
        return None
    known = next((each for each in watched.open if each.kind in _ASPECTS[0]), None)
    if facts.expectation is not None:
        return _as_expected(facts, facts.expectation, watched.since, known, now)
    return _as_scheduled(facts, watched.since, known, now)


def _as_expected(
    facts: JobFacts, expectation: Expectation, since: datetime, known: Open | None, now: datetime
) -> _Judgement:
    missed = overdue(
        expectation, facts.timetable.zone, now=now, watched=since, completed=facts.completed
    )
    if missed is None:
        last = max(facts.completed, default=None)
        if last is None or (known is not None and last <= known.since):
            return None
        return _Fine(f"a run completed at {_told(facts, last)}")
    about = missed.deadline.isoformat()
    running = [run for run in facts.runs if run.status == "running" and run.started < now]
    if running:
        first = min(running, key=lambda run: run.started)
        message = (
            f"the run that started at {_told(facts, first.started)} had not completed at "
            f"{_told(facts, missed.deadline)}, which '{expectation.text}' asks for"
        )
        return _Wrong("late", about, missed.deadline, message, first.workflow_id)
    failed = next((run for run in _finished(facts) if run.status in _FAILED), None)
    message = (
        f"no run completed from {_told(facts, missed.since)} to {_told(facts, missed.deadline)}, "
        f"which '{expectation.text}' asks for"
    )
    if failed is not None and failed.ended is not None and failed.ended > missed.since:
        message += f"; one failed at {_told(facts, failed.ended)}"
        return _Wrong("missing", about, missed.deadline, message, failed.workflow_id)
    return _Wrong("missing", about, missed.deadline, message)


def _as_scheduled(
    facts: JobFacts, since: datetime, known: Open | None, now: datetime
) -> _Judgement:
    """Judge the last firing whose grace is over."""
    nominal = last_firing(facts.timetable, now - facts.grace - facts.spread)
    due = None if nominal is None else nominal.astimezone(UTC) + facts.spread
    if nominal is None or due is None or due <= since:
        return None
    started = [run for run in facts.runs if due <= run.started <= now]
    if started:
        last = max(started, key=lambda run: run.started)
        return _judge_start(facts, last, nominal, due, known)
    if facts.exhausted or any(_under_way(run, due) for run in facts.runs):
        return None
    reason = "" if facts.held else ", and its schedule isn't in Temporal"
    message = f"no run started for the firing at {_told(facts, nominal)}{reason}"
    return _Wrong("missing", due.isoformat(), due, message)


def _judge_start(
    facts: JobFacts, run: Run, nominal: datetime, due: datetime, known: Open | None
) -> _Judgement:
    """Judge the last run that started at a firing or after it."""
    lateness = timedelta(0) if run.by_hand else run.started - max(run.fire_time or due, due)
    if lateness <= facts.grace:
        return _Fine(f"a run started at {_told(facts, run.started)}", run.workflow_id)
    message = f"the run for {_told(facts, nominal)} started {_length(lateness)} late"
    about = due.isoformat()
    if known is not None and known.kind == "missing":
        return _Fine(message, run.workflow_id, settles=about)
    return _Wrong("late", about, due, message, run.workflow_id)


def _under_way(run: Run, due: datetime) -> bool:
    """Whether a run was under way at a firing: what became of that is the overlap policy's."""
    return not run.by_hand and run.started < due and (run.ended is None or run.ended >= due)


# --- Failing? --------------------------------------------------------------------------------


def _failing(facts: JobFacts, failures: int) -> _Judgement:
    last = list(islice(_finished(facts), failures))
    if not last:
        return None
    newest = last[0]
    at = _told(facts, newest.ended or newest.started)
    if newest.status == "completed":
        return _Fine(f"a run completed at {at}", newest.workflow_id)
    if len(last) < failures or any(run.status == "completed" for run in last):
        return None
    began = last[-1].ended or last[-1].started
    message = "its last run failed" if failures == 1 else f"its last {failures} runs failed"
    message += f", the last one at {at}" if failures > 1 else f" at {at}"
    return _Wrong("failing", newest.run_id, began, message, newest.workflow_id)


def _finished(facts: JobFacts) -> Iterator[Run]:
    """The runs that ended by themselves, newest first: not those that somebody ended."""
    ended = [run for run in facts.runs if run.ended and run.status in ("completed", *_FAILED)]
    yield from sorted(ended, key=lambda run: run.ended or run.started, reverse=True)


# --- Endless? --------------------------------------------------------------------------------


def _running_long(facts: JobFacts, now: datetime) -> _Judgement:
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
            return _Wrong("running_long", run.run_id, run.started, message + limit, run.workflow_id)
    return _Fine("no run takes too long any more")


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
