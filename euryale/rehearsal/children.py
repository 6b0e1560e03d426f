"""The handles of child workflows in a rehearsal."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from temporalio import workflow

SignalSent = Callable[[str, Sequence[Any]], None]


class RehearsedChild(workflow.ChildWorkflowHandle[Any, Any]):
    """A child workflow that is rehearsed beside its parent."""

    def __init__(
        self,
        outcome: Coroutine[Any, Any, Any],
        handle: workflow.ChildWorkflowHandle[Any, Any],
        child_id: str,
    ) -> None:
        """Make it.

        Args:
            outcome: What to wait for instead of the handle.
            handle: Temporal's own.
            child_id: The id that the parent gave it.
        """
        super().__init__(outcome)
        unlogged(self)
        self._rehearsed = handle
        self._id = child_id

    @property
    def id(self) -> str:
        """See the base class."""
        return self._id

    @property
    def first_execution_run_id(self) -> str | None:
        """See the base class."""
        return self._rehearsed.first_execution_run_id

    async def signal(self, *args: Any, **kwargs: Any) -> None:
        """See the base class."""
        await self._rehearsed.signal(*args, **kwargs)


class StandInChild(workflow.ChildWorkflowHandle[Any, Any]):
    """What stands for a workflow that would be started, and isn't."""

    def __init__(
        self,
        result: Any,
        child_id: str,
        signalled: SignalSent,
        *,
        run_id: str | None = None,
        outcome: Coroutine[Any, Any, Any] | None = None,
    ) -> None:
        """Make it.

        Args:
            result: What it gives at once.
            child_id: The id that the workflow would have.
            signalled: Told of each signal that it would be sent.
            run_id: What it is known by to who takes it back.
            outcome: What to wait for instead of the result.
        """
        super().__init__(_ready(result) if outcome is None else outcome)
        unlogged(self)
        self._run_id = run_id
        self._id = child_id
        self._signalled = signalled

    @property
    def id(self) -> str:
        """See the base class."""
        return self._id

    @property
    def first_execution_run_id(self) -> str | None:
        """See the base class."""
        return self._run_id

    async def signal(
        self, signal: Any, arg: Any = workflow, *, args: Sequence[Any] = (), **_: Any
    ) -> None:
        """See the base class."""
        name = signal if isinstance(signal, str) else signal.__name__
        # The module stands for no argument, which None would be.
        self._signalled(name, args or ([] if arg is workflow else [arg]))


def unlogged(task: asyncio.Task[Any]) -> None:
    """Let a task be dropped with its workflow without a log line, as the SDK does with its own."""
    setattr(task, "_log_destroy_pending", False)  # noqa: B010 -- the attribute isn't declared


async def _ready(result: Any) -> Any:
    return result
