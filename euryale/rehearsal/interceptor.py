"""What stands between a rehearsed workflow and the world: reads pass, changes are only noted."""

import asyncio
import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

from pydantic import ValidationError
from temporalio import workflow
from temporalio.exceptions import ApplicationError, ChildWorkflowError, FailureError
from temporalio.worker import (
    ContinueAsNewInput,
    ExecuteWorkflowInput,
    Interceptor,
    SignalChildWorkflowInput,
    SignalExternalWorkflowInput,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    StartNexusOperationInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from euryale.rehearsal.activities import SWEEP_READS
from euryale.rehearsal.calls import Calls
from euryale.rehearsal.children import RehearsedChild, StandInChild
from euryale.rehearsal.notes import Notes, numbered
from euryale.rehearsal.place import line_of
from euryale.rehearsal.stage import Stage
from euryale.rehearsal.sweeps import rehearsed_sweep
from euryale.rehearsal.unknown import SawNoFurther, Unknown, unknown_of, unknowns_in
from euryale.sagas.run_undo import LAST_RUN, UNDO_WORKFLOW
from euryale.sagas.undo_report import UndoReport
from euryale.services.durable_calls import ONE_BY_ONE_FUNCTION
from euryale.sweeps.messages import SWEEP_WORKFLOW

BLIND = "RehearsalBlind"
"""The type of the failure of a workflow that could not see further."""


class RehearsalInterceptor(Interceptor):
    """Puts a stage between a worker's workflows and the world."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 -- Temporal's name
    ) -> type[WorkflowInboundInterceptor]:
        """See the base class."""
        # Each call is looked at where the handler makes it.
        input.unsafe_extern_functions[ONE_BY_ONE_FUNCTION] = lambda: True
        stage = self._stage

        class Rehearsed(_Inbound):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                self.open(stage, outbound)

        return Rehearsed


class _Inbound(WorkflowInboundInterceptor):
    def open(self, stage: Stage, outbound: WorkflowOutboundInterceptor) -> None:
        self._stage = stage
        self._outbound = _Outbound(outbound, stage)
        super().init(self._outbound)

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 -- Temporal's name
        """End a workflow that saw no further, whatever its code makes of that."""
        workflow_id = workflow.info().workflow_id
        task = asyncio.current_task()
        if task is not None:
            self._stage.under_way[workflow_id] = task.get_coro()
        try:
            result = await super().execute_workflow(input)
            await self._outbound.abandoned()
        except (SawNoFurther, BaseExceptionGroup) as error:
            if workflow_id not in self._stage.blind:
                raise
            raise self._blind(workflow_id) from error
        except Exception as error:
            self._look_for_unknown(error)
            if workflow_id in self._stage.blind:
                raise self._blind(workflow_id) from error
            if isinstance(error, FailureError) or type(error).__module__.startswith("temporalio"):
                raise
            # In a workflow of Temporal's own kind it would fail the workflow task, over and over.
            raise ApplicationError(
                str(error), type=type(error).__name__, non_retryable=True
            ).with_traceback(error.__traceback__) from error.__cause__
        finally:
            self._stage.under_way.pop(workflow_id, None)
        if workflow_id in self._stage.blind:
            raise self._blind(workflow_id)
        return result

    def _blind(self, workflow_id: str) -> ApplicationError:
        blind = self._stage.blind[workflow_id]
        return ApplicationError(blind.reason, type=BLIND, non_retryable=True)

    def _look_for_unknown(self, error: BaseException) -> None:
        """Recognise the errors that are raised where an unknown value can't raise its own."""
        for each in _chain(error):
            if isinstance(each, ValidationError):
                for problem in each.errors(include_url=False, include_context=False):
                    for unknown in unknowns_in(problem["input"]):
                        self._outbound.notes.needs(unknown_of(unknown), line_of(each.__traceback__))
            elif isinstance(each, TypeError) and f"{Unknown.__name__} found" in str(each):
                self._outbound.notes.needs("a value that isn't known", line_of(each.__traceback__))


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, following: WorkflowOutboundInterceptor, stage: Stage) -> None:
        super().__init__(following)
        self._stage = stage
        self.notes = Notes(stage)
        self._calls = Calls(self.notes)
        self._abandoned: list[RehearsedChild] = []
        self._own_ids: dict[str, str] = {}

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 -- Temporal's name
        """Let a read pass, to the rehearsal's own worker; note anything else."""
        if input.activity == LAST_RUN:  # a rehearsed child has one run
            return self._calls.answer(input.args[1])
        here = replace(input, task_queue=None, disable_eager_execution=False)
        if input.activity in SWEEP_READS:
            return self.next.start_activity(here)
        return self._calls.start(here, self.next.start_activity)

    def start_local_activity(
        self,
        input: StartLocalActivityInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ActivityHandle[Any]:
        """The same for a local activity."""
        return self._calls.start(input, self.next.start_local_activity)

    async def start_child_workflow(
        self,
        input: StartChildWorkflowInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        """Rehearse a workflow of the application, too; note the start of any other one."""
        if input.workflow == SWEEP_WORKFLOW:
            return await rehearsed_sweep(self.notes, input, self._own_id(input.id))
        key = self.notes.key()
        if input.workflow == UNDO_WORKFLOW:
            # It reads what was done in histories, and those of a rehearsal know of nothing.
            self._stage.take_back(key, input.args[0].run_id, workflow.info().workflow_type)
            return StandInChild(UndoReport(), input.id, lambda *_: None)
        if input.workflow not in self._stage.workflows:
            self.notes.note(key, "start", input.workflow, numbered(input.args), id=input.id)
            result = self.notes.unknown(input.workflow, input.workflow)
            return StandInChild(result, input.id, functools.partial(self._note_signal, input.id))
        handle = await self.next.start_child_workflow(
            replace(
                input,
                # The id that the code gives may be that of a workflow which really runs.
                id=self._own_id(input.id),
                task_queue=workflow.info().task_queue,
                cron_schedule="",
                search_attributes=None,
                versioning_override=None,
                # Nothing of a rehearsal outlives it.
                parent_close_policy=workflow.ParentClosePolicy.TERMINATE,
            )
        )
        if handle.first_execution_run_id:
            self._stage.runs(handle.first_execution_run_id, handle.id)
        child = RehearsedChild(self._outcome(handle, input.workflow), handle, input.id)
        if input.parent_close_policy == workflow.ParentClosePolicy.ABANDON:
            self._abandoned.append(child)
        return child

    async def _outcome(self, handle: workflow.ChildWorkflowHandle[Any, Any], name: str) -> Any:
        try:
            return await handle
        except ChildWorkflowError as error:
            if isinstance(error.cause, ApplicationError) and error.cause.type == BLIND:
                # It hasn't failed: nobody knows what it would have returned.
                return self.notes.unknown(name, name)
            raise

    async def abandoned(self) -> None:
        """Wait for the children that would outlive this workflow."""
        for child in self._abandoned:
            try:
                await child
            except FailureError:
                continue

    async def signal_child_workflow(self, input: SignalChildWorkflowInput) -> None:  # noqa: A002 -- Temporal's name
        """Let a signal to a rehearsed child pass."""
        await self.next.signal_child_workflow(input)

    async def signal_external_workflow(self, input: SignalExternalWorkflowInput) -> None:  # noqa: A002 -- Temporal's name
        """Note a signal to a workflow that really runs; one to the rehearsal's own passes."""
        own = self._own_ids.get(input.workflow_id, input.workflow_id)
        if self._stage.is_own(own):
            await self.next.signal_external_workflow(replace(input, workflow_id=own))
            return
        self._note_signal(input.workflow_id, input.signal, input.args)

    def _note_signal(self, workflow_id: str, signal: str, args: Any) -> None:
        self.notes.note(
            self.notes.key(), "signal", signal, {"workflow_id": workflow_id, **numbered(args)}
        )

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:  # noqa: A002 -- Temporal's name
        """Go on in the rehearsal, on its own task queue."""
        self.next.continue_as_new(replace(input, task_queue=None))

    async def start_nexus_operation(self, input: StartNexusOperationInput[Any, Any]) -> Any:  # noqa: A002 -- Temporal's name
        """See no further than a call into another namespace."""
        self.notes.needs(f"Nexus operation {input.service}.{input.operation_name}")
        raise SawNoFurther(input.operation_name)

    def _own_id(self, workflow_id: str) -> str:
        own = workflow.info().workflow_id
        if not workflow_id.startswith(f"{own}/"):
            self._own_ids[workflow_id] = f"{own}/{workflow_id}"
        return self._own_ids.get(workflow_id, workflow_id)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
