"""What a run has under way: activities and child workflows, whoever of its branches began them."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from temporalio import workflow
from temporalio.worker import (
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from euryale.sagas.settlement import ask_to_end, settle
from euryale.sagas.step import UNDO_PREFIX
from euryale.sweeps.messages import SWEEP_WORKFLOW

ENGINE_PREFIX = "euryale."
"""What the types of the engine's own workflows and activities begin with."""


class _Begun:
    def __init__(self) -> None:
        self.handles: dict[asyncio.Task[Any], None] = {}
        self.closed = False

    def add(self, handle: asyncio.Task[Any]) -> None:
        self.handles[handle] = None
        handle.add_done_callback(lambda done: self.handles.pop(done, None))


# By run: its event loop lives as long as this worker holds it.
_begun: WeakKeyDictionary[asyncio.AbstractEventLoop, _Begun] = WeakKeyDictionary()


def _of_run() -> _Begun:
    return _begun.setdefault(asyncio.get_running_loop(), _Begun())


class UnderWay(WorkflowInboundInterceptor):
    """Remembers what a run begins."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """See the base class."""
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(
        self,
        input: StartActivityInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ActivityHandle[Any]:
        if (input.activity_id or "").startswith(UNDO_PREFIX):
            return super().start_activity(input)
        begun = _of_run()
        if begun.closed and not input.activity.startswith(ENGINE_PREFIX):
            raise asyncio.CancelledError
        handle = super().start_activity(input)
        begun.add(handle)
        return handle

    def start_local_activity(
        self,
        input: StartLocalActivityInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ActivityHandle[Any]:
        begun = _of_run()
        if begun.closed and not input.activity.startswith(ENGINE_PREFIX):
            raise asyncio.CancelledError
        handle = super().start_local_activity(input)
        begun.add(handle)
        return handle

    async def start_child_workflow(
        self,
        input: StartChildWorkflowInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        if input.workflow.startswith(ENGINE_PREFIX) and input.workflow != SWEEP_WORKFLOW:
            return await super().start_child_workflow(input)
        begun = _of_run()
        if begun.closed:
            raise asyncio.CancelledError
        handle = await super().start_child_workflow(input)
        begun.add(handle)
        return handle


async def end_all() -> None:
    """Let nothing more begin in this run, end what is under way, and wait for that.

    What the run does from now on is only what takes it back.

    Raises:
        asyncio.CancelledError: The run is taken out of the worker's cache.
    """
    begun = _of_run()
    begun.closed = True
    while begun.handles:
        handles = tuple(begun.handles)
        await ask_to_end(handles)
        for handle in handles:
            await settle(handle)
            begun.handles.pop(handle, None)
