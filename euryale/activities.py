"""The worker's side of durable calls: activities that reach the real services.

Each activity gets a scope of the service container of its own. What an exception means is decided
here: a mistake that no repetition mends fails the call at once, anything else is tried again.
"""

import asyncio
import contextlib
import inspect
import typing
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import activity
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError

from euryale.durable_service import PAYLOAD_LIMIT
from euryale.errors import (
    EuryaleError,
    PayloadTooLarge,
    ServiceInvalid,
    ServiceUnavailable,
)
from euryale.method import Method, ServiceDefinition
from euryale.service_container import ServiceContainer

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
    async def call(arguments: RawValue) -> RawValue:
        converter = activity.payload_converter()
        async with _guarded():
            try:
                given = converter.from_payload(arguments.payload, method.arguments_type)
            except ValidationError as error:
                # A call that was recorded before a release must still fit the method after it.
                raise method.refusal(error) from None
            async with container.activity_scope() as scope:
                result = await method.call_with(await scope.get(service), given)
                payload = converter.to_payload(result)
            if payload.ByteSize() > PAYLOAD_LIMIT:
                raise PayloadTooLarge(
                    f"the result of {method.activity} has {payload.ByteSize():,} bytes; Temporal "
                    f"carries {PAYLOAD_LIMIT:,} at the most",
                    where=method.activity,
                    mend="ask for fewer items in one call, or return less of each",
                )
        return RawValue(payload)

    call.__name__ = call.__qualname__ = method.activity
    return activity.defn(name=method.activity)(call)


def _declared_activity(container: ServiceContainer, cls: type, name: str) -> Callable[..., Any]:
    declared: Callable[..., Any] = getattr(cls, name)
    asynchronous = inspect.iscoroutinefunction(declared)

    async def call(*args: Any) -> Any:
        async with _guarded(), container.activity_scope() as scope:
            method = getattr(await scope.make(cls), name)
            if asynchronous:
                return await method(*args)
            return await asyncio.to_thread(method, *args)

    # Temporal reads an activity's types from its signature and annotations.
    signature = inspect.signature(declared)
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:]
    )
    call.__annotations__ = typing.get_type_hints(declared)
    call.__name__, call.__qualname__ = name, declared.__qualname__
    return activity.defn(name=_activity_name(declared))(call)


def _activity_name(declared: Callable[..., Any]) -> str | None:
    definition = getattr(declared, "__temporal_activity_definition")
    name: str | None = definition.name
    return name


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
    except FailureError:
        raise
    except MISTAKES as error:
        if isinstance(error, ServiceUnavailable):
            raise
        raise ApplicationError(
            str(error), type=type(error).__name__, non_retryable=True
        ).with_traceback(error.__traceback__) from error.__cause__
    finally:
        beat.cancel()
