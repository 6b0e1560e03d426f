"""An application in one place: its name, its services, its workflows, and where its jobs are."""

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from euryale.container import LOGGER
from euryale.discovery import discover
from euryale.errors import ConfigInvalid, EuryaleError, JobNameTaken, ServiceInvalid
from euryale.job import Job, JobSource
from euryale.method import ServiceDefinition, define_service
from euryale.provider import Provider
from euryale.registry import Registry
from euryale.schedule import DesiredSchedule, desired_schedule

Figures = Callable[..., Awaitable[Mapping[str, int]]]


@dataclass(frozen=True)
class Euryale:
    """What `worker/app.py` makes, and every command and worker starts from.

    Attributes:
        name: The application's name: the prefix of its schedules' ids, and its task queue where
            it names none.
        services: What handlers resolve by name: a class, or a provider of one. The methods of the
            class are what can be called durably.
        providers: What the services need in turn: settings, a store, clients.
        workflows: Temporal workflows that the application's workers run.
        activities: Classes of activities; each call gets an instance of its own, with the
            services that its constructor names.
        jobs: Where the job files are: folders, relative to the project's root.
        task_queue: The Temporal task queue of the application's workers.
        figures: An async function that counts what a reader would like to see before and after a
            run; its parameters are filled in by type. `euryale dev` shows what changed.

    Example:
        >>> class Greeter:
        ...     async def greet(self, name: str) -> str:
        ...         return f"hello {name}"
        >>> Euryale(name="hello", services={"greeter": Greeter}).queue
        'hello'
    """

    name: str
    services: Mapping[str, type | Provider]
    providers: Sequence[Provider] = ()
    workflows: Sequence[type] = ()
    activities: Sequence[type] = ()
    jobs: Sequence[str | os.PathLike[str] | JobSource] = ("jobs",)
    task_queue: str | None = None
    figures: Figures | None = None

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name:
            raise ServiceInvalid(
                f"an application can't be named '{self.name}'",
                where="Euryale(name=…)",
                mend="use a name without slashes, such as 'shop'",
            )
        if LOGGER in self.services:
            raise ServiceInvalid(
                f"a service can't be named '{LOGGER}', since every container has a logger by "
                "that name",
                where=f"Euryale(services={{'{LOGGER}': …}})",
                mend="give the service another name",
            )

    @property
    def queue(self) -> str:
        """The task queue: `task_queue`, or the application's name."""
        return self.task_queue or self.name

    def load(self, root: Path | None = None) -> Registry:
        """Read the services' methods and discover the job files.

        What is wrong with single job files doesn't raise; it is in the registry's `errors`.

        Args:
            root: The project's root; the folder of the nearest `pyproject.toml` that names an
                application, or the working directory, where it isn't given.

        Raises:
            ServiceInvalid: A service can't be used durably.
        """
        root = (root or project_root()).resolve()
        sources = [
            source if isinstance(source, JobSource) else JobSource(root / Path(source))
            for source in self.jobs
        ]
        discovery = discover(sources, root=root)
        workflows = workflows_by_name(self.workflows)
        refusals = {job.name: _refusal(job, workflows) for job in discovery.jobs}
        return Registry(
            app=self.name,
            jobs={job.name: job for job in discovery.jobs if refusals[job.name] is None},
            services=self.service_definitions(),
            errors=(*discovery.errors, *(error for error in refusals.values() if error)),
        )

    def service_definitions(self) -> dict[str, ServiceDefinition]:
        """The services by name, with their durable methods."""
        return {
            name: define_service(name, _provided_class(name, service))
            for name, service in self.services.items()
        }

    def schedules(self, registry: Registry, task_queue: str | None = None) -> list[DesiredSchedule]:
        """The schedules that the application's jobs want."""
        queue = task_queue or self.queue
        return [desired_schedule(self.name, job, queue) for job in registry.jobs.values()]


def workflows_by_name(workflows: Iterable[type]) -> dict[str | None, type]:
    """The workflows by the name under which Temporal runs them; a dynamic one's is None."""
    return {
        definition.name: workflow
        for workflow in workflows
        # What Temporal's decorator leaves on the class. One without it is Temporal's to refuse.
        if (definition := getattr(workflow, "__temporal_workflow_definition", None)) is not None
    }


def _refusal(job: Job, workflows: Mapping[str | None, type]) -> EuryaleError | None:
    """Why a job whose file is good can't be served by this application."""
    if job.name in workflows:
        return job_name_taken(job, workflows[job.name])
    try:
        job.config.model_dump(mode="json")
    except ValueError as error:
        return ConfigInvalid(
            f"the data of '{job.name}' can't be written as JSON, in which a schedule holds it: "
            f"{error}",
            where=job.where,
            mend="give what JSON can say, and make the rest of it in the handler",
        )
    return None


def job_name_taken(job: Job, workflow: type) -> JobNameTaken:
    """The refusal of a job whose runs would be runs of a workflow."""
    return JobNameTaken(
        f"the name '{job.name}' is also borne by the workflow {workflow.__module__}."
        f"{workflow.__qualname__}, which would run in place of the job's handler",
        where=job.where,
        mend="give the job or the workflow another name",
    )


def _provided_class(name: str, service: type | Provider) -> type:
    provided: Any = service.provides if isinstance(service, Provider) else service
    if isinstance(provided, type):
        return provided
    raise ServiceInvalid(
        f"service '{name}' provides {provided!r}, which is no class",
        where=f"Euryale(services={{'{name}': …}})",
        mend="annotate the factory with the class whose methods handlers call",
    )


def project_root(start: Path | None = None) -> Path:
    """The nearest folder upwards whose `pyproject.toml` names an application; else `start`."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and "[tool.euryale]" in file.read_text(encoding="utf-8"):
            return folder
    return start
