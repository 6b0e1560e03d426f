"""The child workflows that a run has under way."""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from temporalio import workflow
from temporalio.worker import (
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowOutboundInterceptor,
)

from euryale.sagas.settlement import ask_to_end, settle

# By run: its event loop lives as long as this worker holds it.
_children: WeakKeyDictionary[
    asyncio.AbstractEventLoop, list[workflow.ChildWorkflowHandle[Any, Any]]
] = WeakKeyDictionary()


class Children(WorkflowInboundInterceptor):
    """Remembers the child workflows that a run starts."""

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        """See the base class."""
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    async def start_child_workflow(
        self,
        input: StartChildWorkflowInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        handle = await super().start_child_workflow(input)
        _children.setdefault(asyncio.get_running_loop(), []).append(handle)
        return handle


async def end_children() -> None:
    """Cancel this run's child workflows that are under way, and wait for their end.

    Raises:
        asyncio.CancelledError: The run is taken out of the worker's cache.
    """
    started = _children.get(asyncio.get_running_loop(), [])
    under_way = [handle for handle in started if not handle.done()]
    await ask_to_end(under_way)
    for handle in under_way:
        await settle(handle)
