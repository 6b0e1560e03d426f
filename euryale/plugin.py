"""Euryale as a Temporal plugin: one line adds scheduled jobs to anybody's worker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from euryale.app import Euryale, job_name_taken
from euryale.build import build_id
from euryale.errors import ReleaseSuperseded, ServiceInvalid, TemporalRefused
from euryale.jobs.durability import check_durability
from euryale.jobs.parts import workflows_by_name
from euryale.runs.job_workflow import JobWorkflow
from euryale.runs.lateness import turn_activity
from euryale.runs.runner import JobWorkflowRunner
from euryale.sagas.compensation_record import (
    COMPENSATION,
    attribute_activity,
    register_attribute,
)
from euryale.sagas.lock_workflow import LockWorkflow, look_for_lock
from euryale.schedules.apply import Applied, apply, wish_of
from euryale.schedules.release import Release
from euryale.services.activities import class_activities, service_activities
from euryale.services.service_container import ServiceContainer
from euryale.sweeps.activities import sweep_activities
from euryale.sweeps.declaration import only_sweeps
from euryale.sweeps.sweep_workflow import SweepWorkflow
from euryale.undo.undo_workflow import UndoWorkflow, last_run, undo_activity
from euryale.watchdog.watchdog_workflow import WatchdogWorkflow, watchdog_activities

log = structlog.get_logger("euryale.worker")


class EuryalePlugin(SimplePlugin):
    """Adds an application's jobs, services, workflows and activities to a Temporal worker.

    Give it to `Client.connect(plugins=[…])`, which makes the client's payloads pydantic's and
    reaches every worker made from that client; or to a single `Worker(plugins=[…])` or
    `Replayer(plugins=[…])`. While a worker runs, the service container is open; the schedules
    are applied when it starts. Workers that run beside each other share the container, and the
    schedules start their runs on the task queue of the first one.

    Example:
        Scheduled jobs for a worker of your own::

            client = await Client.connect("localhost:7233", plugins=[EuryalePlugin(app)])
            worker = Worker(client, task_queue="shop", workflows=[…], activities=[…])
            await worker.run()
    """

    def __init__(
        self,
        app: Euryale,
        *,
        root: Path | None = None,
        apply_schedules: bool = True,
        release: Release | None = None,
        on_applied: Callable[[Sequence[Applied]], Awaitable[None]] | None = None,
    ) -> None:
        """Load the application and discover its jobs.

        Args:
            app: The application.
            root: The project's root; see `Euryale.load`.
            apply_schedules: Whether a worker applies the schedules when it starts, and removes
                those whose job is gone.
            release: The release that the code is; by default one named by the code's content.
            on_applied: Told what became of each schedule.

        Raises:
            ServiceInvalid: A service can't be used durably.
        """
        self.app = app
        self.registry = app.load(root)
        parts = self.registry.parts
        self.container = ServiceContainer(parts.services, parts.providers)
        self._apply_schedules = apply_schedules
        self.release = release or Release(build_id(self.registry))
        self._on_applied = on_applied
        self._lock = asyncio.Lock()
        self._workers = 0
        self._task_queue = ""
        super().__init__(
            "euryale",
            data_converter=_pydantic_unless_chosen,
            workflows=[
                JobWorkflow,
                LockWorkflow,
                UndoWorkflow,
                SweepWorkflow,
                *parts.workflows,
                *((WatchdogWorkflow,) if app.watchdog else ()),
            ],
            workflow_runner=self._runner,
            activities=[
                *service_activities(
                    self.container,
                    self.registry.services.values(),
                    {job.name: job.config.retry.jitter for job in self.registry.jobs.values()},
                ),
                *class_activities(
                    self.container, [cls for cls in parts.activities if not only_sweeps(cls)]
                ),
                *sweep_activities(self.container, parts.activities),
                turn_activity(self.registry),
                look_for_lock,
                attribute_activity(),
                undo_activity(self.registry),
                last_run,
                *(watchdog_activities(app.watchdog, self.registry) if app.watchdog else ()),
            ],
        )

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Add the application to what the worker serves already.

        Raises:
            JobNameTaken: A job bears the name of one of the worker's own workflows.
            ServiceInvalid: The worker has a dynamic workflow, or two activities of one name.
        """
        theirs = workflows_by_name(config.get("workflows", ()))
        for job in self.registry.jobs.values():
            if job.name in theirs:
                raise job_name_taken(job, theirs[job.name])
        if None in theirs:
            raise ServiceInvalid(
                "a worker has one dynamic workflow, and that of the jobs would be its second",
                where=f"{theirs[None].__module__}.{theirs[None].__qualname__}",
                mend="give the plugin to the client or to the worker, not to both"
                if theirs[None] is JobWorkflow
                else "serve the jobs from a worker without a dynamic workflow",
            )
        config = super().configure_worker(config)
        _refuse_equal_names(config.get("activities", ()))
        return config

    async def run_worker(
        self,
        worker: Worker,
        next: Callable[[Worker], Awaitable[None]],  # noqa: A002
    ) -> None:
        """Open the services, let the worker run, and apply the schedules meanwhile.

        Runs that wait for a worker needn't wait for the schedules too. Where these can't be
        applied, the worker ends with that error.
        """
        for error in self.registry.errors:
            log.error("job file left out", action="job_left_out", **error.as_dict())
        for job in self.registry.jobs.values():
            for problem in check_durability(job):
                log.warning("not durable", action="job_not_durable", **problem.as_dict())
        async with self._serving(worker):
            if not await register_attribute(worker.client):
                log.warning(
                    "search attribute not registered",
                    action="attribute_not_registered",
                    attribute=COMPENSATION.name,
                    mend="have an administrator add it as a Keyword, so that lists can be filtered "
                    "on what was taken back; runs say it in their memo in any case",
                )
            if self._apply_schedules:
                await _beside(next(worker), self._apply(worker))
            else:
                await next(worker)

    @asynccontextmanager
    async def _serving(self, worker: Worker) -> AsyncIterator[None]:
        """Count the workers that run: all of them share one service container."""
        async with self._lock:
            if not self._workers:
                # Schedules start their runs on one task queue: that of the first worker.
                self._task_queue = worker.task_queue
                await self.container.__aenter__()
            self._workers += 1
        try:
            yield
        finally:
            async with self._lock:
                self._workers -= 1
                if not self._workers:
                    await self.container.__aexit__(None, None, None)

    async def _apply(self, worker: Worker) -> None:
        if worker.task_queue != self._task_queue:
            log.info(
                "schedules left to another worker of this plugin",
                action="schedules_left",
                task_queue=worker.task_queue,
                schedules_task_queue=self._task_queue,
                reason="a schedule starts its runs on one task queue, and that of the first "
                "worker is taken",
            )
            return
        wish = wish_of(
            self.app,
            self.registry,
            self.release,
            task_queue=worker.task_queue,
            # A worker without any job is more likely one whose files were forgotten.
            prune=bool(self.registry.jobs),
        )
        try:
            applied = (await apply(worker.client, wish)).applied
        except ReleaseSuperseded as error:
            log.warning("schedules left alone", action="release_superseded", **error.as_dict())
            applied = ()
        for one in applied:
            self._tell(one)
        if self._on_applied is not None:
            await self._on_applied(applied)

    def _tell(self, one: Applied) -> None:
        if one.outcome == "failed":
            problem = self._not_applied(one).as_dict()
            log.error("schedule not applied", action="schedule_failed", id=one.id, **problem)
            return
        reason = {"reason": one.reason} if one.reason else {}
        tell = log.debug if one.outcome == "unchanged" else log.info
        tell(
            "schedule applied", action="schedule_applied", id=one.id, outcome=one.outcome, **reason
        )

    def _not_applied(self, failed: Applied) -> TemporalRefused:
        name = failed.id.removeprefix(f"{self.app.name}/")
        job = self.registry.jobs.get(name)
        if job is None:
            return TemporalRefused(
                f"the schedule of '{name}' could not be removed: {failed.error}",
                where=failed.id,
                mend="start the worker again, or remove it by hand",
            )
        return TemporalRefused(
            f"the schedule of '{name}' could not be applied: {failed.error}",
            where=job.where,
            mend="change what its config says, and start the worker again; until then the job "
            "keeps the schedule that it had",
        )

    def _runner(self, existing: WorkflowRunner | None) -> WorkflowRunner:
        inner = existing or SandboxedWorkflowRunner()
        if isinstance(inner, SandboxedWorkflowRunner):
            # So that workflows of others, too, may use the engine's saga.
            allowed = inner.restrictions.with_passthrough_modules("euryale")
            inner = replace(inner, restrictions=allowed)
        return JobWorkflowRunner(self.registry, inner, self.registry.parts.workflows)


async def _beside(running: Awaitable[None], doing: Awaitable[None]) -> None:
    """Await what runs, and do something meanwhile; the error of either ends both."""
    tasks = [asyncio.ensure_future(each) for each in (running, doing)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not tasks[0].done():
            await tasks[1]
        await tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _pydantic_unless_chosen(existing: DataConverter | None) -> DataConverter:
    return pydantic_data_converter if existing in (None, DataConverter.default) else existing


def _refuse_equal_names(activities: Sequence[Callable[..., Any]]) -> None:
    names = Counter(
        definition.name
        for activity in activities
        if (definition := getattr(activity, "__temporal_activity_definition", None)) is not None
    )
    for name, count in names.items():
        if count > 1 and name is not None:
            raise ServiceInvalid(
                f"{count} activities are named '{name}'",
                where="Worker(activities=[…]), Euryale(services={…}, activities=[…])",
                mend="rename one: the service's method, the step or the worker's own activity",
            )
