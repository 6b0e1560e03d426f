"""What stands between a rehearsed workflow and the world: reads pass, changes are only noted."""

import asyncio
import functools
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    ChildWorkflowError,
    FailureError,
    RetryState,
)
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

from euryale.rehearsal.activities import KnownActivity
from euryale.rehearsal.children import RehearsedChild, StandInChild, unlogged
from euryale.rehearsal.place import line_of
from euryale.rehearsal.stage import Key, Noted, Stage, What
from euryale.rehearsal.unknown import SawNoFurther, Unknown, plain, unknown_of, unknowns_in
from euryale.rehearsal.unknown_payload import is_unknown
from euryale.sagas.run_undo import LAST_RUN, UNDO_WORKFLOW
from euryale.sagas.step import UNDO_PREFIX, StepResponse
from euryale.sagas.undo_report import UndoReport

BLIND = "RehearsalBlind"
"""The type of the failure of a workflow that could not see further."""

ON_PURPOSE = "RehearsedFailure"
"""The type of the failure that `--fail-at` asks for."""

READ_ATTEMPTS = 3
"""A read that fails is tried again, but nobody watches a rehearsal for an hour."""

_CALLS_BETWEEN_PAUSES = 200
"""Calls that nothing is waited for, until the workflow gives its thread back for a moment: Temporal
takes one that keeps it for two seconds for hung."""

_ENGINE = "euryale"
"""What the names of the engine's own activities begin with."""

_Call = StartActivityInput | StartLocalActivityInput


