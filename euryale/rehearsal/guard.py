"""The last look at what a rehearsed workflow sends to Temporal, and its waiting cut short.

The interceptor notes changes where the code makes them. Here the commands themselves are checked,
whatever way they came: those that would reach beyond the rehearsal never leave.

A workflow that waits for nothing but the time doesn't have to be waited for. The server can't let
time pass faster, so the timer that would fire next is started as a short one, and the workflow's
clock put forward when it fires.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from euryale.rehearsal.stage import Stage
from euryale.sagas.lock_workflow import LOCK_WORKFLOW

_INWARD = frozenset(
    {
        "start_timer",
        "cancel_timer",
        "request_cancel_activity",
        "request_cancel_local_activity",
        "cancel_child_workflow_execution",
        "complete_workflow_execution",
        "fail_workflow_execution",
        "cancel_workflow_execution",
        "respond_to_query",
        "update_response",
        "set_patch_marker",
        "upsert_workflow_search_attributes",
        "modify_workflow_properties",
    }
)
"""Commands that reach nothing but the workflow itself and what it has started."""

_LOCAL_ACTIVITY_CHECK = "__temporal_assert_local_activity_valid"

_SHORTEST = timedelta(seconds=1)
"""Waits up to this are waited for."""

_SHORT = timedelta(milliseconds=1)


class RehearsalRunner(WorkflowRunner):
    """Guards the workflows that another runner holds."""

    def __init__(
        self, inner: WorkflowRunner, stage: Stage, served: Collection[str], task_queue: str
    ) -> None:
        """Make it.

        Args:
            inner: What holds the workflows.
            stage: What is told of skipped waits.
            served: The activities that may be executed.
            task_queue: The rehearsal's own.
        """
        self._inner = inner
        self._stage = stage
        self._served = frozenset(served)
        self._queue = task_queue

    def prepare_workflow(self, defn: Any) -> None:
        """See the base class."""
        self._inner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        """See the base class."""
        self._inner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """See the base class."""
        # The SDK refuses a local activity that its worker doesn't have, before anybody can note it.
        functions = {**det.extern_functions, _LOCAL_ACTIVITY_CHECK: lambda _: None}
        return _Guarded(self._inner.create_instance(replace(det, extern_functions=functions)), self)

    def outward(self, command: Any) -> str:
        """What a command would do beyond the rehearsal, in words; empty if it does nothing so."""
        kind = command.WhichOneof("variant")
        order = getattr(command, kind)
        match kind:
            case "schedule_activity":
                inward = order.activity_type in self._served and order.task_queue == self._queue
            case "schedule_local_activity":
                inward = order.activity_type in self._served
            case "start_child_workflow_execution":
                inward = order.task_queue == self._queue
            case "continue_as_new_workflow_execution":
                inward = order.task_queue in ("", self._queue)
            case "signal_external_workflow_execution":
                inward = bool(order.child_workflow_id) or self._stage.is_own(
                    order.workflow_execution.workflow_id
                )
            case "request_cancel_external_workflow_execution":
                return f"would cancel the workflow {order.workflow_execution.workflow_id}"
            case _:
                inward = kind in _INWARD
        return "" if inward else f"would {kind.replace('_', ' ')}"

    def skip(self, duration: timedelta) -> None:
        """Note a wait that was cut short."""
        self._stage.skip(duration)


class _Guarded(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance, guard: RehearsalRunner) -> None:
        self._instance = instance
        self._guard = guard
        self._waits = _Waits()

    def activate(self, act: Any) -> Any:
        """Let the workflow go on, and look at the commands that come of it."""
        waits = self._waits
        for skipped in waits.resolved(act.jobs):
            if not act.is_replaying:
                self._guard.skip(skipped)
        now = timedelta(microseconds=act.timestamp.ToMicroseconds()) + waits.ahead
        if waits.ahead:
            act.timestamp.FromMicroseconds(now // timedelta(microseconds=1))
        completion = self._instance.activate(act)
        for command in completion.successful.commands:
            if told := self._guard.outward(command):
                # The SDK's worker makes this the failure of the run, not of the workflow task.
                raise ApplicationError(
                    f"the workflow {told}, which a rehearsal can't show",
                    type="NotRehearsed",
                    non_retryable=True,
                )
        waits.ordered(completion.successful.commands, now)
        return completion

    def get_thread_id(self) -> int | None:
        """See the base class."""
        return self._instance.get_thread_id()

    def get_serialization_context(self, command_info: Any) -> Any:
        """See the base class."""
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        """See the base class."""
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Any:
        """See the base class."""
        return self._instance.get_info()


class _Waits:
    """What a workflow waits for."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self._others: set[tuple[str, int]] = set()
        self._timers: dict[int, timedelta] = {}
        self._cut: dict[int, timedelta] = {}

    def resolved(self, jobs: Any) -> Iterator[timedelta]:
        """Strike out what has come; gives the waits that were cut short, and puts the clock on."""
        for job in jobs:
            kind = job.WhichOneof("variant")
            if kind == "fire_timer":
                self._timers.pop(job.fire_timer.seq, None)
                cut = self._cut.pop(job.fire_timer.seq, None)
                if cut is not None:
                    self.ahead += cut
                    yield cut
            elif kind == "resolve_activity":
                self._others.discard(("activity", job.resolve_activity.seq))
            elif kind == "resolve_child_workflow_execution":
                self._others.discard(("child", job.resolve_child_workflow_execution.seq))
            elif kind == "resolve_child_workflow_execution_start":
                start = job.resolve_child_workflow_execution_start
                if start.WhichOneof("status") != "succeeded":
                    self._others.discard(("child", start.seq))

    def ordered(self, commands: Any, now: timedelta) -> None:
        """Take up what is waited for from now on, and cut the next wait short if it can be."""
        started: dict[int, Any] = {}
        for command in commands:
            kind = command.WhichOneof("variant")
            order = getattr(command, kind)
            if kind == "start_timer":
                started[order.seq] = order
                self._timers[order.seq] = now + order.start_to_fire_timeout.ToTimedelta()
            elif kind == "cancel_timer":
                for known in (self._timers, self._cut):
                    known.pop(order.seq, None)
            elif kind in {"schedule_activity", "schedule_local_activity"}:
                self._others.add(("activity", order.seq))
            elif kind == "start_child_workflow_execution" and order.workflow_type != LOCK_WORKFLOW:
                # A lock is open as long as it is held, and not waited for.
                self._others.add(("child", order.seq))
        if self._others or not self._timers:
            return
        first = min(self._timers, key=self._timers.__getitem__)
        wait = self._timers[first] - now
        if first in started and wait > _SHORTEST:
            started[first].start_to_fire_timeout.FromTimedelta(_SHORT)
            self._cut[first] = wait - _SHORT
