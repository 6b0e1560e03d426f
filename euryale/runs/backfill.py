"""Backfilling: running the firings of a past stretch of time that have no run.

Temporal's own backfill starts a second run of a firing that has run already, and works through a
long stretch for minutes without a sign. So only the firings without a run are handed to it, some at
a time, each by a request of its own. Whoever looks meanwhile, or after an interruption, sees all of
them: as runs, or in the schedule's buffer.
"""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from temporalio.client import ScheduleBackfill, ScheduleOverlapPolicy

from euryale.errors import BackfillUnderWay, ScheduleInvalid
from euryale.jobs.job import Job
from euryale.runs.runs import Status
from euryale.time.spread import spread_of
from euryale.time.timetable import firings, just_before, nominal

MOST_FIRINGS = 1_000
"""Firings that are backfilled at once; Temporal's buffer of a schedule takes as many."""

SETTLED = timedelta(seconds=10)
"""How long ago a firing must be, so that the schedule isn't just starting a run of it."""

_COUNTED = 100_000
_HALF_SECOND = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class PastFiring:
    """A firing of the past, and the run that it has.

    Attributes:
        fire_time: When the job fired or should have fired, in its time zone.
        nominal_time: The wall-clock time that it was meant for.
        workflow_id: The id of the run that it has or gets.
        former_id: The id of the run that it may have from before the job had its `window`.
        request_start: From when on Temporal looks for it.
        request_end: Up to when Temporal looks for it: it may be put off by jitter.
        status: Whether its run goes on, or how it ended; None if it has none.
    """

    fire_time: datetime
    nominal_time: datetime
    workflow_id: str
    former_id: str
    request_start: datetime
    request_end: datetime
    status: Status | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """The firings of a job in a stretch of time, as they would be backfilled.

    Attributes:
        schedule_id: The id of the job's schedule.
        overlap: The overlap policy under which missing runs are started.
        firings: The firings, ascending.
        taken_over: Whether a firing's run may bear the id of an earlier one: that of the oldest
            that an outage made late, and that took the latest for its own.
    """

    schedule_id: str
    overlap: ScheduleOverlapPolicy
    firings: tuple[PastFiring, ...]
    taken_over: bool = False

    @property
    def missing(self) -> tuple[PastFiring, ...]:
        """The firings that have no run."""
        return tuple(firing for firing in self.firings if firing.status is None)


def backfill_overlap(job: Job) -> ScheduleOverlapPolicy:
    """The overlap policy of backfilled runs.

    They wait for each other, unless the job allows all to run side by side: under `skip` all but
    the first would be dropped, and under `cancel_other` all but the last stopped in their course.
    """
    if job.config.overlap == "allow_all":
        return ScheduleOverlapPolicy.ALLOW_ALL
    return ScheduleOverlapPolicy.BUFFER_ALL


def stretch_of(app: str, job: Job, start: datetime, end: datetime, *, now: datetime) -> Stretch:
    """The firings of a past stretch of time, by the policy clock.

    Args:
        app: The application's name.
        job: The job.
        start: The first time, an aware one; a firing may be at it.
        end: The last time, an aware one; a firing may be at it.
        now: The present time.

    Raises:
        ScheduleInvalid: The stretch ends before it starts or isn't past, or has more firings than
            `MOST_FIRINGS`.

    Example:
        `stretch_of("shop", job, start, end, now=now).firings[0].workflow_id` is
        `shop/publish-once-a-day-2026-11-20T00:00:00Z`.
    """
    timetable, config = job.timetable, job.config
    _refuse_unfit(start, end, now - SETTLED - config.jitter - config.window)
    until = end.astimezone(UTC)
    found = firings(timetable, after=just_before(start))
    within = list(islice(takewhile(lambda each: each.astimezone(UTC) <= until, found), _COUNTED))
    _refuse_too_many(len(within))
    following = next(firings(timetable, after=within[-1]), None) if within else None
    later = [*within[1:], following][: len(within)]
    spread = spread_of(f"{app}/{job.name}", config.window)
    return Stretch(
        schedule_id=f"{app}/{job.name}",
        overlap=backfill_overlap(job),
        firings=tuple(
            _past_firing(app, job, each, after, spread)
            for each, after in zip(within, later, strict=True)
        ),
        taken_over=config.catch_up == "latest" and config.overlap != "allow_all",
    )


