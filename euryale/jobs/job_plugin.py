"""Plugins: packages that bring jobs, and what these need, to an application that chooses them.

A plugin is a frozen value. An installed package says where its own is by an entry point of the
group `euryale.plugins`; what is installed and not chosen is not even imported. (Euryale itself, as
a plugin of Temporal's worker, is another matter: `euryale.plugin`.)
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from euryale.errors import PluginInvalid, PluginNameTaken, PluginOptionsInvalid
from euryale.jobs.job import JobSource, Problem
from euryale.jobs.option_problems import option_problems
from euryale.services.provider import Provider

GROUP = "euryale.plugins"
"""The group of entry points that lead to plugins."""


@dataclass(frozen=True)
class JobPlugin:
    """What a package brings to the applications that choose it.

    Attributes:
        name: How applications choose it; an entry point bears the same name.
        jobs: The packages of its job files, such as `reviews.jobs`.
        services: What handlers resolve by name. The application's own service of the same name
            takes the place of one.
        providers: What its services need in turn. The application's own provider of the same type
            takes the place of one.
        workflows: Temporal workflows that the application's workers run too.
        activities: Classes of activities.
        options: The model of its options. Its services and activities get the options by this
            type, its handlers as `plugin_options`. None if it has no options.
        given: The options that the application gives; see `with_options`.

    Example:
        >>> class Options(BaseModel):
        ...     days: int = 30
        >>> plugin = JobPlugin(name="reviews", jobs=["reviews.jobs"], options=Options)
        >>> plugin.with_options(days=7).given
        {'days': 7}
    """

    name: str
    jobs: Sequence[str] = ()
    services: Mapping[str, type | Provider] = field(default_factory=dict)
    providers: Sequence[Provider] = ()
    workflows: Sequence[type] = ()
    activities: Sequence[type] = ()
    options: type[BaseModel] | None = None
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise PluginInvalid(
                f"a plugin can't be named '{self.name}'",
                where="JobPlugin(name=…)",
                mend="use a name without slashes, such as 'reviews'",
            )
        if isinstance(self.jobs, str):
            raise PluginInvalid(
                f"the jobs of plugin '{self.name}' are a text, not a list of packages",
                where="JobPlugin(jobs=…)",
                mend=f"write jobs=['{self.jobs}']",
            )

    def with_options(self, **options: Any) -> "JobPlugin":
        """The same plugin with the application's options, which are validated when it is loaded."""
        return replace(self, given=options)


Plugins = Mapping[str, Mapping[str, Any]] | Sequence[str | JobPlugin]
"""How an application chooses: installed plugins by name, with or without options, or values."""


@dataclass(frozen=True)
class ChosenPlugin:
    """A plugin that an application chose.

    Attributes:
        plugin: The plugin.
        options: Its validated options; None if it has none.
        origin: The distribution that it comes from with its version, such as
            `euryale-reviews 1.2.0`; empty for a value that the application gave itself.
    """

    plugin: JobPlugin
    options: BaseModel | None = field(default=None, repr=False)
    origin: str = ""

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.plugin.name

    def sources(self) -> list[JobSource]:
        """The folders of its job files.

        Raises:
            PluginInvalid: One of its packages can't be found.
        """
        return [
            JobSource(
                path=folder,
                plugin_options={} if self.options is None else self.options,
                plugin=self.name,
                package=package,
            )
            for package in self.plugin.jobs
            for folder in _folders(package, self)
        ]


def choose(plugins: Plugins) -> tuple[ChosenPlugin, ...]:
    """Load the plugins that an application chose, and validate the options that it gives.

    Args:
        plugins: What `Euryale(plugins=…)` says.

    Raises:
        PluginInvalid: A plugin is not installed, its import fails, or it is none.
        PluginOptionsInvalid: A plugin's options are not what it declares; names each field, and
            repeats no value.
        PluginNameTaken: Two plugins bear one name.
    """
    chosen: dict[str, ChosenPlugin] = {}
    for one in plugins:
        plugin, origin = (one, "") if isinstance(one, JobPlugin) else _installed(one)
        if isinstance(plugins, Mapping):
            plugin = plugin.with_options(**_named(plugins[plugin.name], plugin.name))
        if plugin.name in chosen:
            bearers = [chosen[plugin.name].origin, origin]
            told = " and ".join(bearer or "Euryale(plugins=[JobPlugin(…)])" for bearer in bearers)
            raise PluginNameTaken(
                f"two plugins are named '{plugin.name}': {told}",
                where="Euryale(plugins=…)",
                mend="choose one of them, and choose it once",
            )
        chosen[plugin.name] = ChosenPlugin(plugin, _options(plugin), origin)
    return tuple(chosen.values())


