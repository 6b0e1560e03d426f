"""Locks between runs: of all that ask for a key, one at a time goes on."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from temporalio import workflow
from temporalio.exceptions import (
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    WorkflowAlreadyStartedError,
)

from euryale.sagas.lock_workflow import (
    LEAVE,
    LOOK_TIMEOUT,
    LOOKS_AGAIN,
    RELEASE,
    Holding,
    LockWorkflow,
    Waiter,
    Waiting,
    free_signal,
    lock_id,
    look_for_lock,
)
from euryale.sagas.settlement import shielded

LONGEST_KEY = 200
"""Characters that a key may have."""

_Held = workflow.ChildWorkflowHandle[LockWorkflow, list[Waiter]]


class Lock:
    """Lets one run at a time go on, of all runs in the namespace that ask for the same key.

    It belongs to the run and to no process: it stays held while the worker is away, and is free
    when the block is left or the run ends, however it ends. Those who wait go on roughly in the
    order in which they came. A run that waits costs a worker nothing, and its history no more than
    about twenty events.

    Outside of Euryale's plugin, the worker has to serve `LockWorkflow` and `look_for_lock`.

    Example:
        In a workflow's run method or a job's handler::

            async with Lock("stock", timeout=timedelta(minutes=5)):
                ...
    """

    def __init__(self, key: str, *, timeout: timedelta | None = None) -> None:
        """Name the lock; nothing is asked of the server yet.

        Args:
            key: What is locked: up to 200 printable characters, the same in all who ask for it.
            timeout: How long to wait for it at the most; without it, as long as it takes. Zero
                takes it if it is free.

        Raises:
            ApplicationError: `LockKeyInvalid`: that is no key.
        """
        if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
            raise _failure(
                "LockKeyInvalid",
                f"{key[:LONGEST_KEY]!r} is no key of a lock: give it 1 to {LONGEST_KEY} printable "
                "characters",
            )
        self.key = key
        self._timeout = timeout
        self._signal = free_signal(key)
        self._woken = False
        self._behind: list[Waiter] = []
        self._held: _Held | None = None

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, GeneratorExit):  # out of the worker's cache: nothing may be awaited
            return
        try:
            await self.release()
        except ApplicationError:
            # Whatever failed in the block comes first.
            if error is None:
                raise

    async def acquire(self) -> None:
        """Wait until it is this run's.

        A cancellation meanwhile leaves nothing behind.

        Raises:
            ApplicationError: `LockTimeout`: somebody else held it for too long. `LockHeldAlready`:
                this run holds it already, or waits for it, and would wait for itself.
        """
        # A run listens to this signal as long as it holds or waits for the key.
        if workflow.get_signal_handler(self._signal) is not None:
            raise _failure(
                "LockHeldAlready",
                f"this run already holds the lock '{self.key}' or waits for it, and would wait for "
                "itself for ever; within a run, use asyncio.Lock",
            )
        workflow.set_signal_handler(self._signal, self._wake)
        try:
            self._held = await self._taken()
        except BaseException:
            workflow.set_signal_handler(self._signal, None)
            raise

    async def release(self) -> None:
        """Let the next one go on; nothing if it isn't held. A cancellation doesn't interrupt it.

        Raises:
            ApplicationError: `LockLost`: somebody ended the lock's workflow by hand, so that
                another run may have gone on beside this one.
        """
        held, self._held = self._held, None
        if held is None:
            return
        kept, cancellation = await shielded(self._let_go(held))
        workflow.set_signal_handler(self._signal, None)
        if cancellation is not None:
            raise cancellation
        if not kept:
            raise _failure(
                "LockLost",
                f"the lock '{self.key}' was taken from this run: somebody ended the workflow "
                f"{lock_id(self.key)}, and others may have done the same work meanwhile",
            )

    def _wake(self, behind: list[Waiter]) -> None:
        """It is this run's turn; others wait behind it."""
        self._woken = True
        self._behind = behind

    async def _taken(self) -> _Held:
        me = Waiter(workflow.info().workflow_id, workflow.info().run_id, workflow.time())
        self._behind = []
        while True:
            self._woken = False
            held, cancellation = await shielded(self._start())
            if held is not None and cancellation is not None:
                await shielded(self._let_go(held))
            if cancellation is not None:
                raise cancellation
            if held is not None:
                return held
            await self._until_free(me)

    async def _start(self) -> _Held | None:
        """Take it if it is free."""
        try:
            return await workflow.start_child_workflow(
                LockWorkflow.run,
                Holding(self.key, workflow.info().workflow_id, tuple(self._behind)),
                id=lock_id(self.key),
                parent_close_policy=workflow.ParentClosePolicy.TERMINATE,
                static_summary=f"held by {workflow.info().workflow_id}",
            )
        except WorkflowAlreadyStartedError:
            return None

    async def _until_free(self, me: Waiter) -> None:
        """Wait until it looks free: the last holder says so, or one finds out."""
        left = None
        if self._timeout is not None:
            left = me.since + self._timeout.total_seconds() - workflow.time()
            if left <= 0:
                raise self._too_long()
        look = workflow.start_activity(
            look_for_lock,
            Waiting(self.key, me, tuple(self._behind)),
            start_to_close_timeout=LOOK_TIMEOUT,
            retry_policy=LOOKS_AGAIN,
            summary=f"waits for the lock {self.key}",
        )
        try:
            await workflow.wait_condition(lambda: self._woken or look.done(), timeout=left)
        except TimeoutError:
            await self._leave(look, me)
            raise self._too_long() from None
        except asyncio.CancelledError:
            await self._leave(look, me)
            raise
        if look.done():
            await look
        else:
            _give_up(look)

    async def _leave(self, look: workflow.ActivityHandle[None], me: Waiter) -> None:
        """Wait no longer, and say so, lest the holder wakes this run instead of the next."""
        _give_up(look)
        lock = workflow.get_external_workflow_handle(lock_id(self.key))
        await shielded(_delivered(lock.signal(LEAVE, me)))

    def _too_long(self) -> ApplicationError:
        seconds = self._timeout.total_seconds() if self._timeout else 0
        return _failure(
            "LockTimeout",
            f"the lock '{self.key}' didn't become free within {seconds:g} seconds; its holder is "
            f"the parent of the workflow {lock_id(self.key)}",
        )

    async def _let_go(self, held: _Held) -> bool:
        """Release it and wake who waited longest; False if it was no longer this run's."""
        # Not by the child's handle: after a reset, the server would no longer take this run for the
        # lock's parent. Had it ended already, its result says how.
        lock = workflow.get_external_workflow_handle(lock_id(self.key))
        await _delivered(lock.signal(RELEASE, held.first_execution_run_id))
        try:
            waiters = await held
        except ChildWorkflowError:
            return False
        # Only now, since whoever is woken before the lock's end would find it held.
        while waiters:
            first, *waiters = waiters
            run = workflow.get_external_workflow_handle(first.workflow_id, run_id=first.run_id)
            if await _delivered(run.signal(self._signal, waiters)):
                break
        return True


def _give_up(look: workflow.ActivityHandle[None]) -> None:
    # It ends as a failure that nobody awaits; asked for once, it isn't logged.
    look.add_done_callback(lambda task: task.cancelled() or task.exception())
    look.cancel()


async def _delivered(signal: Coroutine[Any, Any, None]) -> bool:
    """Whether a signal reached its workflow; one that has ended gets none."""
    try:
        await signal
    except FailureError:
        return False
    return True


def _failure(kind: str, message: str) -> ApplicationError:
    # A failure and no error of the engine's: in a native workflow only that ends the run.
    return ApplicationError(message, type=kind, non_retryable=True)
