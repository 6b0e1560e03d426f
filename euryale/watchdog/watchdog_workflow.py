"""One look of the watchdog, as a workflow: look, tell each hook, ping the one who watches it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from euryale.registry import Registry
from euryale.runs.logger import DurableLogger
from euryale.watchdog.hooks import HookFailed, ping
from euryale.watchdog.job_facts import read_facts
from euryale.watchdog.watch import MOST_FINDINGS, Finding, Memory, watch
from euryale.watchdog.watchdog import WATCHDOG_WORKFLOW, Watchdog

LOOK = f"{WATCHDOG_WORKFLOW}.look"
TELL = f"{WATCHDOG_WORKFLOW}.tell"
PING = f"{WATCHDOG_WORKFLOW}.ping"

KEEPS = timedelta(days=1)
"""How long what a hook couldn't take is kept for it."""

_TELLING = timedelta(seconds=45)
"""How long one hook is told in one look; the rest waits for the next."""

_LOOK_TIMEOUT = timedelta(minutes=2)
_TELL_TIMEOUT = timedelta(seconds=10)
_LOOKS_AGAIN = RetryPolicy(maximum_attempts=3)
_TELLS_AGAIN = RetryPolicy(maximum_attempts=3, initial_interval=timedelta(seconds=1))

_SCHEDULED_START = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@dataclass(frozen=True)
class Waiting:
    """A finding that a hook couldn't take yet."""

    hook: str
    finding: Finding


@dataclass(frozen=True)
class Left:
    """What one look leaves to the next: its result."""

    memory: Memory = field(default_factory=Memory)
    waiting: tuple[Waiting, ...] = ()


@dataclass(frozen=True)
class Look:
    """What the worker that looked found, and whom its application tells.

    Attributes:
        findings: What is new.
        memory: What to remember.
        hooks: The hooks' names, and whether each takes all findings at once.
        pings: Whether somebody watches the watchdog.
    """

    findings: tuple[Finding, ...]
    memory: Memory
    hooks: tuple[tuple[str, bool], ...]
    pings: bool


@dataclass(frozen=True)
class _Told:
    """What became of what a hook was told: what waits, and whether all that was tried succeeded."""

    waiting: tuple[Waiting, ...]
    well: bool


@workflow.defn(name=WATCHDOG_WORKFLOW)
class WatchdogWorkflow:
    """One look of an application's watchdog."""

    @workflow.run
    async def run(self) -> Left:
        """Look, tell, ping; the result is for the next look.

        A look that fails tells nobody and doesn't ping, and the next one starts from the last
        that succeeded.
        """
        before = _before()
        look = await workflow.execute_activity(
            LOOK,
            args=[_now(), before.memory],
            result_type=Look,
            start_to_close_timeout=_LOOK_TIMEOUT,
            retry_policy=_LOOKS_AGAIN,
        )
        told = await asyncio.gather(
            *(
                _tell(name, _for(name, before, look), together=together)
                for name, together in look.hooks
            )
        )
        if look.pings and all(each.well for each in told):
            await _ping()
        return Left(look.memory, tuple(waiting for each in told for waiting in each.waiting))


def _before() -> Left:
    try:
        return workflow.get_last_completion_result(Left) or Left()
    except Exception as error:  # noqa: BLE001 -- whatever another release left behind
        DurableLogger.of_run().warning(
            "what the last look left can't be read, so what it told may be told again",
            action="watchdog_forgot",
            error=type(error).__name__,
        )
        return Left()


def _now() -> datetime:
    """The time of the look: that of its start, unless the schedule is ahead of that clock."""
    due = workflow.info().typed_search_attributes.get(_SCHEDULED_START)
    return max(workflow.now(), due) if due else workflow.now()


def _for(hook: str, before: Left, look: Look) -> list[Finding]:
    """What a hook is to be told: first what waited for it."""
    oldest = _now() - KEEPS
    kept = [each.finding for each in before.waiting if each.hook == hook]
    return [each for each in kept if each.found_at > oldest] + list(look.findings)


