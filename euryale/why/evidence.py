"""What is known of one firing of a job: frozen facts, and the reasons that follow from them.

A reason is a sentence with its values apart, so that times are told in whatever zone and words the
reader has: `reason.words` names the values in braces.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from euryale.config import Overlap
from euryale.runs.runs import Run
from euryale.schedules.schedule_record import ScheduleRecord
from euryale.time.catch_up import Turn

Certainty = Literal["surely", "probably"]
"""Whether a reason's sentence is known, or the likeliest that what is known leaves."""

POLLED = timedelta(seconds=75)
"""A worker asks for work at least once a minute, the length of its long poll."""

CLOSE = timedelta(seconds=2)
"""What two things are apart at the most of which it isn't told which one came first."""

Value = datetime | timedelta | int | str


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a firing came as it did, or didn't come.

    Attributes:
        kind: The kind, for programs.
        words: A sentence without its full stop, with the values' names in braces.
        certainty: Whether it is known.
        mend: What to do about it, in the same form; empty if nothing is to be done.
        values: The values.
    """

    kind: str
    words: str
    certainty: Certainty = "surely"
    mend: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    def told(self, say: Callable[[Value], str]) -> str:
        """The sentence, with each value as `say` says it.

        Example:
            >>> Reason("late", "it began {late} late", values={"late": 3}).told(str)
            'it began 3 late'
        """
        return self.words.format(**{name: say(value) for name, value in self.values.items()})

    def told_mend(self, say: Callable[[Value], str]) -> str:
        """What to do about it, with each value as `say` says it."""
        return self.mend.format(**{name: say(value) for name, value in self.values.items()})


@dataclass(frozen=True, slots=True)
class ScheduleFacts:
    """What Temporal holds of the job's schedule.

    Attributes:
        created: When it was made.
        updated: When it was changed last; None if it never was. A pause is no change.
        paused: Whether it is paused now.
        note: What operators wrote about it.
        overlap: Its overlap policy.
        catch_up: How late a run may start after an outage.
        remaining: How many executions are left; None without a limit.
        fires: Whether it fires at the time that is asked about; None if that isn't known.
        changed_by_hand: Whether its times are no longer what an apply made them.
        horizon: When its calendars end, in a zone whose clocks are changed; None if they don't.
        skipped: How many firings were ever skipped for overlap.
        missed: How many were ever missed, being later than the catch-up window.
        dropped: How many were ever dropped, since too many were waiting.
        waiting: How many wait for a run to end now.
    """

    created: datetime
    updated: datetime | None = None
    paused: bool = False
    note: str = ""
    overlap: Overlap = "skip"
    catch_up: timedelta = timedelta(days=1)
    remaining: int | None = None
    fires: bool | None = None
    changed_by_hand: bool = False
    horizon: datetime | None = None
    skipped: int = 0
    missed: int = 0
    dropped: int = 0
    waiting: int = 0

    def was_changed_after(self, moment: datetime) -> bool:
        """Whether it was changed since a moment."""
        return self.updated is not None and self.updated > moment

    def as_dict(self) -> dict[str, Any]:
        """The facts for programs."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: _plain(value) for name, value in values}


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """What failed a run.

    Attributes:
        type: The exception's type.
        message: Its message.
        where: The line of the job's file that it came through; empty if it isn't told.
        call: The durable call that failed for good; empty if none did.
        attempts: How often that call was tried; 0 if that isn't told.
    """

    type: str
    message: str
    where: str = ""
    call: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class RetryFacts:
    """A durable call that failed and is tried again."""

    call: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What is known of the firing's run.

    Attributes:
        run: The run.
        offered: When it was first offered to the workers; None if that isn't told.
        taken: When a worker first took it; None if none has yet.
        failure: What failed it; None if it didn't fail.
        ended_by: Who cancelled or terminated it, as their client names itself.
        reason: Why, in their words.
        stuck: Why the workers that took it can't go on; empty if they can.
        retrying: The calls that are tried again at the moment.
        turn: What it was for, having started late where only the latest missed firing is caught
            up; None elsewhere.
    """

    run: Run
    offered: datetime | None = None
    taken: datetime | None = None
    failure: FailureFacts | None = None
    ended_by: str = ""
    reason: str = ""
    stuck: str = ""
    retrying: tuple[RetryFacts, ...] = ()
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a firing.

    Attributes:
        job: The job's name.
        now: When the facts were collected.
        fire_time: When the schedule is to start the run, in UTC: the firing by the policy clock,
            and what the job's `window` puts it off by.
        spread: What its `window` puts it off by.
        task_queue: Where the run waits for a worker.
        jitter: By how much its jitter puts the start off, as far as Temporal tells.
        limit: How many scheduled runs the job's file allows in all; None without a limit.
        used: How many the ledger counts as used up.
        polled: When a worker last asked for work on the task queue; None if none is known.
        retention: How long Temporal keeps what has ended; None if that isn't known.
        schedule: What Temporal holds of the schedule; None if there is none.
        record: What the schedule's history tells; empty where a server tells none.
        run: The firing's run; None if there is none.
        runs: The other runs that the schedule started around that time.
        stand_in: The run that was started late for an earlier firing, and what it ran for in its
            stead, where only the latest missed firing is caught up.
    """

    job: str
    now: datetime
    fire_time: datetime
    spread: timedelta = timedelta(0)
    task_queue: str = ""
    jitter: timedelta = timedelta(0)
    limit: int | None = None
    used: int = 0
    polled: datetime | None = None
    retention: timedelta | None = None
    schedule: ScheduleFacts | None = None
    record: ScheduleRecord = field(default_factory=ScheduleRecord)
    run: RunFacts | None = None
    runs: tuple[Run, ...] = ()
    stand_in: tuple[Run, Turn] | None = None

    @property
    def fired_at(self) -> datetime:
        """The firing by the policy clock."""
        return self.fire_time - self.spread

    @property
    def backfill(self) -> str:
        """The command that makes up for the firing."""
        time = self.fired_at.astimezone(UTC).isoformat()
        return f"euryale backfill {self.job} --from {time} --to {time}"

    @property
    def due(self) -> datetime:
        """When Temporal is to start the run, its jitter included."""
        return self.fire_time + self.jitter

    @property
    def is_served(self) -> bool:
        """Whether a worker asked for work within the length of its long poll."""
        return self.polled is not None and self.now - self.polled < POLLED

    @property
    def is_recorded(self) -> bool:
        """Whether the record of the schedule reaches back to the firing."""
        since = self.record.since
        return since is not None and since <= self.fire_time

    def under_way_at(self, moment: datetime) -> Run | None:
        """The run of the schedule that the firing met at a moment.

        That may be one of an earlier firing that was started in that very moment, when Temporal
        came to both of them late.
        """
        met = [
            run
            for run in self.runs
            if run.fire_time is not None
            and run.fire_time < self.fire_time
            and run.started < moment + CLOSE
            and (run.ended is None or run.ended > moment)
        ]
        return max(met, key=lambda run: run.started, default=None)


Outcome = Literal[
    "completed",
    "running",
    "failed",
    "cancelled",
    "terminated",
    "timed out",
    "continued",
    "waiting",
    "did not run",
    "will run",
    "will not run",
    "no firing",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a firing, and why: the most telling reason first."""

    outcome: Outcome
    reasons: tuple[Reason, ...]

    def as_dict(self, say: Callable[[Value], str]) -> dict[str, Any]:
        """The verdict for programs; `say` says values in the sentences."""
        return {
            "outcome": self.outcome,
            "reasons": [
                {
                    "kind": reason.kind,
                    "certainty": reason.certainty,
                    "words": reason.told(say),
                    "mend": reason.told_mend(say),
                    "values": {name: _plain(value) for name, value in reason.values.items()},
                }
                for reason in self.reasons
            ],
        }


def _plain(value: Value | None) -> str | int | float | None:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return value
