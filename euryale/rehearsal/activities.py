"""What a rehearsal knows of an application's activities, before any of them is called.

It carries out reads and previews for real, and nothing else. So the worker of a rehearsal has no
other activity: what slipped through could not be executed there.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any, Literal

from euryale.registry import Registry
from euryale.sagas.step import StepMark, StepResponse, activity_name, step_mark
from euryale.services.activities import class_activities, service_activities
from euryale.services.method import Method, ServiceDefinition
from euryale.services.service import method_mark
from euryale.services.service_container import ServiceContainer
from euryale.sweeps.activities import sweep_activities
from euryale.sweeps.declaration import declared_in, only_sweeps
from euryale.sweeps.messages import COUNT, TAKE_BACK, WALK

SWEEP_READS = frozenset({COUNT, WALK})
"""The activities of a sweep that only read."""

Kind = Literal["read", "mutation", "compensation"]


@dataclass(frozen=True)
class KnownActivity:
    """An activity, as far as a rehearsal is concerned.

    Attributes:
        name: Such as `product.update`.
        kind: Whether it only reads, changes something, or takes something back.
        parameters: The names of its arguments, where they come one by one.
        words: What its declaration says that it would do, with `{}` for the number of things.
        preview: The read that tells what it would return; empty if there is none.
        undo: What takes it back; empty if nothing does.
        step: Whether it returns a `StepResponse`.
        output: The type of what it returns; of a step, of its output.
    """

    name: str
    kind: Kind
    parameters: tuple[str, ...] = ()
    words: str = ""
    preview: str = ""
    undo: str = ""
    step: bool = False
    output: Any = Any

    @property
    def returns_nothing(self) -> bool:
        """Whether what it returns is known without a call."""
        return self.output in (None, NoneType)


def known_activities(registry: Registry) -> dict[str, KnownActivity]:
    """All activities of an application by name."""
    known = [
        _of_method(service, method)
        for service in registry.services.values()
        for method in service.methods.values()
    ]
    compensations: set[str] = set()
    previews: set[str] = set()
    for declared in _declared(registry.parts.activities):
        mark = step_mark(declared)
        if mark is not None and mark.compensation is not None:
            compensations.add(activity_name(mark.compensation))
        if mark is not None and mark.preview is not None:
            previews.add(activity_name(mark.preview))
        known.append(_of_activity(declared, mark))
    for one in declared_in(registry.parts.activities).values():
        if one.mark.kind == "step":
            undo = "" if one.mark.undo is None else TAKE_BACK
            known.append(KnownActivity(one.mark.name, "mutation", words=one.mark.words, undo=undo))
            known.append(KnownActivity(TAKE_BACK, "compensation", words="take back {} rows"))
    found = {each.name: each for each in known}
    for name in compensations & found.keys():
        found[name] = replace(found[name], kind="compensation")
    for name in previews & found.keys():
        found[name] = replace(found[name], kind="read")
    return found


def rehearsal_activities(
    container: ServiceContainer, registry: Registry, known: Mapping[str, KnownActivity]
) -> list[Callable[..., Any]]:
    """The activities of a rehearsal's worker: those that change nothing."""
    services = [
        replace(
            service,
            methods={
                name: method for name, method in service.methods.items() if _reads(known, method)
            },
        )
        for service in registry.services.values()
    ]
    classes = registry.parts.activities
    native = class_activities(container, [each for each in classes if not only_sweeps(each)])
    return [
        *service_activities(container, services),
        *(
            each
            for each in sweep_activities(container, classes)
            if activity_name(each) in SWEEP_READS
        ),
        *(each for each in native if known[activity_name(each)].kind == "read"),
    ]


def _reads(known: Mapping[str, KnownActivity], method: Method) -> bool:
    return known[method.activity].kind == "read"


def _of_method(service: ServiceDefinition, method: Method) -> KnownActivity:
    mark = method.mark
    return KnownActivity(
        name=method.activity,
        kind=mark.kind,
        parameters=tuple(method.signature.parameters),
        words=mark.words,
        preview=f"{service.name}.{mark.preview}" if mark.preview else "",
        undo=f"{service.name}.{mark.undo}" if mark.undo else "",
        output=method.result_type,
    )


def _declared(classes: Iterable[type]) -> Iterator[Callable[..., Any]]:
    for cls in classes:
        for _, member in inspect.getmembers(cls, inspect.isfunction):
            if hasattr(member, "__temporal_activity_definition"):
                yield member


def _of_activity(declared: Callable[..., Any], mark: StepMark | None) -> KnownActivity:
    output = typing.get_type_hints(declared).get("return", Any)
    if mark is not None:
        output = typing.get_args(output)[0] if typing.get_origin(output) is StepResponse else Any
    parameters = tuple(inspect.signature(declared).parameters)[1:]
    return KnownActivity(
        name=activity_name(declared),
        # Unmarked, it counts as a mutation, as a service's method does.
        kind="mutation" if mark is not None else method_mark(declared).kind,
        parameters=parameters,
        words=mark.words if mark else method_mark(declared).words,
        preview=activity_name(mark.preview) if mark and mark.preview else "",
        undo=activity_name(mark.compensation) if mark and mark.compensation else "",
        step=mark is not None,
        output=output,
    )
