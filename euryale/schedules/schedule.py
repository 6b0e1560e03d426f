"""The Temporal schedule that a job asks for: a pure value, made from its config alone."""

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleState,
)

from euryale.config import ScheduledJobConfig
from euryale.jobs.job import Job
from euryale.runs.memo import MEMO, scheduled_memo
from euryale.schedules.mark import Mark, spec_digest
from euryale.time.catch_up import catch_up_window
from euryale.time.regimes import regimes_in
from euryale.time.spread import spread_of
from euryale.time.timetable import firings
from euryale.time.timetable_calendars import compile_timetable
from euryale.time.utc_calendars import written_years
from euryale.time.zones import time_zone

OVERLAP = {
    "skip": ScheduleOverlapPolicy.SKIP,
    "buffer_one": ScheduleOverlapPolicy.BUFFER_ONE,
    "buffer_all": ScheduleOverlapPolicy.BUFFER_ALL,
    "cancel_other": ScheduleOverlapPolicy.CANCEL_OTHER,
    "terminate_other": ScheduleOverlapPolicy.TERMINATE_OTHER,
    "allow_all": ScheduleOverlapPolicy.ALLOW_ALL,
}

FORMAT = 3
"""Raised when the same config is compiled to another schedule, so that an apply updates it."""

NOT_HELD = ("paused", "renamed_from", "expect")
"""Fields of a config that change nothing once a schedule is made: whether it is paused belongs to
whoever operates it from then on."""


class Desired(Protocol):
    """What an apply makes Temporal hold: a job's schedule, or one of the engine's own."""

    @property
    def id(self) -> str:
        """The schedule's id."""

    @property
    def name(self) -> str:
        """The id without the application's name."""

    @property
    def hash(self) -> str:
        """Changes when and only when the schedule does."""

    @property
    def limit(self) -> int | None:
        """How many runs it may start in all; None if there is no end."""

    @property
    def renamed_from(self) -> str | None:
        """The name that it had before."""

    @property
    def is_over(self) -> bool:
        """Whether it never fires again."""

    @property
    def starts_paused(self) -> bool:
        """Whether it is paused when it is first made."""

    def schedule(
        self,
        *,
        release: str = "-",
        sequence: int = 0,
        used: int = 0,
        state: ScheduleState | None = None,
    ) -> Schedule:
        """The schedule as Temporal's client takes it; see `DesiredSchedule.schedule`."""


@dataclass(frozen=True)
class DesiredSchedule:
    """What a job wants Temporal to hold.

    Attributes:
        id: `<app>/<job>`; also the beginning of its runs' workflow ids.
        job: The job that it was made from.
        task_queue: Where the application's workers wait for runs.
        hash: Changes when and only when the schedule does. Temporal answers with a canonical form
            of what it was given, so this is what is compared.
        since: The time that it was made for, from which on it is right.
    """

    id: str
    job: Job
    task_queue: str
    hash: str
    since: datetime

    @property
    def name(self) -> str:
        """The job's name."""
        return self.job.name

    @property
    def limit(self) -> int | None:
        """How many scheduled runs the job may have in all; None if there is no end."""
        return self.job.config.number_of_executions

    @property
    def renamed_from(self) -> str | None:
        """The name that the job had before, if its config tells."""
        return self.job.config.renamed_from

    @property
    def is_over(self) -> bool:
        """Whether it never fires again."""
        return next(firings(self.job.timetable, after=self.since), None) is None

    @property
    def starts_paused(self) -> bool:
        """Whether it is paused when it is first made."""
        return self.job.config.paused

    def schedule(
        self,
        *,
        release: str = "-",
        sequence: int = 0,
        used: int = 0,
        state: ScheduleState | None = None,
    ) -> Schedule:
        """The schedule as Temporal's client takes it.

        Args:
            release: The release that applies it.
            sequence: The release's place among those that were applied.
            used: How many of its `number_of_executions` are used up.
            state: Whether it is paused, and the note; by default as it is first made.
        """
        config = self.job.config
        compiled = compile_timetable(self.job.timetable, since=self.since, where=self.job.where)
        catch_up = catch_up_window(config, self.job.timetable)
        spread = spread_of(self.id, config.window)
        limit = config.number_of_executions
        # More may have run than are granted by now: then that many were.
        granted = None if limit is None else max(limit, used)
        spec = compiled.spec(jitter=config.jitter or None, spread=spread)
        mark = Mark(
            hash=self.hash,
            sequence=sequence,
            release=release,
            executions=granted,
            horizon=compiled.horizon,
            spec=spec_digest(spec._to_proto()),  # noqa: SLF001 -- no public word for it
        )
        state = state or ScheduleState(
            paused=config.paused,
            note="starts paused, as its job file says" if config.paused else None,
        )
        return Schedule(
            action=ScheduleActionStartWorkflow(
                config.name,
                config.data,
                id=self.id,
                task_queue=self.task_queue,
                memo={
                    MEMO: scheduled_memo(config, spread=spread, since=self.since)
                    | {"config": written_config(config)}
                },
                static_summary=config.description or None,
            ),
            spec=replace(spec, skip=[mark.calendar(), *spec.skip]),
            policy=SchedulePolicy(overlap=OVERLAP[config.overlap], catchup_window=catch_up),
            state=replace(
                state,
                limited_actions=granted is not None,
                remaining_actions=0 if granted is None else granted - used,
            ),
        )


def written_config(config: ScheduledJobConfig) -> dict[str, Any]:
    """What a job's config says beyond the defaults, for those who compare; its data apart."""
    return config.model_dump(
        mode="json", exclude_defaults=True, by_alias=True, exclude={"name", "data", *NOT_HELD}
    )


def desired_schedule(
    app: str, job: Job, task_queue: str, *, since: datetime | None = None
) -> DesiredSchedule:
    """The schedule that a job of an application wants.

    Args:
        app: The application's name.
        job: The job.
        task_queue: Where the application's workers wait for runs.
        since: An aware time, from which on the schedule is to be right; by default now. In zones
            whose clocks are changed the schedule is another one each year.

    Example:
        `desired_schedule("shop", job, "shop").id` is `shop/publish-once-a-day`.
    """
    since = since or datetime.now(UTC)
    return DesiredSchedule(
        id=f"{app}/{job.name}",
        job=job,
        task_queue=task_queue,
        hash=_hash(job, task_queue, since),
        since=since,
    )


def _hash(job: Job, task_queue: str, since: datetime) -> str:
    # Defaults are left out, so that a new field changes the schedules of those jobs only that
    # give it.
    wanted: dict[str, Any] = job.config.model_dump(
        mode="json", exclude_defaults=True, exclude={*NOT_HELD}
    )
    text = json.dumps([FORMAT, task_queue, wanted, _changes(job, since)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _changes(job: Job, since: datetime) -> list[str]:
    """The changes of the clocks that the calendars are written around, if there are any."""
    zone = time_zone(job.timetable.zone, where=job.where)
    # The first regime was there before.
    return [
        f"{regime.start.isoformat()} {regime.before} {regime.offset}"
        for regime in regimes_in(zone, written_years(since))[1:]
    ]
