"""What an application and the plugins that it chose have together."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from euryale.errors import PluginNameTaken, ServiceInvalid
from euryale.jobs.job_plugin import ChosenPlugin
from euryale.services.container import LOGGER
from euryale.services.method import define_service
from euryale.services.provider import Provider, instance

Services = Mapping[str, type | Provider]


@dataclass(frozen=True)
class Parts:
    """What a worker serves beside the jobs: the application's own, and its plugins'.

    Attributes:
        services: What handlers resolve by name.
        providers: What the services need in turn.
        workflows: Temporal workflows.
        activities: Classes of activities.
        plugins: The plugins that some of it comes from.
    """

    services: Services = field(default_factory=dict)
    providers: Sequence[Provider] = ()
    workflows: Sequence[type] = ()
    activities: Sequence[type] = ()
    plugins: tuple[ChosenPlugin, ...] = ()


def assemble(own: Parts, plugins: Sequence[ChosenPlugin]) -> Parts:
    """Put an application's own parts and those of its plugins together.

    The application's service takes the place of a plugin's of the same name, and its provider
    that of a plugin's of the same type.

    Args:
        own: The application's own.
        plugins: The plugins that it chose.

    Raises:
        PluginNameTaken: Two plugins have a service of one name that the application has not, or a
            workflow or an activity bears the name of another one.
        ServiceInvalid: A service can't be used durably, or is named as none may be.
    """
    refuse_logger(own.services, "Euryale(")
    services = {**_services_of(plugins, own.services), **own.services}
    provided = {_provided(one) for one in (*own.services.values(), *own.providers)}
    parts = Parts(
        services=services,
        providers=[
            *own.providers,
            *(
                provider
                for chosen in plugins
                for provider in (*chosen.plugin.providers, *_options_of(chosen))
                if provider.provides not in provided
            ),
        ],
        workflows=[*own.workflows, *(one for each in plugins for one in each.plugin.workflows)],
        activities=[*own.activities, *(one for each in plugins for one in each.plugin.activities)],
        plugins=tuple(plugins),
    )
    _refuse_equal_names(own, parts)
    return parts


def workflows_by_name(workflows: Iterable[type]) -> dict[str | None, type]:
    """The workflows by the name under which Temporal runs them; a dynamic one's is None."""
    return {
        definition.name: workflow
        for workflow in workflows
        # What Temporal's decorator leaves on the class. One without it is Temporal's to refuse.
        if (definition := getattr(workflow, "__temporal_workflow_definition", None)) is not None
    }


def refuse_logger(services: Services, place: str) -> None:
    """Refuse a service that bears the name of every container's logger.

    Args:
        services: The services by name.
        place: How the call that gives them begins, for the error's message: `Euryale(`.

    Raises:
        ServiceInvalid: One of them does.
    """
    if LOGGER in services:
        raise ServiceInvalid(
            f"a service can't be named '{LOGGER}', since every container has a logger by that name",
            where=f"{place}services={{'{LOGGER}': …}})",
            mend="give the service another name",
        )


def provided_class(name: str, service: type | Provider) -> type:
    """The class whose methods handlers call.

    Raises:
        ServiceInvalid: The service provides something else.
    """
    provided = _provided(service)
    if isinstance(provided, type):
        return provided
    raise ServiceInvalid(
        f"service '{name}' provides {provided!r}, which is no class",
        where=f"Euryale(services={{'{name}': …}})",
        mend="annotate the factory with the class whose methods handlers call",
    )


def _provided(one: type | Provider) -> Any:
    return one.provides if isinstance(one, Provider) else one


def _options_of(chosen: ChosenPlugin) -> list[Provider]:
    """The provider of a plugin's options, by the type that it declares them as."""
    return [] if chosen.options is None else [instance(chosen.options, chosen.plugin.options)]


def _services_of(plugins: Sequence[ChosenPlugin], own: Services) -> Services:
    """The plugins' services that the application doesn't replace."""
    services: dict[str, type | Provider] = {}
    bearers: dict[str, str] = {}
    for chosen in plugins:
        refuse_logger(chosen.plugin.services, f"JobPlugin(name='{chosen.name}', ")
        for name, service in chosen.plugin.services.items():
            if name in own:
                continue
            if name in bearers:
                raise PluginNameTaken(
                    f"the plugins '{bearers[name]}' and '{chosen.name}' both have a service named "
                    f"'{name}'",
                    where="Euryale(plugins=…)",
                    mend="give the application a service of that name, which takes the place of "
                    "both, or choose one of the plugins",
                )
            bearers[name] = chosen.name
            services[name] = service
    return services


@dataclass(frozen=True)
class _Bearer:
    """Who bears a name in Temporal: a workflow or activity, of the application or a plugin."""

    kind: str
    name: str
    place: str
    plugin: str

    def __str__(self) -> str:
        owner = f"plugin '{self.plugin}'" if self.plugin else "the application"
        return f"{self.place} ({owner})"


def _refuse_equal_names(own: Parts, parts: Parts) -> None:
    """Refuse a workflow's or activity's name that is borne twice, if a plugin bears it.

    Two that are both the application's own are refused where the worker is made.
    """
    seen: dict[tuple[str, str], _Bearer] = {}
    for bearer in (
        *_bearers(own, ""),
        *(b for p in parts.plugins for b in _plugin_bearers(p, own)),
    ):
        first = seen.setdefault((bearer.kind, bearer.name), bearer)
        if first is not bearer and (first.plugin or bearer.plugin):
            raise PluginNameTaken(
                f"the {bearer.kind} name '{bearer.name}' is borne by {first} and by {bearer}",
                where="Euryale(plugins=…)",
                mend="rename the application's, or choose one of the plugins",
            )


def _plugin_bearers(chosen: ChosenPlugin, own: Parts) -> Iterator[_Bearer]:
    plugin = chosen.plugin
    services = {name: each for name, each in plugin.services.items() if name not in own.services}
    return _bearers(
        Parts(services=services, workflows=plugin.workflows, activities=plugin.activities),
        chosen.name,
    )


def _bearers(parts: Parts, plugin: str) -> Iterator[_Bearer]:
    for name, workflow in workflows_by_name(parts.workflows).items():
        if name is not None:
            yield _Bearer("workflow", name, _place(workflow), plugin)
    for name, service in parts.services.items():
        provided = provided_class(name, service)
        for method in define_service(name, provided).methods.values():
            yield _Bearer("activity", method.activity, _place(provided), plugin)
    for cls in parts.activities:
        for activity in _activity_names(cls):
            yield _Bearer("activity", activity, _place(cls), plugin)


def _activity_names(cls: type) -> Iterator[str]:
    member: Callable[..., Any]
    for _, member in inspect.getmembers(cls, inspect.isfunction):
        definition = getattr(member, "__temporal_activity_definition", None)
        if definition is not None and definition.name is not None:
            yield definition.name


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
