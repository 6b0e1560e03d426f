"""Firings that have no run, by the policy clock: which they are, and why as far as runs tell.

Temporal counts the firings that a schedule skips and misses, but doesn't say which they were. Here
the times at which a job fires are held against the runs that there are. `euryale why` looks at one
of them in depth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Literal

from euryale.config import Overlap
from euryale.runs.runs import Run
from euryale.time.timetable import Timetable, firings, just_before, nominal

Reason = Literal["overlap", "waiting", "caught up", "paused", "unknown"]
"""Why a firing has no run: another one was under way; it still waits for that one's end; a run that
was late caught up the latest missed firing alone; the schedule is paused; or it was paused then, or
Temporal away for longer than `catch_up` allows."""

_WITH_RUN = ("overlap", "waiting", "caught up")

MOST_FIRINGS = 10_000
"""Firings that are held against the runs; a job that fires each minute has as many in a week."""


@dataclass(frozen=True, slots=True)
class RunlessFirings:
    """Firings in a row that have no run, for one reason.

    Attributes:
        first: The nominal time of the first one, in the job's zone.
        last: That of the last one.
        count: How many they are.
        reason: Why.
        run: The workflow id of the run that was under way, or that caught up; empty if none did.
    """

    first: datetime
    last: datetime
    count: int
    reason: Reason
    run: str = ""


def runless_firings(
    timetable: Timetable,
    runs: Sequence[Run],
    *,
    since: datetime,
    until: datetime,
    overlap: Overlap,
    spread: timedelta = timedelta(0),
    paused: bool = False,
    caught_up: Mapping[str, datetime] = MappingProxyType({}),
) -> tuple[RunlessFirings, ...]:
    """The firings of a stretch of time that have no run, those in a row together.

    Args:
        timetable: When the job fires.
        runs: The job's runs of that time, and those that were under way when it began.
        since: The stretch's beginning.
        until: Its end, not included; what is due only just may have no run yet.
        overlap: The overlap policy that the schedule went by.
        spread: How much later than by the timetable the schedule fires.
        paused: Whether the schedule is paused now.
        caught_up: The firings that late runs took for their own, by the runs' workflow ids.

    Returns:
        The firings, the earliest first; of the first `MOST_FIRINGS` alone.
    """
    scheduled = sorted(
        (run for run in runs if run.fire_time is not None), key=lambda run: run.started
    )
    fired = {run.fire_time for run in scheduled}
    last_run = max((time for time in fired if time is not None), default=None)
    waiting: set[str] = set()
    found: list[RunlessFirings] = []
    followed_by_run = True
    for firing in islice(_due(timetable, since - spread, until - spread), MOST_FIRINGS):
        fire_time = firing.astimezone(UTC) + spread
        if fire_time in fired:
            followed_by_run = True
            continue
        blocking = _under_way(scheduled, fire_time)
        reason = _reason(blocking, overlap, waiting)
        late = _caught_up(scheduled, fire_time, firing, caught_up)
        if late is not None:
            blocking, reason = late, "caught up"
        if reason == "unknown" and paused and (last_run is None or fire_time > last_run):
            reason = "paused"
        one = nominal(timetable, firing)
        by = blocking.workflow_id if blocking and reason in _WITH_RUN else ""
        same = found and not followed_by_run and (found[-1].reason, found[-1].run)
        if same == (reason, by):
            found[-1] = replace(found[-1], last=one, count=found[-1].count + 1)
        else:
            found.append(RunlessFirings(one, one, 1, reason, by))
        followed_by_run = False
    return tuple(found)


def _due(timetable: Timetable, since: datetime, until: datetime) -> Iterator[datetime]:
    end = until.astimezone(UTC)
    for firing in firings(timetable, after=just_before(since)):
        if firing.astimezone(UTC) >= end:
            return
        yield firing


def _under_way(runs: Sequence[Run], fire_time: datetime) -> Run | None:
    """The scheduled run that was under way when another one was due."""
    for run in reversed(runs):
        if run.started <= fire_time and (run.ended is None or run.ended > fire_time):
            return run
    return None


def _caught_up(
    runs: Sequence[Run], fire_time: datetime, firing: datetime, caught_up: Mapping[str, datetime]
) -> Run | None:
    """The run of an earlier firing that was late, and took this one or a later one for its own."""
    for run in runs:
        taken = caught_up.get(run.workflow_id)
        if taken is None or run.fire_time is None:
            continue
        if run.fire_time < fire_time and firing.astimezone(UTC) <= taken.astimezone(UTC):
            return run
    return None


def _reason(blocking: Run | None, overlap: Overlap, waiting: set[str]) -> Reason:
    if blocking is None:
        return "unknown"
    match overlap:
        case "skip":
            return "overlap"
        case "buffer_one" | "buffer_all":
            if blocking.status != "running":
                # Of those that waited one has run, or all have; this one gave way.
                return "overlap" if overlap == "buffer_one" else "unknown"
            if overlap == "buffer_one" and blocking.workflow_id in waiting:
                return "overlap"
            waiting.add(blocking.workflow_id)
            return "waiting"
        case _:
            return "unknown"
