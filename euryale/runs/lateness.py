"""A run that starts late: which firing it is for, where only the latest missed one is caught up.

The decision is made once, by a local activity, so that it stays what it was though the job file
changes under the run. It asks Temporal about the schedule, since nothing in a run tells whether an
outage made it late or somebody who backfills times of the past.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.common import SearchAttributeKey

from euryale.config import Overlap
from euryale.jobs.job import Job
from euryale.registry import Registry
from euryale.runs.logger import DurableLogger
from euryale.runs.memo import MEMO
from euryale.schedules.schedule_record import schedule_record
from euryale.time.catch_up import Turn, turn_of
from euryale.time.timetable import firings, just_before, nominal

ACTIVITY = "euryale.schedules.turn"
"""The name of the local activity that decides."""

SCHEDULED_START_TIME = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
"""Temporal's search attribute with the time that a scheduled run's schedule fired for."""

SCHEDULED_BY = SearchAttributeKey.for_keyword("TemporalScheduledById")
"""Temporal's search attribute with the schedule of a scheduled run."""

_LATE = timedelta(seconds=1)
"""Firings are a second apart at least: what is no later than this has no later one."""


@dataclass(frozen=True)
class LateRun:
    """What is known of a run that started late, in terms that any data converter carries.

    Attributes:
        job: The job's name.
        schedule_id: The id of the schedule that started it.
        scheduled: What the schedule fired for, as ISO 8601.
        started: When the run was started, as ISO 8601.
        since: When the schedule was made as it is, as ISO 8601.
        overlap: The overlap policy.
        spread: How much later than its nominal times the schedule fires, in seconds.
        jitter: Up to how much later than that it starts its runs, in seconds.
    """

    job: str
    schedule_id: str
    scheduled: str
    started: str
    since: str
    overlap: Overlap
    spread: float
    jitter: float


@dataclass(frozen=True)
class TurnTaken:
    """A `Turn`, in terms that any data converter carries."""

    fired_at: str
    superseded: bool


def turn_activity(registry: Registry) -> Callable[..., Any]:
    """The local activity that decides what a late run is for.

    Args:
        registry: What the worker serves.
    """

    @activity.defn(name=ACTIVITY)
    async def take_turn(late: LateRun) -> TurnTaken:
        turn = await _turn(activity.client(), registry.job(late.job), late)
        return TurnTaken(turn.fired_at.isoformat(), turn.superseded)

    return take_turn


async def turn_of_run(job: Job) -> Turn | None:
    """Which firing the run is for that this is called in; None where no schedule made it."""
    info = workflow.info()
    scheduled = info.typed_search_attributes.get(SCHEDULED_START_TIME)
    if scheduled is None:
        return None
    memo: dict[str, Any] = workflow.memo_value(MEMO, default={}, type_hint=dict)
    spread = timedelta(seconds=memo.get("spread", 0))
    latest = memo.get("latest")
    if latest is None or info.workflow_start_time - scheduled < _LATE:
        return Turn(_without(spread, scheduled, job))
    taken = await workflow.execute_local_activity(
        ACTIVITY,
        LateRun(
            job=job.name,
            schedule_id=info.typed_search_attributes.get(SCHEDULED_BY) or "",
            scheduled=scheduled.isoformat(),
            started=info.workflow_start_time.isoformat(),
            since=latest["since"],
            overlap=latest["overlap"],
            spread=spread.total_seconds(),
            jitter=latest["jitter"],
        ),
        result_type=TurnTaken,
        schedule_to_close_timeout=timedelta(minutes=5),
    )
    turn = Turn(datetime.fromisoformat(taken.fired_at), taken.superseded)
    _tell(job, _without(spread, scheduled, job), turn)
    return turn


def _without(spread: timedelta, scheduled: datetime, job: Job) -> datetime:
    """The firing that was put off by the spread; a run that somebody triggers isn't put off."""
    fired_at = scheduled - spread
    if spread and next(firings(job.timetable, after=just_before(fired_at)), None) != fired_at:
        return scheduled
    return fired_at


async def _turn(client: Client, job: Job, late: LateRun) -> Turn:
    scheduled, started, since = (
        datetime.fromisoformat(each) for each in (late.scheduled, late.started, late.since)
    )
    spread = timedelta(seconds=late.spread)
    fired_at = _without(spread, scheduled, job)
    # After an update Temporal starts nothing for the time before it, but what is backfilled.
    if scheduled < since:
        return Turn(fired_at)
    turn = turn_of(
        job.timetable,
        fired_at,
        due_until=started - spread - timedelta(seconds=late.jitter),
        overlap=late.overlap,
    )
    if turn.fired_at != fired_at and await _is_backfilled(client, late, scheduled, started):
        return Turn(fired_at)
    return turn


async def _is_backfilled(
    client: Client, late: LateRun, scheduled: datetime, started: datetime
) -> bool:
    """Whether somebody asked for the run, as the schedule's own history tells.

    Where it doesn't tell: whether the schedule had a run for a later firing before it started this
    one, so that there was no outage. After one, runs are started in the order of their firings.
    """
    record = await schedule_record(client, late.schedule_id, since=scheduled)
    put_off_to = scheduled + timedelta(seconds=late.jitter)
    for change in record.changes:
        if scheduled <= change.at <= started and any(
            begin <= put_off_to and scheduled <= end for begin, end in change.spans
        ):
            return True
    if record.since is not None and record.since <= scheduled:
        return False
    quoted = late.schedule_id.replace("\\", "\\\\").replace("'", "\\'")
    conditions = (
        f"TemporalScheduledById = '{quoted}'",
        f"TemporalScheduledStartTime > '{_written(scheduled)}'",
        f"StartTime < '{_written(started)}'",
    )
    found = await client.count_workflows(" AND ".join(conditions))
    return found.count > 0


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _tell(job: Job, fired_at: datetime, turn: Turn) -> None:
    """Say in the run's log lines, which its details keep, what it is or isn't for."""
    if turn.fired_at == fired_at:
        return
    latest, missed = (
        f"{nominal(job.timetable, each):%Y-%m-%d %H:%M:%S}" for each in (turn.fired_at, fired_at)
    )
    logger = DurableLogger.of_run()
    if turn.superseded:
        logger.info("superseded", action="run_superseded", nominal=missed, by=latest)
    else:
        logger.info("caught up", action="run_caught_up", nominal=latest, missed_since=missed)
