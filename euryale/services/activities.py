"""The worker's side of durable calls: activities that reach the real services.

Each activity gets a scope of the service container of its own. What an exception means is decided
here: a mistake that no repetition mends fails the call at once, anything else is tried again.
"""

import asyncio
import contextlib
import inspect
import json
import typing
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from euryale.errors import (
    EuryaleError,
    PayloadTooLarge,
    ServiceInvalid,
    ServiceUnavailable,
)
from euryale.runs.failures import bounded
from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.sagas.step import activity_name, step_mark
from euryale.services.method import Method, ServiceDefinition
from euryale.services.service_container import ServiceContainer
from euryale.services.undo_record import recording, with_undo

MISTAKES = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    NameError,
    ArithmeticError,
    AssertionError,
    NotImplementedError,
    EuryaleError,
)
"""Exceptions that come back however often a call is repeated."""

HEALS = (OSError, json.JSONDecodeError, ServiceUnavailable)
"""Exceptions that are of those classes too, and may be gone the next time: a certificate that
can't be verified, a proxy's page of HTML."""

BEAT = timedelta(seconds=3)
"""How often a call in progress tells the server that its worker lives."""


def service_activities(
    container: ServiceContainer, services: Iterable[ServiceDefinition]
) -> list[Callable[..., Any]]:
    """One activity for each durable method of each service."""
    return [
        _method_activity(container, service.name, method)
        for service in services
        for method in service.methods.values()
    ]


def class_activities(
    container: ServiceContainer, classes: Iterable[type]
) -> list[Callable[..., Any]]:
    """The activities that the classes declare, each on an instance made for its own call.

    Raises:
        ServiceInvalid: A class declares no activity, or its constructor names what no provider
            provides.
    """
    found: list[Callable[..., Any]] = []
    for cls in classes:
        names = [
            name
            for name, member in inspect.getmembers(cls, inspect.isfunction)
            if hasattr(member, "__temporal_activity_definition")
        ]
        if not names:
            raise ServiceInvalid(
                f"{cls.__qualname__} has no activities",
                where=f"{cls.__module__}.{cls.__qualname__}",
                mend="decorate its methods with @step or Temporal's @activity.defn",
            )
        container.prepare(cls)
        found += [_declared_activity(container, cls, name) for name in names]
    return found


def _method_activity(
    container: ServiceContainer, service: str, method: Method
) -> Callable[..., Any]:
    async def carry_out(arguments: RawValue) -> RawValue:
        converter = activity.payload_converter()
        try:
            given = converter.from_payload(arguments.payload, method.arguments_type)
        except ValidationError as error:
            # A call that was recorded before a release must still fit the method after it.
            raise method.refusal(error) from None
        async with container.activity_scope() as scope:
            with recording() as record:
                result = await method.call_with(await scope.get(service), given)
            # Inside the scope, so that a result that can't travel takes the change back with it
            # where the service's transaction is the activity's.
            payload = with_undo(converter.to_payload(result), record.value, converter)
            _refuse_if_too_large(method.activity, payload)
        return RawValue(payload)

    async def call(arguments: RawValue) -> RawValue:
        async with _guarded():
            work = carry_out(arguments)
            return await (work if method.mark.kind == "read" else _to_its_end(work))

    call.__name__ = call.__qualname__ = method.activity
    return activity.defn(name=method.activity)(call)


def _declared_activity(container: ServiceContainer, cls: type, name: str) -> Callable[..., Any]:
    declared: Callable[..., Any] = getattr(cls, name)
    asynchronous = inspect.iscoroutinefunction(declared)
    mark = step_mark(declared)
    compensation = mark.compensation if mark else None
    name_of_activity = activity_name(declared)

    async def carry_out(*args: Any) -> RawValue:
        async with container.activity_scope() as scope:
            instance = await scope.make(cls)
            method = getattr(instance, name)
            result = await (method(*args) if asynchronous else asyncio.to_thread(method, *args))
            payload = activity.payload_converter().to_payload(result)
            try:
                _refuse_if_too_large(name_of_activity, payload)
            except PayloadTooLarge:
                # The workflow will never hear of what was done, so it's taken back here.
                if compensation is not None:
                    await getattr(instance, compensation.__name__)(result.undo)
                raise
        return RawValue(payload)

    async def call(*args: Any) -> Any:
        async with _guarded():
            work = carry_out(*args)
            # A thread can't be stopped in the middle either.
            interruptible = asynchronous and compensation is None
            return await (work if interruptible else _to_its_end(work))

    # Temporal reads an activity's types from its signature and annotations.
    signature = inspect.signature(declared)
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:]
    )
    call.__annotations__ = typing.get_type_hints(declared)
    call.__name__, call.__qualname__ = name, declared.__qualname__
    return activity.defn(name=name_of_activity)(call)


def _refuse_if_too_large(name: str, payload: Payload) -> None:
    if payload.ByteSize() > PAYLOAD_LIMIT:
        raise PayloadTooLarge(
            f"the result of {name} has {payload.ByteSize():,} bytes; Temporal carries "
            f"{PAYLOAD_LIMIT:,} at the most",
            where=name,
            mend="ask for fewer items in one call, or return less of each",
        )


async def _to_its_end(work: Coroutine[Any, Any, RawValue]) -> RawValue:
    """Carry a mutation out to its end though its run was cancelled meanwhile.

    Stopped in the middle, nobody would know whether it took effect. When its worker shuts down or
    its time is over, it's stopped all the same: it will be tried again.
    """
    task = asyncio.ensure_future(work)
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            asked_by_run = details is not None and details.cancel_requested
            if task.done() or not asked_by_run:
                task.cancel()
                await asyncio.wait({task})
                raise


@contextlib.asynccontextmanager
async def _guarded() -> AsyncIterator[None]:
    """Beat for the call while it runs, and say of an exception whether repeating can help."""
    loop = asyncio.get_running_loop()
    beat: asyncio.TimerHandle

    def tick() -> None:
        nonlocal beat
        activity.heartbeat()
        beat = loop.call_later(BEAT.total_seconds(), tick)

    beat = loop.call_later(BEAT.total_seconds(), tick)
    try:
        yield
    except Exception as error:
        if isinstance(error, MISTAKES) and not isinstance(error, HEALS):
            failure = ApplicationError(str(error), type=type(error).__name__, non_retryable=True)
            failure.__cause__ = error.__cause__
            raise bounded(failure.with_traceback(error.__traceback__)) from failure.__cause__
        smaller = bounded(error)
        if smaller is error:
            raise
        raise smaller from smaller.__cause__
    finally:
        beat.cancel()
