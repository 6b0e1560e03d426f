"""How each call of an application is taken back: what steps and services say of themselves."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from euryale.registry import Registry
from euryale.sagas.lock_workflow import LOOK
from euryale.sagas.step import StepMark, activity_name, step_mark
from euryale.services.method import Method, ServiceDefinition
from euryale.services.service import declared_mark
from euryale.sweeps.declaration import SweepMark, declared_in
from euryale.sweeps.messages import COUNT, WALK


@dataclass(frozen=True)
class StepWay:
    """A step: what it says of itself, and what its response holds."""

    mark: StepMark
    response_type: Any
    input_type: Any


@dataclass(frozen=True)
class MutationWay:
    """A mutation of a service, with the method that takes it back; None where it names none."""

    method: Method
    undo: Method | None


@dataclass(frozen=True)
class Ways:
    """What the activities of an application are, by their names.

    Attributes:
        steps: Its steps.
        mutations: The mutations of its services.
        sweeps: The steps of its sweeps.
        harmless: Activities that leave nothing to take back: reads, previews of steps, looks for a
            lock, and a sweep's looks for rows.
        served: Every activity of the application.
    """

    steps: Mapping[str, StepWay] = field(default_factory=dict)
    mutations: Mapping[str, MutationWay] = field(default_factory=dict)
    sweeps: Mapping[str, SweepMark] = field(default_factory=dict)
    harmless: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset()


def ways_of(registry: Registry) -> Ways:
    """What the activities of an application are."""
    steps = {way.mark.name: way for way in _steps(registry.parts.activities)}
    mutations = {way.method.activity: way for way in _mutations(registry.services.values())}
    reads = {
        method.activity
        for service in registry.services.values()
        for method in service.methods.values()
        if method.mark.kind == "read"
    }
    native = {activity_name(member): member for member in _activities(registry.parts.activities)}
    marked = {name for name, member in native.items() if _is_read(member)}
    previews = {activity_name(way.mark.preview) for way in steps.values() if way.mark.preview}
    declared = declared_in(registry.parts.activities).values()
    sweeps = {one.mark.name: one.mark for one in declared if one.mark.kind == "step"}
    return Ways(
        steps=steps,
        mutations=mutations,
        sweeps=sweeps,
        harmless=frozenset(reads | marked | previews | {LOOK, WALK, COUNT}),
        served=frozenset({*native, *reads, *mutations, *sweeps}),
    )


def _is_read(member: Any) -> bool:
    mark = declared_mark(member)
    return mark is not None and mark.kind == "read"


def _activities(classes: Iterable[type]) -> Iterator[Any]:
    for cls in classes:
        for _, member in inspect.getmembers(cls, inspect.isfunction):
            if hasattr(member, "__temporal_activity_definition"):
                yield member


def _steps(classes: Iterable[type]) -> Iterator[StepWay]:
    for member in _activities(classes):
        mark = step_mark(member)
        if mark is not None:
            definition = getattr(member, "__temporal_activity_definition")
            (input_type, *_) = definition.arg_types or [Any]
            yield StepWay(mark, definition.ret_type, input_type)


def _mutations(services: Iterable[ServiceDefinition]) -> Iterator[MutationWay]:
    for service in services:
        for method in service.methods.values():
            if method.mark.kind == "mutation":
                undo = method.mark.undo
                yield MutationWay(method, None if undo is None else service.methods[undo])
