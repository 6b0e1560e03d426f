"""The worker's side of durable calls: activities that reach the real services.

Each activity gets a scope of the service container of its own. What a mutation does is carried out
to its end though its run was cancelled meanwhile.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from temporalio import activity
from temporalio.common import RawValue

from euryale.errors import PayloadTooLarge, ServiceInvalid
from euryale.sagas.step import activity_name, step_mark
from euryale.services.attempt import attempt, in_thread, refuse_if_too_large, to_its_end
from euryale.services.method import ServiceDefinition
from euryale.services.method_activity import MethodActivity
from euryale.services.service_container import ServiceContainer


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
        MethodActivity(container, service.name, method, jitters).definition()
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
                refuse_if_too_large(name_of_activity, payload)
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
            return await (work if interruptible else to_its_end(work))

    # Temporal reads an activity's types from its signature and annotations.
    signature = inspect.signature(declared)
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:]
    )
    call.__annotations__ = typing.get_type_hints(declared)
    call.__name__, call.__qualname__ = name, declared.__qualname__
    return activity.defn(name=name_of_activity)(call)
