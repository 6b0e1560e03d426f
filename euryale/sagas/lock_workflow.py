"""What a lock is made of: a child workflow of its holder, under an id that only one can have.

Temporal lets one execution of a workflow id be open. So starting this workflow is taking the lock,
and its end is the release. As the holder's child it is ended by the server itself when the holder
is terminated, times out, is retried or continues as new, also while no worker runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

LOCK_WORKFLOW = "euryale-lock"
LOOK = f"{LOCK_WORKFLOW}.look"

RELEASE = "release"
WAIT = "wait"
LEAVE = "leave"

LOOK_TIMEOUT = timedelta(seconds=10)
"""How long one look of a waiter may take."""

LOOKS_AGAIN = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    backoff_coefficient=1.5,
    maximum_interval=timedelta(seconds=10),
)
"""How often a waiter looks: at the longest each ten seconds.

It need find out by itself only what nobody could tell it: that the holder was terminated, timed
out, or died on its way to tell.
"""

_MOST_TOLD = 10
"""Waiters that a holder learns of when it releases: it wakes the first that is still there."""

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Waiter:
    """A run that waits for a lock.

    Attributes:
        workflow_id: Its workflow id.
        run_id: Its run id.
        since: When it began to wait, in seconds since 1970. Those who waited longest come first.
    """

    workflow_id: str
    run_id: str
    since: float


@dataclass(frozen=True, slots=True)
class Holding:
    """What a lock begins with.

    Attributes:
        key: The lock's key.
        holder: The workflow id of the run that holds it.
        waiters: Those who waited for it already, when its own history was getting long.
    """

    key: str
    holder: str
    waiters: tuple[Waiter, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a waiter looks for: the lock, and itself."""

    key: str
    waiter: Waiter


def lock_id(key: str) -> str:
    """The workflow id of a lock, the same for all runs of a namespace.

    Example:
        >>> lock_id("products")
        'euryale-lock/products'
    """
    return f"{LOCK_WORKFLOW}/{key}"


def free_signal(key: str) -> str:
    """The signal that tells a waiter that the lock is free.

    Example:
        >>> free_signal("products")
        'euryale-lock.free/products'
    """
    return f"{LOCK_WORKFLOW}.free/{key}"


@workflow.defn(name=LOCK_WORKFLOW)
class LockWorkflow:
    """A lock that is held: it is open as long as it is."""

    @workflow.init
    def __init__(self, holding: Holding) -> None:
        """Begin to be held."""
        self._holding = holding
        self._waiters = {each.run_id: each for each in holding.waiters}
        self._released = False

    @workflow.run
    async def run(self, holding: Holding) -> list[Waiter]:  # noqa: ARG002 -- __init__ has it
        """Stay until released; the result tells whom to wake, those who waited longest first."""
        self._show()
        await workflow.wait_condition(
            lambda: self._released or workflow.info().is_continue_as_new_suggested()
        )
        if not self._released:
            # Many have come and gone. The lock stays held: a workflow that continues as new keeps
            # its id and its parent.
            workflow.continue_as_new(replace(self._holding, waiters=tuple(self._in_order())))
        return self._in_order()[:_MOST_TOLD]

    @workflow.signal(name=RELEASE)
    def release(self) -> None:
        """End; only the holder asks for it."""
        self._released = True

    @workflow.signal(name=WAIT)
    def wait(self, waiter: Waiter) -> None:
        """Take note of somebody who waits."""
        self._waiters[waiter.run_id] = waiter
        self._show()

    @workflow.signal(name=LEAVE)
    def leave(self, waiter: Waiter) -> None:
        """Forget somebody who waits no longer."""
        self._waiters.pop(waiter.run_id, None)
        self._show()

    def _in_order(self) -> list[Waiter]:
        return sorted(self._waiters.values(), key=lambda each: (each.since, each.run_id))

    def _show(self) -> None:
        workflow.set_current_details(_details(self._holding.holder, self._in_order()))


def _details(holder: str, waiters: Sequence[Waiter]) -> str:
    """What the Web UI shows of a lock, as Markdown.

    Example:
        >>> print(_details("shop/a", [Waiter("shop/b", "1", 0.0)]))
        Held by `shop/a`.
        <BLANKLINE>
        Waiting, the longest first:
        - `shop/b`
    """
    if not waiters:
        return f"Held by `{holder}`."
    shown = [f"- `{each.workflow_id}`" for each in waiters[:_MOST_SHOWN]]
    more = len(waiters) - len(shown)
    lines = [*shown, f"- and {more} more"] if more else shown
    return f"Held by `{holder}`.\n\nWaiting, the longest first:\n" + "\n".join(lines)


@activity.defn(name=LOOK)
async def look_for_lock(waiting: Waiting) -> None:
    """Return when the lock is free; else put the waiter on the holder's list, and look again later.

    Looking again is the activity's retry: it adds nothing to the waiter's history, however long it
    waits, and meanwhile takes no place on a worker.
    """
    lock = activity.client().get_workflow_handle(lock_id(waiting.key))
    held = await _if_open(lock.describe())
    if held is None or held.status != WorkflowExecutionStatus.RUNNING:
        return
    # One's own last look is remembered by the server. Each holder starts with an empty list.
    if list(activity.info().heartbeat_details) != [held.run_id]:
        if not await _if_open(_told(lock.signal(WAIT, waiting.waiter))):
            return
        activity.heartbeat(held.run_id)
    raise ApplicationError(
        _held_by(waiting.key, held), type="LockHeld", category=ApplicationErrorCategory.BENIGN
    )


async def _told(signal: Any) -> bool:
    await signal
    return True


async def _if_open(asking: Any) -> Any:
    """What the lock's workflow answers; None if there is none, or none any more."""
    try:
        return await asking
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return None


def _held_by(key: str, held: WorkflowExecutionDescription) -> str:
    return f"the lock '{key}' has been held by {held.parent_id} since {held.start_time:%F %T} UTC"
