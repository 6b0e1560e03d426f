"""The activities of a rehearsed workflow: reads pass, changes are only noted."""

from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, RetryState
from temporalio.worker import StartActivityInput, StartLocalActivityInput

from euryale.rehearsal.activities import KnownActivity
from euryale.rehearsal.children import unlogged
from euryale.rehearsal.notes import Notes, numbered
from euryale.rehearsal.unknown import SawNoFurther, Unknown, plain, unknown_of, unknowns_in
from euryale.rehearsal.unknown_payload import is_unknown
from euryale.sagas.step import UNDO_PREFIX, StepResponse

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


class Calls:
    """The calls of activities that one workflow makes."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._stage = notes.stage

    def start(self, call: Any, pass_on: Any) -> workflow.ActivityHandle[Any]:
        """Let a read pass; note anything else, and answer with what is known of its result.

        Args:
            call: The call, an activity's or a local activity's.
            pass_on: What lets it pass.
        """
        key = self._notes.key()
        name: str = call.activity
        known = self._stage.activities.get(name)
        if known is None and name.startswith(_ENGINE):
            return self._handle(self._refused(call, "a rehearsal has no such activity"))
        unknown = [*_unknown_arguments(call.args)]
        if known is not None and known.kind == "read":
            if unknown:
                self._notes.needs(unknown_of(unknown[0]))
                raise SawNoFurther(unknown_of(unknown[0]))
            if self._stage.fails(key, name):
                return self._handle(self._failed_on_purpose(call))
            if self._stage.read(key, workflow.info().workflow_id, f"{name} {_named(call, known)}"):
                self._notes.ends_in_circles(name)
            handle: workflow.ActivityHandle[Any] = pass_on(
                replace(call, retry_policy=_fewer(call.retry_policy))
            )
            return handle
        compensates = (call.activity_id or "").startswith(UNDO_PREFIX) or (
            known is not None and known.kind == "compensation"
        )
        fails = self._stage.fails(key, name)
        self._notes.note(
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

    def answer(self, value: Any) -> workflow.ActivityHandle[Any]:
        """Answer a call with what is known without it."""
        return self._handle(_result(value))

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
        if self._notes.calls % _CALLS_BETWEEN_PAUSES == 0:
            await workflow.sleep(timedelta(milliseconds=1))
        name: str = call.activity
        if known is not None and known.step:
            output = StepResponse(output, self._notes.unknown(f"{name}.undo", name))
        if call.ret_type is RawValue:
            return RawValue(workflow.payload_converter().to_payload(output))
        return output

    def _output(self, name: str, known: KnownActivity | None) -> Any:
        return (
            None if known is not None and known.returns_nothing else self._notes.unknown(name, name)
        )

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
        return numbered(call.args)
    named = dict(zip(known.parameters, map(plain, call.args), strict=False))
    only = next(iter(named.values())) if len(named) == 1 else None
    # One input that is a model says more by its fields.
    return only if isinstance(only, dict) and only and "unknown" not in only else named


def _fewer(policy: RetryPolicy | None) -> RetryPolicy:
    policy = policy or RetryPolicy()
    most = policy.maximum_attempts or READ_ATTEMPTS
    return replace(policy, maximum_attempts=min(most, READ_ATTEMPTS))


async def _result(value: Any) -> Any:
    return value
