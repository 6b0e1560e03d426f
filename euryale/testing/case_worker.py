"""The worker of one case: the application's own code, served with faults until it is killed."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.worker import Worker

from euryale.plugin import EuryalePlugin
from euryale.project import load_project
from euryale.rehearsal.activities import known_activities
from euryale.server.connection import connect
from euryale.testing.event_log import EventLog
from euryale.testing.fault import Plan
from euryale.testing.injection import InjectionPlugin, Injector
from euryale.worker import TUNING

_STICKY = timedelta(milliseconds=500)
"""How long the server waits for a killed worker to go on with a run that it held."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is told.

    Attributes:
        root: The project's root.
        app: Where the application is, as `module:attribute`; None for what the project names.
        address: The Temporal server.
        namespace: Its namespace.
        workflow_id: The id of the run, and the name of its task queue.
        log: The file in which the worker records what it does.
        number: Which of the case's workers it is, from 1.
        plan: What it does wrong, as JSON.
    """

    root: str
    app: str | None
    address: str
    namespace: str | None
    workflow_id: str
    log: str
    number: int
    plan: dict[str, Any]


async def serve_case(assignment: Assignment) -> None:
    """Serve one run until the process is killed."""
    project = load_project(assignment.app, start=Path(assignment.root))
    plugin = EuryalePlugin(project.app, root=project.root, apply_schedules=False)
    client = await connect(address=assignment.address, namespace=assignment.namespace)
    log = EventLog(Path(assignment.log), assignment.number)
    known = known_activities(plugin.registry).values()
    log.write("served", names=tuple(each.name for each in known if each.kind == "read"))
    injector = Injector(Plan.of_json(assignment.plan), log, assignment.workflow_id, client)
    worker = Worker(
        client,
        task_queue=assignment.workflow_id,
        plugins=[plugin, InjectionPlugin(injector, project.app.queue)],
        # Temporal's default would read the code of everything that is loaded.
        build_id="proof",
        **{**TUNING, "sticky_queue_schedule_to_start_timeout": _STICKY},
    )
    await worker.run()
