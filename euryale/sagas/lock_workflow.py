"""What a lock is made of: a child workflow of its holder, under an id that only one can have.

Temporal lets one execution of a workflow id be open. So starting this workflow is taking the lock,
and its end is the release. As the holder's child it is ended by the server itself when the holder
is terminated, times out, is retried or continues as new, also while no worker runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.service import RPCError, RPCStatusCode

LOCK_WORKFLOW = "euryale.lock"
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

_MOST_HANDED_ON = 100
"""Waiters that go along when a lock goes from one holder to the next. Those behind them are put on
the next holder's list when they look again."""

_WAKING = timedelta(seconds=10)
"""How long a released lock is left to the one who is woken. Then it is anybody's."""

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
        waiters: Those who waited for it already.
    """

    key: str
    holder: str
    waiters: tuple[Waiter, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a waiter looks for.

    Attributes:
        key: The lock's key.
        waiter: Itself.
        behind: Those behind it, whom the last holder told it of. They wait on, should somebody else
            have been quicker.
    """

    key: str
    waiter: Waiter
    behind: tuple[Waiter, ...] = ()


def lock_id(key: str) -> str:
    """The workflow id of a lock, the same for all runs of a namespace.

    Example:
        >>> lock_id("products")
        'euryale.lock/products'
    """
    return f"{LOCK_WORKFLOW}/{key}"


def free_signal(key: str) -> str:
    """The signal that tells a waiter that the lock is free.

    Example:
        >>> free_signal("products")
        'euryale.lock.free/products'
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
        """Stay until released; the result tells whom to wake, the one who waited longest first."""
        self._show()
        await workflow.wait_condition(
            lambda: self._released or workflow.info().is_continue_as_new_suggested()
        )
        if not self._released:
            # Many have come and gone. The lock stays held: a workflow that continues as new keeps
            # its id and its parent.
            workflow.continue_as_new(replace(self._holding, waiters=tuple(self._in_order())))
        return self._in_order()[:_MOST_HANDED_ON]

    @workflow.signal(name=RELEASE)
    def release(self, first_run_id: str) -> None:
        """End, if it is this lock that is meant, and not one that the same run held before."""
        self._released |= first_run_id == workflow.info().first_execution_run_id

    @workflow.signal(name=WAIT)
    def wait(self, waiters: list[Waiter]) -> None:
        """Take note of who waits. The holder may have looked a last time before it was woken."""
        holder = workflow.info().parent
        self._waiters |= {
            each.run_id: each for each in waiters if not holder or each.run_id != holder.run_id
        }
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
    client, info = activity.client(), activity.info()
    lock = client.get_workflow_handle(lock_id(waiting.key))
    held = await _if_open(lock.describe())
    if held is None:
        return
    if held.status != WorkflowExecutionStatus.RUNNING:
        if await _is_promised(client, held, waiting.waiter, now=info.started_time):
            raise _not_yet(f"the lock '{waiting.key}' is about to go to who waited longer")
        return
    if held.parent_run_id == waiting.waiter.run_id:
        # It was woken and took the lock while this look was under way.
        return
    if await _is_orphan(client, held, waiting.waiter):
        # This one, and not one that somebody took meanwhile.
        orphan = client.get_workflow_handle(held.id, run_id=held.run_id)
        await _if_open(_told(orphan.terminate(reason="the run that held the lock has ended")))
        return
    # One's own last look is remembered by the server. A new holder may not have this one listed.
    if list(info.heartbeat_details) != [held.run_id]:
        waiters = [waiting.waiter, *waiting.behind]
        if not await _if_open(_told(lock.signal(WAIT, waiters))):
            return
        activity.heartbeat(held.run_id)
    raise _not_yet(
        f"the lock '{waiting.key}' has been held by {held.parent_id} since "
        f"{held.start_time:%F %T} UTC"
    )


async def _is_promised(
    client: Client, ended: WorkflowExecutionDescription, me: Waiter, *, now: datetime
) -> bool:
    """Whether a lock was released just now, and somebody else is being woken for it."""
    if ended.status != WorkflowExecutionStatus.COMPLETED or ended.close_time is None:
        return False
    if now - ended.close_time > _WAKING:
        return False
    handle = client.get_workflow_handle_for(LockWorkflow.run, ended.id, run_id=ended.run_id)
    first = (await handle.result(follow_runs=False))[:1]
    return bool(first) and first[0].run_id != me.run_id


async def _is_orphan(client: Client, held: WorkflowExecutionDescription, me: Waiter) -> bool:
    """Whether nobody holds an open lock any more.

    The server ends a lock with its holder, except where the holder was reset: it then knows
    the run that goes on by the lock's parent, but doesn't end the lock with it.
    """
    # One run of a workflow id is open, and it is the one that waits here.
    if held.parent_id is None or held.parent_id == me.workflow_id:
        return True
    last = await _if_open(client.get_workflow_handle(held.parent_id).describe())
    if last is None or last.status != WorkflowExecutionStatus.RUNNING:
        return True
    if last.run_id == held.parent_run_id:
        return False
    parent = client.get_workflow_handle(held.parent_id, run_id=held.parent_run_id)
    first = await _if_open(parent.describe())
    return first is None or _origin(first) != _origin(last)


def _origin(run: WorkflowExecutionDescription) -> str:
    """The first run of those that a run goes on from, by reset, retry or as new."""
    first: str = run.raw_description.workflow_execution_info.first_run_id
    return first


def _not_yet(message: str) -> ApplicationError:
    # An answer like any other: no warning in the worker's log.
    return ApplicationError(message, type="LockHeld", category=ApplicationErrorCategory.BENIGN)


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
