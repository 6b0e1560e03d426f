"""Injecting faults into a Temporal worker: a plugin that stands around everything it does."""

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    WorkflowInboundInterceptor,
    WorkflowInstance,
    WorkflowInstanceDetails,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
    WorkflowRunner,
)
from temporalio.workflow import ActivityHandle, ChildWorkflowHandle

from euryale.testing.event_log import EventKind, EventLog
from euryale.testing.fault import Call, Fault, Moment, Plan

INJECTED = "InjectedFault"
"""The type of the failure of a call that a proof lets fail."""

TASK_TIMEOUT = timedelta(seconds=2)
"""How soon the server gives up a workflow task that a killed worker took with it."""

ATTEMPT_TIMEOUT = timedelta(seconds=4)
"""How soon it gives up an attempt that a killed worker took with it."""

HANG = timedelta(seconds=3)
"""How long a call that hangs is waited for."""

_AT_ONCE = timedelta(milliseconds=50)
"""How long a proof waits before the next attempt, whatever the policy says."""


class Injector:
    """Counts what the worker does, and does wrong what the plan says."""

    def __init__(self, plan: Plan, log: EventLog, workflow_id: str, client: Client) -> None:
        """Make it for one worker.

        Args:
            plan: What it does wrong.
            log: Where it records what it does.
            workflow_id: The id of the run.
            client: What the run is cancelled by.
        """
        self.plan = plan
        self.log = log
        self.workflow_id = workflow_id
        self._client = client
        self._reached = 0
        self._lock = threading.Lock()

    def point(self, kind: EventKind, **facts: Any) -> None:
        """An event at which the worker may be killed; workflow code has threads of its own."""
        with self._lock:
            self.log.write(kind, **facts)
            self._reached += 1
            if self._reached == self.plan.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    async def inject(self, call: Call, moment: Moment, attempt: int) -> None:
        """Do to a call what the plan says."""
        fault = self.plan.fault_at(call, moment)
        if fault is None or (attempt > 1 and fault.kind == "fails once"):
            return
        self.log.write("fault", activity=call.activity, id=call.id, number=call.number)
        await self._carry_out(fault)

    async def _carry_out(self, fault: Fault) -> None:
        match fault.kind:
            case "fails" | "fails once":
                raise ApplicationError(
                    f"the proof says that {fault}",
                    type=INJECTED,
                    non_retryable=fault.kind == "fails",
                )
            case "hangs":
                await asyncio.Event().wait()
            case "cancels":
                await self._cancel_run()

    async def _cancel_run(self) -> None:
        """Cancel the run; the call hears of it, too, and goes on as the engine's calls do."""
        asked = asyncio.ensure_future(self._client.get_workflow_handle(self.workflow_id).cancel())
        while not asked.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asked)
        await asked


class InjectionPlugin(SimplePlugin):
    """Puts an injector around a worker; the last of the worker's plugins."""

    def __init__(self, injector: Injector, queue: str) -> None:
        """Make it.

        Args:
            injector: What is put around the worker.
            queue: The application's own task queue, in whose place the run has one for itself.
        """
        super().__init__(
            "euryale-proof",
            interceptors=[_Interceptor(injector, queue)],
            workflow_runner=lambda runner: _Runner(runner, injector) if runner else _none(),
        )


def _none() -> WorkflowRunner:
    raise RuntimeError("the injection stands around the application's plugin: give it last")


class _Interceptor(Interceptor):
    def __init__(self, injector: Injector, queue: str) -> None:
        self._injector = injector
        self._queue = queue

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 -- Temporal's name
        return _Activities(next, self._injector)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 -- Temporal's name
    ) -> type[WorkflowInboundInterceptor]:
        plan, root, queue = self._injector.plan, self._injector.workflow_id, self._queue

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(_Outbound(outbound, plan, root, queue))

        return Inbound