async def _tell(hook: str, findings: Sequence[Finding], *, together: bool) -> _Told:
    """Tell a hook in order, and leave the rest for the next look once it can't be told."""
    began, well = workflow.time(), True
    batches = [findings] if together and findings else [[each] for each in findings]
    for at, batch in enumerate(batches):
        rest = [each for later in batches[at:] for each in later]
        if workflow.time() - began > _TELLING.total_seconds():
            return _waiting(hook, rest, well=well)
        try:
            await workflow.execute_activity(
                TELL,
                args=[hook, batch],
                start_to_close_timeout=_TELL_TIMEOUT,
                retry_policy=_TELLS_AGAIN,
                summary=hook,
            )
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            well = False
            if not _log_failure(hook, batch, error):
                return _waiting(hook, rest, well=well)
    return _waiting(hook, [], well=well)


def _waiting(hook: str, findings: Sequence[Finding], *, well: bool) -> _Told:
    return _Told(tuple(Waiting(hook, each) for each in findings[-MOST_FINDINGS:]), well)


def _log_failure(hook: str, batch: Sequence[Finding], error: ActivityError) -> bool:
    """Say that a hook couldn't be told, and tell whether it's for good."""
    cause = error.cause
    refused = isinstance(cause, ApplicationError) and cause.non_retryable
    DurableLogger.of_run().error(
        "a hook refused what it was told" if refused else "a hook could not be told; it will be",
        action="watchdog_hook_failed",
        hook=hook,
        findings=len(batch),
        jobs=sorted({each.job for each in batch})[:10],
        error=cause.message if isinstance(cause, ApplicationError) else str(cause),
    )
    return refused


async def _ping() -> None:
    try:
        await workflow.execute_activity(
            PING, start_to_close_timeout=_TELL_TIMEOUT, retry_policy=_TELLS_AGAIN
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        cause = error.cause
        DurableLogger.of_run().warning(
            "the outside watcher could not be told that all is well",
            action="watchdog_ping_failed",
            error=cause.message if isinstance(cause, ApplicationError) else str(cause),
        )


def watchdog_activities(watchdog: Watchdog, registry: Registry) -> list[Callable[..., Any]]:
    """The activities of a watchdog, for the workers of its application.

    Args:
        watchdog: The watchdog; its hooks and secrets stay here.
        registry: The application's jobs.
    """
    hooks = {hook.name: hook for hook in watchdog.hooks}

    @activity.defn(name=LOOK)
    async def look(now: datetime, memory: Memory) -> Look:
        facts, others = await read_facts(
            activity.client(), registry, memory, now=now, failures=watchdog.failures
        )
        findings, after = watch(
            registry.app, facts, memory, now=now, failures=watchdog.failures, others=others
        )
        together = tuple((hook.name, hook.together) for hook in watchdog.hooks)
        return Look(findings, after, together, pings=watchdog.ping is not None)

    @activity.defn(name=TELL)
    async def tell(hook: str, findings: list[Finding]) -> None:
        if hook not in hooks:
            raise ApplicationError(
                f"this worker's application has no hook '{hook}'",
                type=HookFailed.__name__,
                non_retryable=False,
            )
        await _carefully(hooks[hook].tell(findings))

    @activity.defn(name=PING)
    async def tell_outside() -> None:
        if watchdog.ping is not None:
            await _carefully(ping(watchdog.ping))

    return [look, tell, tell_outside]


async def _carefully(telling: Any) -> None:
    """Await a hook, and let no more of its failure into the history than may be read there."""
    try:
        await telling
    except HookFailed as error:
        raise ApplicationError(
            str(error), type=HookFailed.__name__, non_retryable=error.for_good
        ) from None
    except Exception as error:  # noqa: BLE001 -- hooks may be anybody's
        raise ApplicationError(
            f"the hook failed: {type(error).__name__}", type=HookFailed.__name__
        ) from None
