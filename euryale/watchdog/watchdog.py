"""The watchdog: a durable job of the engine's own that tells of the application's jobs.

A schedule starts a look every minute. What one look found is the next one's last completion
result, so that nothing is told twice, and nothing is lost with a worker.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar

from temporalio.client import (
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
)

from euryale.errors import WatchdogInvalid
from euryale.schedules.mark import Mark, spec_digest
from euryale.watchdog.hooks import Hook, LogHook, check_ping

WATCHDOG = ".watchdog"
"""The schedule's name beside the jobs' names, none of which begins with a dot."""

WATCHDOG_WORKFLOW = "euryale-watchdog"
"""The workflow type of a look, and the beginning of its workflow id."""

LOOK_LIMIT = timedelta(minutes=15)
"""How long a look may take or wait for a worker. The next one sees all that it would have seen."""

_SHORTEST, _LONGEST = timedelta(seconds=10), timedelta(days=1)
_MOST_FAILURES = 100
_LONGEST_OFFSET = timedelta(seconds=30)
_CATCH_UP = timedelta(minutes=1)
_FORMAT = 1


@dataclass(frozen=True)
class Watchdog:
    """What watches the application's jobs, and whom it tells.

    Attributes:
        hooks: Whom it tells. Each is told of each finding once, as far as it can be known; one
            that fails stops none of the others.
        every: How often it looks: 10 seconds to a day, in whole seconds.
        failures: How many failed runs in a row are told, 1 to 100.
        ping: A URL that gets a request after each look that succeeded and whose hooks all took
            what there was to tell. Whoever is behind it tells when none comes.

    Example:
        >>> Watchdog().every
        datetime.timedelta(seconds=60)
    """

    hooks: Sequence[Hook] = (LogHook(),)
    every: timedelta = timedelta(minutes=1)
    failures: int = 3
    ping: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not _SHORTEST <= self.every <= _LONGEST or self.every % timedelta(seconds=1):
            raise _invalid(
                f"it can't look every {self.every}",
                "every",
                "give whole seconds, 10 at least and a day at most",
            )
        if not 1 <= self.failures <= _MOST_FAILURES:
            raise _invalid(
                f"it can't wait for {self.failures} failures", "failures", "give 1 to 100"
            )
        names = [hook.name for hook in self.hooks]
        if not names:
            raise _invalid("it has nobody to tell", "hooks", "give it one, such as LogHook()")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise _invalid(
                f"{names.count(twice[0])} hooks are named '{twice[0]}'",
                "hooks",
                "give each a name of its own, such as WebhookHook(url, name='pager')",
            )
        if self.ping is not None:
            check_ping(self.ping, where="Watchdog(ping=…)")


def _invalid(what: str, field: str, mend: str) -> WatchdogInvalid:
    return WatchdogInvalid(what, where=f"Watchdog({field}=…)", mend=mend)


@dataclass(frozen=True)
class WatchdogSchedule:
    """The schedule that starts the looks, as an apply makes Temporal hold it; see `Desired`.

    Attributes:
        app: The application's name.
        watchdog: What it declares.
        task_queue: Where the application's workers wait.
    """

    app: str
    watchdog: Watchdog
    task_queue: str

    @property
    def id(self) -> str:
        """The schedule's id."""
        return f"{self.app}/{WATCHDOG}"

    @property
    def name(self) -> str:
        """The id without the application's name."""
        return WATCHDOG

    @property
    def hash(self) -> str:
        """Changes when and only when the schedule does."""
        text = f"{_FORMAT} {self.task_queue} {self.watchdog.every}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    limit: ClassVar[int | None] = None
    renamed_from: ClassVar[str | None] = None
    is_over: ClassVar[bool] = False
    starts_paused: ClassVar[bool] = False

    def schedule(
        self,
        *,
        release: str = "-",
        sequence: int = 0,
        used: int = 0,  # noqa: ARG002 -- it has no limit
        state: ScheduleState | None = None,
    ) -> Schedule:
        """The schedule as Temporal's client takes it; see `DesiredSchedule.schedule`."""
        every = self.watchdog.every
        # Many jobs are due on the full minute, and their starts come first.
        offset = min(every / 2, _LONGEST_OFFSET)
        spec = ScheduleSpec(intervals=[ScheduleIntervalSpec(every=every, offset=offset)])
        mark = Mark(
            hash=self.hash,
            sequence=sequence,
            release=release,
            spec=spec_digest(spec._to_proto()),  # noqa: SLF001 -- no public word for it
        )
        return Schedule(
            action=ScheduleActionStartWorkflow(
                WATCHDOG_WORKFLOW,
                # Apart from the jobs' runs, among which a day's looks would be in the way.
                id=f"{WATCHDOG_WORKFLOW}/{self.app}",
                task_queue=self.task_queue,
                execution_timeout=LOOK_LIMIT,
                static_summary=f"Watches the jobs of {self.app}.",
            ),
            spec=replace(spec, skip=[mark.calendar()]),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
            state=state or ScheduleState(),
        )