class RehearsalInterceptor(Interceptor):
    """Puts a stage between a worker's workflows and the world."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 -- Temporal's name
    ) -> type[WorkflowInboundInterceptor]:
        """See the base class."""
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
                        self._outbound.needs(unknown_of(unknown), line_of(each.__traceback__))
            elif isinstance(each, TypeError) and f"{Unknown.__name__} found" in str(each):
                self._outbound.needs("a value that isn't known", line_of(each.__traceback__))


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, following: WorkflowOutboundInterceptor, stage: Stage) -> None:
        super().__init__(following)
        self._stage = stage
        self._calls = 0
        self._abandoned: list[RehearsedChild] = []
        self._own_ids: dict[str, str] = {}

    # --- activities ---------------------------------------------------------------------------

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002 -- Temporal's name
        """Let a read pass, to the rehearsal's own worker; note anything else."""
        if input.activity == LAST_RUN:  # a rehearsed child has one run
            return self._handle(_answered(input.args[1]))
        here = replace(input, task_queue=None, disable_eager_execution=False)
        return self._start(here, self.next.start_activity)

    def start_local_activity(
        self,
        input: StartLocalActivityInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ActivityHandle[Any]:
        """The same for a local activity."""
        return self._start(input, self.next.start_local_activity)

    def _start(self, call: Any, pass_on: Any) -> workflow.ActivityHandle[Any]:
        key = self._key()
        name: str = call.activity
        known = self._stage.activities.get(name)
        if known is None and name.startswith(_ENGINE):
            return self._handle(self._refused(call, "a rehearsal has no such activity"))
        unknown = [*_unknown_arguments(call.args)]
        if known is not None and known.kind == "read":
            if unknown:
                self.needs(unknown_of(unknown[0]))
                raise SawNoFurther(unknown_of(unknown[0]))
            if self._stage.fails(key, name):
                return self._handle(self._failed_on_purpose(call))
            if self._stage.read(key, workflow.info().workflow_id, f"{name} {_named(call, known)}"):
                self._ends_in_circles(name)
            handle: workflow.ActivityHandle[Any] = pass_on(
                replace(call, retry_policy=_fewer(call.retry_policy))
            )
            return handle
        compensates = (call.activity_id or "").startswith(UNDO_PREFIX) or (
            known is not None and known.kind == "compensation"
        )
        fails = self._stage.fails(key, name)
        self._note(
            key,
            "compensation" if compensates else "mutation",
            name,
            _named(call, known),
            failed=fails,
            id=call.activity_id or "",
            summary=getattr(call, "summary", None) or "",
        )
        if fails:
            return self._handle(self._failed_on_purpose(call))
        if known is not None and known.preview and not unknown:
            return self._handle(self._previewed(call, known, pass_on))
        return self._handle(self._answered(call, known, self._output(name, known)))

    async def _previewed(self, call: Any, known: KnownActivity, pass_on: Any) -> Any:
        raw = call.ret_type is RawValue
        output = await pass_on(
            replace(
                call,
                activity=known.preview,
                activity_id=None,
                retry_policy=_fewer(call.retry_policy),
                ret_type=RawValue if raw and not known.step else known.output,
            )
        )
        if raw and not known.step:
            return output
        return await self._answered(call, known, output)

    async def _answered(self, call: Any, known: KnownActivity | None, output: Any) -> Any:
        """What the call's maker gets, in the shape that it waits for."""
        if self._calls % _CALLS_BETWEEN_PAUSES == 0:
            await workflow.sleep(timedelta(milliseconds=1))
        name: str = call.activity
        if known is not None and known.step:
            output = StepResponse(output, self._unknown(f"{name}.undo", name))
        if call.ret_type is RawValue:
            return RawValue(workflow.payload_converter().to_payload(output))
        return output

    def _output(self, name: str, known: KnownActivity | None) -> Any:
        return None if known is not None and known.returns_nothing else self._unknown(name, name)

    async def _failed_on_purpose(self, call: _Call) -> NoReturn:
        await self._refused(call, f"{call.activity} fails here on purpose", ON_PURPOSE)

    async def _refused(
        self,
        call: _Call,
        message: str,
        kind: str = "NotRehearsed",
    ) -> NoReturn:
        error = ActivityError(
            "activity failed",
            scheduled_event_id=0,
            started_event_id=0,
            identity="rehearsal",
            activity_type=call.activity,
            activity_id=call.activity_id or "",
            retry_state=RetryState.NON_RETRYABLE_FAILURE,
        )
        raise error from ApplicationError(message, type=kind, non_retryable=True)

    def _handle(self, answer: Coroutine[Any, Any, Any]) -> workflow.ActivityHandle[Any]:
        handle = workflow.ActivityHandle(answer)
        unlogged(handle)
        return handle

    # --- other workflows ----------------------------------------------------------------------

    async def start_child_workflow(
        self,
        input: StartChildWorkflowInput,  # noqa: A002 -- Temporal's name
    ) -> workflow.ChildWorkflowHandle[Any, Any]:
        """Rehearse a workflow of the application, too; note the start of any other one."""
        key = self._key()
        if input.workflow == UNDO_WORKFLOW:
            # It reads what was done in histories, and those of a rehearsal know of nothing.
            self._stage.take_back(key, input.args[0].run_id, workflow.info().workflow_type)
            return StandInChild(UndoReport(), input.id, lambda *_: None)
        if input.workflow not in self._stage.workflows:
            self._note(key, "start", input.workflow, _numbered(input.args), id=input.id)
            result = self._unknown(input.workflow, input.workflow)
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
                return self._unknown(name, name)
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
        self._note(self._key(), "signal", signal, {"workflow_id": workflow_id, **_numbered(args)})

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:  # noqa: A002 -- Temporal's name
        """Go on in the rehearsal, on its own task queue."""
        self.next.continue_as_new(replace(input, task_queue=None))

    async def start_nexus_operation(self, input: StartNexusOperationInput[Any, Any]) -> Any:  # noqa: A002 -- Temporal's name
        """See no further than a call into another namespace."""
        self.needs(f"Nexus operation {input.service}.{input.operation_name}")
        raise SawNoFurther(input.operation_name)

    # --- what isn't known ---------------------------------------------------------------------

    def needs(self, of: str, where: str = "", source: str = "") -> None:
        """Note that the workflow, at this line, needs a value that nobody knows."""
        info = workflow.info()
        source = source or _source(self._stage, of)
        known = self._stage.activities.get(source)
        mend = ""
        if known is not None:
            form = "@step(…, preview=…)" if known.step else '@mutation(preview="…")'
            mend = f"Give {source} a preview, {form}, and a rehearsal sees further"
        part = f" ({of})" if source and of != source else ""
        self._stage.saw_no_further(
            info.workflow_id,
            info.workflow_type,
            f"needs the result of {source or of}{part}",
            mend,
            where,
        )

    def _unknown(self, of: str, source: str) -> Unknown:
        return Unknown(of, lambda used: self.needs(used, source=source))

    def _ends_in_circles(self, read: str) -> NoReturn:
        info = workflow.info()
        self._stage.saw_no_further(
            info.workflow_id,
            info.workflow_type,
            f"goes round in circles: it waits for {read} to see what it changed, and nothing is",
            "Let it read all that it will change before it changes anything",
        )
        raise SawNoFurther(read)

    # --- keys ---------------------------------------------------------------------------------

    def _key(self) -> Key:
        info = workflow.info()
        blind = self._stage.blind.get(info.workflow_id)
        if blind is not None:
            raise SawNoFurther(blind.reason)
        self._calls += 1
        self._stage.runs(info.run_id, info.workflow_id)
        return info.run_id, self._calls

    def _note(
        self, key: Key, what: What, name: str, arguments: dict[str, Any], **more: Any
    ) -> None:
        info = workflow.info()
        self._stage.note(
            key,
            Noted(
                what=what,
                name=name,
                arguments=arguments,
                workflow=info.workflow_type,
                workflow_id=info.workflow_id,
                where=self._stage.here(),
                **more,
            ),
        )

    def _own_id(self, workflow_id: str) -> str:
        own = workflow.info().workflow_id
        if not workflow_id.startswith(f"{own}/"):
            self._own_ids[workflow_id] = f"{own}/{workflow_id}"
        return self._own_ids.get(workflow_id, workflow_id)


def _source(stage: Stage, of: str) -> str:
    """The activity that would have made a value."""
    return max((name for name in stage.activities if of.startswith(name)), key=len, default="")


def _unknown_arguments(args: Any) -> Iterator[Unknown]:
    for each in args:
        if type(each) is RawValue:
            if is_unknown(each.payload):
                yield from unknowns_in(_decoded(each.payload))
        else:
            yield from unknowns_in(each)


def _decoded(payload: Payload) -> Any:
    return workflow.payload_converter().from_payload(payload)


def _named(call: _Call, known: KnownActivity | None) -> dict[str, Any]:
    """A call's arguments by name, in terms of JSON."""
    if len(call.args) == 1 and type(call.args[0]) is RawValue:
        # A durable service's: all arguments in one, by their names.
        arguments = plain(_decoded(call.args[0].payload))
        return arguments if isinstance(arguments, dict) else {"argument": arguments}
    if known is None or len(known.parameters) < len(call.args):
        return _numbered(call.args)
    named = dict(zip(known.parameters, map(plain, call.args), strict=False))
    only = next(iter(named.values())) if len(named) == 1 else None
    # One input that is a model says more by its fields.
    return only if isinstance(only, dict) and only and "unknown" not in only else named


def _numbered(args: Any) -> dict[str, Any]:
    return {f"argument {number}": plain(each) for number, each in enumerate(args, 1)}


def _fewer(policy: RetryPolicy | None) -> RetryPolicy:
    policy = policy or RetryPolicy()
    most = policy.maximum_attempts or READ_ATTEMPTS
    return replace(policy, maximum_attempts=min(most, READ_ATTEMPTS))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that it came from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


async def _answered(value: Any) -> Any:
    return value