def _installed(name: object) -> tuple[JobPlugin, str]:
    """The installed plugin of that name, and the distribution that it comes from."""
    if not isinstance(name, str):
        raise PluginInvalid(
            f"a value of type {type(name).__name__} chooses no plugin",
            where="Euryale(plugins=…)",
            mend="name an installed plugin, or give a JobPlugin",
        )
    found = entry_points(group=GROUP, name=name)
    if not found:
        raise _unknown(name)
    if len(found) > 1:
        bearers = " and ".join(sorted(f"{_origin(point)} ({point.value})" for point in found))
        raise PluginNameTaken(
            f"two installed plugins are named '{name}': {bearers}",
            where="Euryale(plugins=…)",
            mend="uninstall one of them, or import the one that is meant and give its JobPlugin",
        )
    (point,) = found
    return _load(point), _origin(point)


def _unknown(name: str) -> PluginInvalid:
    known = sorted(entry_points(group=GROUP).names)
    near = get_close_matches(name, known, n=1)
    installed = f"installed are: {', '.join(known)}" if known else "no plugin is installed"
    return PluginInvalid(
        f"no plugin named '{name}' is installed",
        where="Euryale(plugins=…)",
        mend=f"did you mean '{near[0]}'?"
        if near
        else f"install the package that has it; {installed}",
    )


def _load(point: EntryPoint) -> JobPlugin:
    place = f"{_origin(point)}: {point.name} = {point.value}"
    try:
        plugin = point.load()
    except PluginInvalid:
        raise
    except (Exception, SystemExit) as error:
        raise PluginInvalid(
            f"importing plugin '{point.name}' failed with {type(error).__name__}: {error}",
            where=place,
            mend="install what it needs, or a release that fits",
        ) from error
    if not isinstance(plugin, JobPlugin):
        raise PluginInvalid(
            f"the entry point leads to a value of type {type(plugin).__name__}, not a JobPlugin",
            where=place,
            mend="tell the plugin's author, or don't choose it",
        )
    if plugin.name != point.name:
        raise PluginInvalid(
            f"the entry point '{point.name}' leads to a plugin that is named '{plugin.name}'",
            where=place,
            mend="tell the plugin's author: both bear one name",
        )
    return plugin


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def _named(given: object, plugin: str) -> dict[str, Any]:
    if isinstance(given, Mapping) and all(isinstance(key, str) for key in given):
        return dict(given)
    raise PluginOptionsInvalid(
        f"the options of plugin '{plugin}' are of type {type(given).__name__}, "
        "and should be a dict of named options",
        where=f"Euryale(plugins={{'{plugin}': …}})",
        mend="write {} to give none",
    )


def _options(plugin: JobPlugin) -> BaseModel | None:
    """The validated options of a plugin."""
    if plugin.options is None:
        if plugin.given:
            raise _refused(
                plugin, [Problem(name, "there is no such option") for name in plugin.given]
            )
        return None
    # An option that the plugin doesn't know is a mistake, unless its model says what becomes of it.
    extra = None if "extra" in plugin.options.model_config else "forbid"
    problems: list[Problem]
    try:
        return plugin.options.model_validate(dict(plugin.given), extra=extra)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = option_problems(error)
    except Exception as error:  # noqa: BLE001 -- a validator of the plugin's own raised it
        problems = [Problem("options", f"the plugin's own check raised {type(error).__name__}")]
    raise _refused(plugin, problems)


def _refused(plugin: JobPlugin, problems: Sequence[Problem]) -> PluginOptionsInvalid:
    known = ", ".join(plugin.options.model_fields) if plugin.options else ""
    return PluginOptionsInvalid(
        f"plugin '{plugin.name}' refuses its options: {'; '.join(map(str, problems))}",
        where="Euryale(plugins=…)",
        mend=f"correct the options named; the plugin's are: {known}"
        if known
        else "give none: the plugin has no options",
    )


def _folders(package: str, chosen: ChosenPlugin) -> list[Path]:
    where = f"JobPlugin(jobs=['{package}'])"
    mend = "name a package that the plugin's distribution holds, such as 'reviews.jobs'"
    try:
        spec = importlib.util.find_spec(package)
    except Exception as error:
        raise PluginInvalid(
            f"looking for the package '{package}' of plugin '{chosen.name}' failed with "
            f"{type(error).__name__}: {error}",
            where=where,
            mend=mend,
        ) from error
    if spec is None or spec.submodule_search_locations is None:
        raise PluginInvalid(
            f"plugin '{chosen.name}' has no package '{package}'", where=where, mend=mend
        )
    return [Path(location) for location in spec.submodule_search_locations]
