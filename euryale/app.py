"""An application in one place: its name, its services, its workflows, and where its jobs are."""

import json
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pydantic_core import to_json

from euryale.errors import ConfigInvalid, EuryaleError, JobNameTaken, PluginInvalid, ServiceInvalid
from euryale.jobs.discovery import discover, put_on_path
from euryale.jobs.job import Job, JobSource
from euryale.jobs.job_plugin import Plugins, choose
from euryale.jobs.parts import Parts, assemble, provided_class, refuse_logger, workflows_by_name
from euryale.registry import Registry
from euryale.schedules.schedule import DesiredSchedule, desired_schedule
from euryale.services.method import ServiceDefinition, define_service
from euryale.services.provider import Provider
from euryale.watchdog.watchdog import Watchdog
from euryale.watchdog.watchdog_workflow import WatchdogWorkflow

Figures = Callable[..., Awaitable[Mapping[str, int]]]


@dataclass(frozen=True)
class Euryale:
    """What `worker/app.py` makes, and every command and worker starts from.

    Attributes:
        name: The application's name: the prefix of its schedules' ids, and its task queue where
            it names none.
        services: What handlers resolve by name: a class, or a provider of one. The methods of the
            class are what can be called durably. None are needed where plugins bring them.
        providers: What the services need in turn: settings, a store, clients.
        workflows: Temporal workflows that the application's workers run.
        activities: Classes of activities; each call gets an instance of its own, with the
            services that its constructor names.
        jobs: Where the job files are: folders, relative to the project's root.
        task_queue: The Temporal task queue of the application's workers.
        figures: An async function that counts what a reader would like to see before and after a
            run; its parameters are filled in by type. `euryale dev` shows what changed.
        watchdog: What watches the jobs and tells of those that don't run as they should; by default
            nothing does.
        plugins: The plugins that the application chooses: the names of installed ones, with their
            options as in `{"reviews": {"days": 30}}` or without as in `["reviews"]`, or
            `JobPlugin`s. Others that are installed are not loaded.

    Example:
        >>> class Greeter:
        ...     async def greet(self, name: str) -> str:
        ...         return f"hello {name}"
        >>> Euryale(name="hello", services={"greeter": Greeter}).queue
        'hello'
    """

    name: str
    services: Mapping[str, type | Provider] = field(default_factory=dict)
    providers: Sequence[Provider] = ()
    workflows: Sequence[type] = ()
    activities: Sequence[type] = ()
    jobs: Sequence[str | os.PathLike[str] | JobSource] = ("jobs",)
    task_queue: str | None = None
    figures: Figures | None = None
    watchdog: Watchdog | None = None
    plugins: Plugins = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ServiceInvalid(
                f"an application can't be named '{self.name}'",
                where="Euryale(name=…)",
                mend="use a name without slashes, such as 'shop'",
            )
        refuse_logger(self.services, "Euryale(")
        if isinstance(self.plugins, str):
            raise PluginInvalid(
                "the plugins are a text, not a list of names",
                where="Euryale(plugins=…)",
                mend=f"write plugins=['{self.plugins}']",
            )

    @property
    def queue(self) -> str:
        """The task queue: `task_queue`, or the application's name."""
        return self.task_queue or self.name

    @cached_property
    def parts(self) -> Parts:
        """The services, providers, workflows and activities, those of its plugins included.

        Raises:
            PluginInvalid: A plugin is not installed, its import fails, or it is none.
            PluginOptionsInvalid: A plugin's options are not what it declares.
            PluginNameTaken: Two plugins bear one name, or have something of one name.
        """
        return assemble(
            Parts(self.services, self.providers, self.workflows, self.activities),
            choose(self.plugins),
        )

    def load(self, root: Path | None = None) -> Registry:
        """Read the services' methods and discover the job files.

        What is wrong with single job files doesn't raise; it is in the registry's `errors`.

        Args:
            root: The project's root; the folder of the nearest `pyproject.toml` that names an
                application, or the working directory, where it isn't given.

        Raises:
            ServiceInvalid: A service can't be used durably.
            PluginInvalid: See `parts`, also for the next two.
            PluginOptionsInvalid: As above.
            PluginNameTaken: As above.
        """
        root = (root or project_root()).resolve()
        put_on_path(root)
        parts = self.parts
        sources = [
            source if isinstance(source, JobSource) else JobSource(root / Path(source))
            for source in self.jobs
        ]
        sources += [source for plugin in parts.plugins for source in plugin.sources()]
        discovery = discover(sources, root=root)
        engines = (WatchdogWorkflow,) if self.watchdog else ()
        workflows = workflows_by_name((*parts.workflows, *engines))
        refusals = {job.name: _refusal(job, workflows) for job in discovery.jobs}
        return Registry(
            app=self.name,
            jobs={job.name: job for job in discovery.jobs if refusals[job.name] is None},
            services=self.service_definitions(),
            errors=(*discovery.errors, *(error for error in refusals.values() if error)),
            parts=parts,
            replaced=discovery.replaced,
        )

    def service_definitions(self) -> dict[str, ServiceDefinition]:
        """The services by name, with their durable methods."""
        return {
            name: define_service(name, provided_class(name, service))
            for name, service in self.parts.services.items()
        }

    def schedules(self, registry: Registry, task_queue: str | None = None) -> list[DesiredSchedule]:
        """The schedules that the application's jobs want."""
        queue = task_queue or self.queue
        return [desired_schedule(self.name, job, queue) for job in registry.jobs.values()]


def _refusal(job: Job, workflows: Mapping[str | None, type]) -> EuryaleError | None:
    """Why a job whose file is good can't be served by this application."""
    if job.name in workflows:
        return job_name_taken(job, workflows[job.name])
    try:
        json.loads(to_json(job.config.data), parse_constant=_refuse_constant)
    except ValueError as error:
        return ConfigInvalid(
            f"the data of '{job.name}' can't be written as JSON, in which a schedule holds it: "
            f"{error}",
            where=job.where,
            mend="give what JSON can say, and make the rest of it in the handler",
        )
    return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it has no {name}")


def job_name_taken(job: Job, workflow: type) -> JobNameTaken:
    """The refusal of a job whose runs would be runs of a workflow."""
    return JobNameTaken(
        f"the name '{job.name}' is also borne by the workflow {workflow.__module__}."
        f"{workflow.__qualname__}, which would run in place of the job's handler",
        where=job.where,
        mend="give the job or the workflow another name",
    )


def project_root(start: Path | None = None) -> Path:
    """The nearest folder upwards whose `pyproject.toml` names an application; else `start`."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and "[tool.euryale]" in file.read_text(encoding="utf-8"):
            return folder
    return start
