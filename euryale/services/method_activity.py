"""The activity of a service's method: it carries one call of it, or many."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from euryale.errors import ServiceInvalid
from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.services.attempt import attempt, refuse_if_too_large, time_for_code, to_its_end
from euryale.services.bulk import BulkCall
from euryale.services.bundle_attempt import BundleAttempt
from euryale.services.call_sending import attempts_before
from euryale.services.idempotency import CurrentCall, carrying_out, key_of
from euryale.services.method import Method
from euryale.services.payload_bundle import is_bundle
from euryale.services.quick_json import QuickJson
from euryale.services.service_container import ServiceContainer
from euryale.services.undo_record import recording, with_given, with_undo

BUNDLE_BEAT = timedelta(milliseconds=500)
"""How often an activity that carries many calls tells the server which of them are done."""


class MethodActivity:
    """Carries calls of a method out, on services made for the activity.

    Args:
        container: Where the services come from.
        service: The service's name.
        method: Its method.
        jitters: The jitter of the retry policy of jobs, by their names.
    """

    def __init__(
        self,
        container: ServiceContainer,
        service: str,
        method: Method,
        jitters: Mapping[str, float],
    ) -> None:
        self._container = container
        self._service = service
        self._method = method
        self._jitters = jitters

    def definition(self) -> Callable[..., Any]:
        """The native activity."""
        method = self._method

        async def call(arguments: RawValue) -> RawValue:
            jitter = self._jitters.get(activity.info().workflow_type or "", 0)
            if is_bundle(arguments.payload):
                return RawValue(await self._bundle(arguments.payload, jitter))
            return RawValue(await self._single(arguments.payload, jitter))

        call.__name__ = call.__qualname__ = method.activity
        return activity.defn(name=method.activity)(call)

    async def _single(self, payload: Payload, jitter: float) -> Payload:
        info = activity.info()
        key = key_of(info.workflow_id or "", info.workflow_run_id or "", info.activity_id)
        call = CurrentCall(key, info.attempt + attempts_before(payload))
        mark = self._method.mark
        async with attempt(jitter):
            with carrying_out(call):
                work = self._carry_out(payload)
                returned = await (work if mark.kind == "read" else to_its_end(work))
        if info.is_local and mark.undo is not None:
            # A local activity's record doesn't hold what it was given, and its undo needs that.
            returned = with_given(returned, payload)
            if returned.ByteSize() > PAYLOAD_LIMIT:
                raise ApplicationError(
                    "too large for a local call's record", type="PayloadTooLarge"
                )
        return returned

    async def _bundle(self, payload: Payload, jitter: float) -> Payload:
        many = self._many if self._method.mark.bulk else None
        bundle = BundleAttempt(payload, self._one, many, jitter)
        async with attempt(jitter, details=bundle.details, beat_every=BUNDLE_BEAT):
            work = bundle.carry_out()
            if self._method.mark.kind == "read":
                return await work
            return await to_its_end(work, bundle.stop)

    async def _one(self, payload: Payload) -> Payload:
        """One call of many, which has a time limit of its own."""
        timeout = self._method.mark.timeout
        limit = asyncio.timeout(time_for_code(timeout))
        try:
            async with limit:
                return await self._carry_out(payload)
        except TimeoutError as error:
            if not limit.expired():
                raise
            name = self._method.activity
            reason = f"{name} took longer than the {timeout} that one attempt may take"
            raise TimeoutError(reason) from error

    async def _many(
        self, payloads: Sequence[Payload], calls: Sequence[CurrentCall]
    ) -> list[Payload | Exception]:
        converter = QuickJson(activity.payload_converter())
        bulk = [
            BulkCall(self._given(payload, converter), call.key, call.attempt)
            for payload, call in zip(payloads, calls, strict=True)
        ]
        async with self._container.activity_scope() as scope:
            service = await scope.get(self._service)
            results = await getattr(service, self._method.mark.bulk or "")(bulk)
            if not isinstance(results, Sequence) or len(results) != len(bulk):
                # It may have done anything: to make each call alone could do it twice.
                return [self._not_as_many(results, len(bulk))] * len(bulk)
            return [
                _written(result, call, converter)
                for call, result in zip(bulk, results, strict=True)
            ]

    def _not_as_many(self, results: Any, wanted: int) -> ServiceInvalid:
        service, _, method = self._method.activity.rpartition(".")
        name = f"{service}.{self._method.mark.bulk}"
        told = len(results) if isinstance(results, Sequence) else type(results).__name__
        return ServiceInvalid(
            f"{name}, the bulk method of {method}, returned {told} for {wanted} calls, so nobody "
            "knows what became of each",
            where=name,
            mend="return a list with what each call returns, or the exception with which it fails, "
            "in the order of the calls",
        )

    async def _carry_out(self, payload: Payload) -> Payload:
        converter = QuickJson(activity.payload_converter())
        given = self._given(payload, converter)
        async with self._container.activity_scope() as scope:
            with recording() as record:
                result = await self._method.call_with(await scope.get(self._service), given)
            # Inside the scope, so that a result that can't travel takes the change back with it
            # where the service's transaction is the activity's.
            returned = with_undo(converter.to_payload(result), record.value, converter)
            refuse_if_too_large(self._method.activity, returned)
        return returned

    def _given(self, payload: Payload, converter: QuickJson) -> Any:
        try:
            return converter.from_payload(payload, self._method.arguments_type)
        except ValidationError as error:
            # A call that was recorded before a release must still fit the method after it.
            raise self._method.refusal(error) from None


def _written(result: Any, call: BulkCall, converter: QuickJson) -> Payload | Exception:
    """What a bulk method returned for a call; the error of one whose result can't travel."""
    if isinstance(result, Exception):
        return result
    try:
        return with_undo(converter.to_payload(result), call.undo, converter)
    except Exception as error:  # noqa: BLE001 -- the call's own: the others are done
        return error
