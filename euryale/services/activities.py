"""The worker's side of durable calls: activities that reach the real services.

Each activity gets a scope of the service container of its own. What a mutation does is carried out
to its end though its run was cancelled meanwhile.
"""

import asyncio
import inspect
import typing
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from euryale.errors import PayloadTooLarge, ServiceInvalid
from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.sagas.step import activity_name, step_mark
from euryale.services.attempt import attempt, in_thread
from euryale.services.method import Method, ServiceDefinition
from euryale.services.service_container import ServiceContainer
from euryale.services.undo_record import recording, with_undo


def service_activities(
    container: ServiceContainer,
    services: Iterable[ServiceDefinition],
    jitters: Mapping[str, float] = MappingProxyType({}),
) -> list[Callable[..., Any]]:
    """One activity for each durable method of each service.

    Args:
        container: Where the services come from.
        services: Their definitions.
        jitters: The jitter of the retry policy of jobs, by their names.
    """
    return [
        _method_activity(container, service.name, method, jitters)
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
        jitters = _jitters(getattr(cls, name) for name in names)
        found += [_declared_activity(container, cls, name, jitters.get(name, 0)) for name in names]
    return found


def _jitters(members: Iterable[Callable[..., Any]]) -> dict[str, float]:
    """The jitter of each step's retry policy and of its compensation's, by the methods' names."""
    found: dict[str, float] = {}
    for member in members:
        mark = step_mark(member)
        if mark is not None:
            found[member.__name__] = mark.retry.jitter
            if mark.compensation is not None:
                found[mark.compensation.__name__] = mark.compensation_retry.jitter
    return found


def _method_activity(
    container: ServiceContainer, service: str, method: Method, jitters: Mapping[str, float]
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
        async with attempt(jitters.get(activity.info().workflow_type or "", 0)):
            work = carry_out(arguments)
            return await (work if method.mark.kind == "read" else _to_its_end(work))

    call.__name__ = call.__qualname__ = method.activity
    return activity.defn(name=method.activity)(call)


def _declared_activity(
    container: ServiceContainer, cls: type, name: str, jitter: float
) -> Callable[..., Any]:
    declared: Callable[..., Any] = getattr(cls, name)
    asynchronous = inspect.iscoroutinefunction(declared)
    mark = step_mark(declared)
    compensation = mark.compensation if mark else None
    name_of_activity = activity_name(declared)

    async def carry_out(*args: Any) -> RawValue:
        async with container.activity_scope() as scope:
            instance = await scope.make(cls)
            method = getattr(instance, name)
            result = await (method(*args) if asynchronous else in_thread(method, *args))
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
        async with attempt(jitter):
            work = carry_out(*args)
            # A thread can't be stopped at any point either.
            interruptible = asynchronous and mark is None
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
    told = False
    while True:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            asked_by_run = details is not None and details.cancel_requested
            if task.done() or told or not asked_by_run:
                task.cancel()
                await asyncio.wait({task})
                raise
            # The run asks once; whatever comes after that is the attempt's timeout or the end of
            # the worker.
            told = True
