"""What is wrong with jobs: facts and what was found before in; findings and what to remember out.

A job is judged in three ways: whether its runs come in time (`missing`, `late`), whether they fail
again and again (`failing`), and whether one doesn't end (`running_long`). Each is told once when it
begins and once when it is over (`recovered`). What can't be known changes nothing.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import repeat
from typing import Literal

from euryale.time.timetable import firings
from euryale.watchdog.expectation import has_deadline
from euryale.watchdog.judgement import (
    Fine,
    JobFacts,
    Judgement,
    Open,
    Trouble,
    Wrong,
    judge_duration,
    judge_failures,
    judge_punctuality,
)

Kind = Literal["missing", "late", "failing", "running_long", "recovered"]

MOST_FINDINGS = 500
"""Findings of one look; further ones come with the next, so that a payload stays small."""

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
    """What one look leaves to the next.

    Attributes:
        jobs: The jobs by name.
        looked: When all of them were last judged; None if never.
    """

    jobs: Mapping[str, Watched] = field(default_factory=dict)
    looked: datetime | None = None


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
        >>> found, memory = watch("shop", [], Memory(), now=datetime.now(UTC), failures=3)
        >>> found, memory.jobs
        ((), {})
    """
    now = now.astimezone(UTC)
    jobs = {name: memory.jobs[name] for name in others if name in memory.jobs}
    findings: list[Finding] = []
    looked: datetime | None = now
    for each in facts:
        before = memory.jobs.get(each.job)
        if len(findings) >= MOST_FINDINGS:
            # Not judged, so what has changed is still to be seen by the next look.
            looked = memory.looked
            if before is not None:
                jobs[each.job] = before
            continue
        found, jobs[each.job] = _look_at(app, each, before, now, failures)
        findings += found
    return tuple(findings), Memory(jobs, looked)


def may_have_changed(facts: JobFacts, memory: Memory, *, now: datetime, busy: bool) -> bool:
    """Whether a job may be judged in another way than by the look before.

    Most jobs of a large application do nothing from one minute to the next, and their runs
    needn't be read.

    Args:
        facts: What is known of the job, its runs apart.
        memory: What the look before left.
        now: The time of the look, aware.
        busy: Whether a run of the job goes on, or has ended since.
    """
    before, looked = memory.jobs.get(facts.job), memory.looked
    if busy or before is None or before.open or looked is None:
        return True
    if facts.expectation is None:
        delay = facts.grace + facts.spread
        due = next(firings(facts.timetable, after=looked - delay), None)
        return due is not None and due <= now - delay
    return has_deadline(
        facts.expectation, facts.timetable.zone, after=looked, until=now.astimezone(UTC)
    )


def _look_at(
    app: str, facts: JobFacts, before: Watched | None, now: datetime, failures: int
) -> tuple[list[Finding], Watched]:
    watched = _watched(facts, before, now)
    quiet = facts.paused and facts.expectation is None
    judgements: Iterable[Judgement] = repeat(None, len(_ASPECTS))
    if facts.stirred:
        judgements = (
            judge_punctuality(
                facts, since=watched.since, known=_open(watched, _ASPECTS[0]), now=now
            ),
            judge_failures(facts, failures=failures),
            judge_duration(facts, now=now),
        )
    findings: list[Finding] = []
    still_open: list[Open] = []
    settled = watched.settled
    for kinds, judgement in zip(_ASPECTS, judgements, strict=True):
        known = _open(watched, kinds)
        if isinstance(judgement, Fine):
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


def _open(watched: Watched, kinds: Collection[Trouble]) -> Open | None:
    return next((each for each in watched.open if each.kind in kinds), None)


def _is_news(wrong: Wrong, known: Open | None, settled: str) -> bool:
    if known is None:
        # That its run was late is what the end of `missing` said.
        return not (wrong.kind == "late" and wrong.about == settled)
    return (known.kind, wrong.kind) == ("late", "missing")


def _begun(app: str, job: str, wrong: Wrong, now: datetime) -> Finding:
    return Finding(
        app, job, wrong.kind, wrong.message, wrong.since, now, wrong.about, run=wrong.run
    )


def _over(app: str, job: str, known: Open, fine: Fine, now: datetime) -> Finding:
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