class _Activities(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, injector: Injector) -> None:  # noqa: A002 -- Temporal's name
        super().__init__(next)
        self._injector = injector

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 -- Temporal's name
        info = activity.info()
        workflow_id = info.workflow_id or ""
        call = self._injector.log.call(workflow_id, info.activity_type, info.activity_id)
        facts = {
            "workflow": workflow_id,
            "activity": call.activity,
            "id": call.id,
            "number": call.number,
        }
        self._injector.point("begun", **facts)
        await self._injector.inject(call, "before", info.attempt)
        try:
            result = await super().execute_activity(input)
        except Exception:
            self._injector.point("raised", **facts)
            raise
        self._injector.point("done", **facts)
        await self._injector.inject(call, "after", info.attempt)
        return result


class _Outbound(WorkflowOutboundInterceptor):
    """Shortens what a proof would wait for, and keeps what a run starts to the run."""

    def __init__(
        self,
        next: WorkflowOutboundInterceptor,  # noqa: A002 -- Temporal's name
        plan: Plan,
        root: str,
        queue: str,
    ) -> None:
        super().__init__(next)
        self._plan = plan
        self._root = root
        self._queue = queue

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002 -- Temporal's name
        policy = input.retry_policy or RetryPolicy()
        input.retry_policy = replace(policy, initial_interval=_AT_ONCE, maximum_interval=_AT_ONCE)
        if self._plan.hangs(input.activity):
            input.retry_policy = replace(input.retry_policy, maximum_attempts=1)
            _shorten(input, HANG)
        elif self._plan.kill_at is not None:
            _shorten(input, ATTEMPT_TIMEOUT)
        input.task_queue = self._queue_of(input.task_queue)
        return super().start_activity(input)

    async def start_child_workflow(
        self,
        input: StartChildWorkflowInput,  # noqa: A002 -- Temporal's name
    ) -> ChildWorkflowHandle[Any, Any]:
        input.id = self._id_of(input.id)
        input.task_timeout = TASK_TIMEOUT
        input.task_queue = self._queue_of(input.task_queue)
        return await super().start_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:  # noqa: A002 -- Temporal's name
        input.workflow_id = self._id_of(input.workflow_id)
        await super().signal_external_workflow(input)

    def _id_of(self, workflow_id: str) -> str:
        """An id of this run's own, where runs side by side would start one workflow."""
        own = workflow_id.startswith(self._root)
        return workflow_id if own else f"{self._root}/{workflow_id}"

    def _queue_of(self, queue: str | None) -> str | None:
        return None if queue == self._queue else queue


def _shorten(input: StartActivityInput, limit: timedelta) -> None:  # noqa: A002 -- Temporal's name
    given = input.start_to_close_timeout or input.schedule_to_close_timeout or limit
    input.start_to_close_timeout = min(given, limit)
    input.heartbeat_timeout = None


class _Runner(WorkflowRunner):
    """Makes instances that tell of each activation."""

    def __init__(self, inner: WorkflowRunner, injector: Injector) -> None:
        self._inner = inner
        self._injector = injector

    def prepare_workflow(self, defn: Any) -> None:
        self._inner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        self._inner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        facts = {"workflow": det.info.workflow_id}
        return _Instance(
            self._inner.create_instance(det), lambda kind: self._injector.point(kind, **facts)
        )


class _Instance(WorkflowInstance):
    def __init__(self, inner: WorkflowInstance, point: Callable[[EventKind], None]) -> None:
        self._inner = inner
        self._point = point

    def activate(self, act: Any) -> Any:
        evicted = any(job.HasField("remove_from_cache") for job in act.jobs)
        if evicted or act.is_replaying:
            return self._inner.activate(act)
        self._point("activation")
        completion = self._inner.activate(act)
        self._point("activated")
        return completion

    def get_thread_id(self) -> int | None:
        return self._inner.get_thread_id()

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._inner.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._inner.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._inner.get_info()
