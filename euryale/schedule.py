"""The Temporal schedule that a job asks for: a pure value, made from its config alone."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)

from euryale.calendars import compile_calendars
from euryale.clock import default_catch_up
from euryale.config import ScheduledJobConfig
from euryale.cron import CronExpression
from euryale.job import Job
from euryale.memo import MEMO, run_memo

OVERLAP = {
    "skip": ScheduleOverlapPolicy.SKIP,
    "buffer_one": ScheduleOverlapPolicy.BUFFER_ONE,
    "buffer_all": ScheduleOverlapPolicy.BUFFER_ALL,
    "cancel_other": ScheduleOverlapPolicy.CANCEL_OTHER,
    "terminate_other": ScheduleOverlapPolicy.TERMINATE_OTHER,
    "allow_all": ScheduleOverlapPolicy.ALLOW_ALL,
}

FORMAT = 1
"""Raised when the same config is compiled to another schedule, so that an apply updates it."""


@dataclass(frozen=True)
class DesiredSchedule:
    """What a job wants Temporal to hold.

    Attributes:
        id: `<app>/<job>`; also the beginning of its runs' workflow ids.
        job: The job that it was made from.
        task_queue: Where the application's workers wait for runs.
        hash: Changes when and only when the schedule does. Temporal answers with a canonical form
            of what it was given, so this is what is compared.
    """

    id: str
    job: Job
    task_queue: str
    hash: str

    def schedule(self) -> Schedule:
        """The schedule as Temporal's client takes it, as it is first made."""
        config = self.job.config
        expression = CronExpression.parse(config.schedule, where=self.job.where, name=config.name)
        compiled = compile_calendars(expression, config.time_zone, where=self.job.where)
        catch_up = config.catch_up or default_catch_up(expression)
        return Schedule(
            action=ScheduleActionStartWorkflow(
                config.name,
                config.data,
                id=self.id,
                task_queue=self.task_queue,
                memo={MEMO: run_memo(config) | {"hash": self.hash}},
                static_summary=config.description or None,
            ),
            spec=ScheduleSpec(
                calendars=compiled.calendars,
                time_zone_name=compiled.time_zone_name,
                jitter=config.jitter or None,
            ),
            policy=SchedulePolicy(overlap=OVERLAP[config.overlap], catchup_window=catch_up),
            state=ScheduleState(
                paused=config.paused,
                note="starts paused, as its job file says" if config.paused else None,
                limited_actions=config.number_of_executions is not None,
                remaining_actions=config.number_of_executions or 0,
            ),
        )


def desired_schedule(app: str, job: Job, task_queue: str) -> DesiredSchedule:
    """The schedule that a job of an application wants.

    Example:
        `desired_schedule("shop", job, "shop").id` is `shop/publish-once-a-day`.
    """
    return DesiredSchedule(
        id=f"{app}/{job.name}",
        job=job,
        task_queue=task_queue,
        hash=_hash(job.config, task_queue),
    )


def _hash(config: ScheduledJobConfig, task_queue: str) -> str:
    # `paused` is how a schedule starts out; afterwards it belongs to whoever operates it.
    wanted: dict[str, Any] = config.model_dump(mode="json", exclude={"paused"})
    text = json.dumps([FORMAT, task_queue, wanted], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