def _past_firing(
    app: str, job: Job, firing: datetime, later: datetime | None, spread: timedelta
) -> PastFiring:
    scheduled = firing.astimezone(UTC) + spread
    end = scheduled + job.config.jitter
    if later is not None:
        # Temporal's jitter never reaches the firing after.
        end = max(scheduled, min(end, just_before(later + spread)))
    return PastFiring(
        fire_time=firing,
        nominal_time=nominal(job.timetable, firing),
        workflow_id=f"{app}/{job.name}-{scheduled:%Y-%m-%dT%H:%M:%SZ}",
        former_id=f"{app}/{job.name}-{firing.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        # Between two firings, since whether a request's start belongs to it depends on the server.
        request_start=scheduled - _HALF_SECOND,
        request_end=end,
    )


def _refuse_unfit(start: datetime, end: datetime, settled: datetime) -> None:
    if end.astimezone(UTC) < start.astimezone(UTC):
        raise ScheduleInvalid(
            f"{end.isoformat()} is before {start.isoformat()}",
            where="--to",
            mend="give the earlier time as --from",
        )
    if end.astimezone(UTC) > settled.astimezone(UTC):
        raise ScheduleInvalid(
            f"{end.isoformat()} is not past, or so recent that the schedule itself may still start "
            "a run of it",
            where="--to",
            mend=f"give a time up to {_seconds(settled.astimezone(end.tzinfo))}",
        )


def _refuse_too_many(count: int) -> None:
    if count > MOST_FIRINGS:
        more = "or more " if count == _COUNTED else ""
        raise ScheduleInvalid(
            f"the job fires {count:,} times {more}in this stretch, and at most {MOST_FIRINGS:,} "
            "firings are backfilled at once",
            where="--from and --to",
            mend="split it into shorter ones",
        )


def _seconds(time: datetime) -> str:
    return time.isoformat(timespec="seconds")


def refuse_unknown(stretch: Stretch, held: Sequence[datetime]) -> None:
    """Raise if the schedule in Temporal doesn't fire when the job file says.

    Args:
        stretch: The firings.
        held: The times at which Temporal says that it fires, ascending.

    Raises:
        ScheduleInvalid: There are firings that it would not start.
    """
    starts = [firing.request_start for firing in stretch.firings]
    known = {bisect_right(starts, time) - 1 for time in held}
    unknown = [firing for at, firing in enumerate(stretch.firings) if at not in known]
    if unknown:
        raise ScheduleInvalid(
            f"Temporal's schedule doesn't know {len(unknown):,} of the {len(starts):,} firings, "
            f"from {unknown[0].fire_time.isoformat()} to {unknown[-1].fire_time.isoformat()}",
            where=stretch.schedule_id,
            mend="apply the job file as it is now; in zones whose clocks are changed, a schedule "
            "goes back to the begin of the last year",
        )


def refuse_under_way(stretch: Stretch, waiting: int) -> None:
    """Raise if runs wait in the schedule's buffer, which may be of the same firings.

    Raises:
        BackfillUnderWay: That is so.
    """
    if waiting:
        raise BackfillUnderWay(
            f"{waiting:,} firings of the job wait for the run before them to end",
            where=stretch.schedule_id,
            mend="repeat the command when they have started; `--dry-run` shows how far they are",
        )


def of_unknown_past(stretch: Stretch, kept_since: datetime) -> int:
    """How many firings without a run are so old that their runs may have been deleted.

    Args:
        stretch: The firings.
        kept_since: Runs that ended before are deleted.
    """
    oldest = kept_since.astimezone(UTC)
    return sum(firing.fire_time.astimezone(UTC) < oldest for firing in stretch.missing)


def requests(
    firings: Collection[PastFiring], overlap: ScheduleOverlapPolicy
) -> tuple[ScheduleBackfill, ...]:
    """The requests that start these firings, and no others."""
    return tuple(
        ScheduleBackfill(start_at=firing.request_start, end_at=firing.request_end, overlap=overlap)
        for firing in firings
    )
