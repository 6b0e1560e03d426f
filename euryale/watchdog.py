"""The watchdog: a durable job of the engine's own that tells of the application's jobs.

A schedule starts a look every minute. What one look found is the next one's last completion
result, so that nothing is told twice, and nothing is lost with a worker.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import WatchdogInvalid
from euryale.hooks import Hook, LogHook, check_ping
from euryale.memo import MEMO

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


def watchdog_schedule(app: str, watchdog: Watchdog, task_queue: str) -> Schedule:
    """The schedule that starts the looks.

    Args:
        app: The application's name.
        watchdog: What it declares.
        task_queue: Where the application's workers wait.
    """
    # Many jobs are due on the full minute, and their starts come first.
    offset = min(watchdog.every / 2, _LONGEST_OFFSET)
    digest = hashlib.sha256(f"{_FORMAT} {task_queue} {watchdog.every}".encode()).hexdigest()[:16]
    return Schedule(
        action=ScheduleActionStartWorkflow(
            WATCHDOG_WORKFLOW,
            # Apart from the jobs' runs, among which a day's looks would be in the way.
            id=f"{WATCHDOG_WORKFLOW}/{app}",
            task_queue=task_queue,
            execution_timeout=LOOK_LIMIT,
            memo={MEMO: {"hash": digest}},
            static_summary=f"Watches the jobs of {app}.",
        ),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=watchdog.every, offset=offset)]),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=_CATCH_UP),
    )


async def apply_watchdog(
    client: Client, app: str, watchdog: Watchdog | None, task_queue: str
) -> None:
    """Make Temporal hold the watchdog's schedule, or none where the application has no watchdog.

    Whether an operator paused it is kept.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    handle = client.get_schedule_handle(f"{app}/{WATCHDOG}")
    if watchdog is None:
        try:
            await handle.delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return
    wanted = watchdog_schedule(app, watchdog, task_queue)

    async def updated(held: ScheduleUpdateInput) -> ScheduleUpdate | None:
        if await _hash(client, held.description.schedule) == await _hash(client, wanted):
            return None
        wanted.state = held.description.schedule.state
        return ScheduleUpdate(wanted)

    try:
        await client.create_schedule(handle.id, wanted)
    except ScheduleAlreadyRunningError:
        await handle.update(updated)


async def _hash(client: Client, schedule: Schedule) -> Any:
    """What the schedule says that it was made from."""
    action = schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)  # noqa: S101 -- for the type checker
    said = (action.memo or {}).get(MEMO)
    if said is None or isinstance(said, dict):
        return said
    (decoded,) = await client.data_converter.decode([said])
    return decoded
