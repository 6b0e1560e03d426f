"""A rehearsal: a job's handler runs for real, in this process, and changes nothing."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from euryale.app import Euryale
from euryale.build import build_id
from euryale.errors import StepUnknown
from euryale.jobs.job import Job
from euryale.jobs.parts import workflows_by_name
from euryale.registry import Registry
from euryale.rehearsal.activities import KnownActivity, known_activities, rehearsal_activities
from euryale.rehearsal.guard import RehearsalRunner
from euryale.rehearsal.interceptor import BLIND, RehearsalInterceptor
from euryale.rehearsal.stage import Blind, FailAt, Noted, Stage
from euryale.rehearsal.unknown import plain
from euryale.rehearsal.unknown_payload import rehearsal_converter
from euryale.runs.job_workflow import JobWorkflow
from euryale.runs.memo import MEMO, run_memo
from euryale.runs.progress import Outcome, Progress, outcome_of
from euryale.runs.run import follow
from euryale.runs.runner import JobWorkflowRunner
from euryale.sagas.lock_workflow import LOCK_WORKFLOW, LockWorkflow
from euryale.sagas.step import activity_name
from euryale.services.service_container import ServiceContainer

PATIENCE = timedelta(seconds=60)
"""How long a rehearsal may see nothing new before it is given up."""

_LONGEST = timedelta(hours=6)
"""When Temporal ends a rehearsal whose process was killed."""

_LOOKED_AT = timedelta(milliseconds=250)
_ASKED_FOR = timedelta(seconds=5)

End = Literal["completed", "blind", "failed", "waits"]
"""How a rehearsal ended: the handler came to its end, needed what nobody knows, raised, or waited
for something that doesn't come."""


@dataclass(frozen=True)
class Rehearsed:
    """What a rehearsal has seen.

    Attributes:
        job: The job's name.
        workflow_id: The rehearsal's own workflow.
        end: How it ended.
        outcome: What the handler returned or raised.
        noted: What it would have done, in that order.
        left_done: The mutations of these that nothing took back.
        blind: Where it saw no further, one for each workflow.
        reads: How often each read was called.
        skipped: How much waiting was cut short.
        seconds: How long it took.
        waits: Where it waits and for what, in words, if it ended so.
        fail_at: The call that was to fail on purpose.
        fail_at_calls: How often that activity was called.
        failed_on_purpose: Whether it failed so.
        activities: What is known of the activities, by name.
    """

    job: str
    workflow_id: str
    end: End
    outcome: Outcome
    noted: tuple[Noted, ...]
    left_done: tuple[Noted, ...]
    blind: tuple[Blind, ...]
    reads: Mapping[str, int]
    skipped: timedelta
    seconds: float
    waits: str
    fail_at: FailAt | None
    fail_at_calls: int
    failed_on_purpose: bool
    activities: Mapping[str, KnownActivity]

    @property
    def answered(self) -> bool:
        """Whether it tells what it was asked; a failure that nobody asked for is none of that."""
        if self.fail_at is not None and not self.failed_on_purpose:
            return False
        return self.end in {"completed", "blind"} or (
            self.end == "failed" and self.failed_on_purpose
        )


def parse_fail_at(text: str, registry: Registry) -> FailAt:
    """Read which call is to fail: an activity's name, and `#3` for its third call.

    Raises:
        StepUnknown: The application has no such activity, or the number is none.
    """
    name, marked, number = text.partition("#")
    known = known_activities(registry)
    if name not in known:
        nearest = get_close_matches(name, known, n=1)
        raise StepUnknown(
            f"no step, mutation or read is named '{name}'",
            where="--fail-at",
            mend=f"did you mean '{nearest[0]}'?"
            if nearest
            else f"there are: {', '.join(sorted(known)) or 'none'}",
        )
    if marked and not (number.isdecimal() and int(number) > 0):
        raise StepUnknown(
            f"'#{number}' says no call of {name}",
            where="--fail-at",
            mend=f"count from one, as in {name}#3",
        )
    return FailAt(name, int(number) if marked else 1)


async def rehearse(
    client: Client,
    app: Euryale,
    registry: Registry,
    job: Job,
    data: Mapping[str, Any] | None = None,
    *,
    root: Path,
    fail_at: FailAt | None = None,
    patience: timedelta = PATIENCE,
    tell: Callable[[Stage], None] = lambda _: None,
) -> Rehearsed:
    """Run a job's handler with real reads, and note what it would change.

    A worker of its own serves it, on a task queue of its own, with no activity that changes
    anything. When this returns or is cancelled, the workflow has ended and the worker is gone.

    Args:
        client: A connected client.
        app: The application.
        registry: What it serves.
        job: The job.
        data: What the handler gets as `data`; by default what the config says.
        root: The project's root, from which lines of files are named.
        fail_at: The call that is to fail on purpose.
        patience: How long nothing new may be seen.
        tell: Called again and again with what was seen so far.

    Raises:
        DataInvalid: The data is not what the handler declares.
        RPCError: The server can't be reached or refuses.
    """
    given = dict(job.config.data if data is None else data)
    job.validate_data(given)
    started = time.monotonic()
    number = uuid.uuid4().hex[:8]
    queue = f"{app.name}.rehearsal-{number}"
    served = {LOCK_WORKFLOW, *registry.jobs, *workflows_by_name(registry.parts.workflows)}
    workflow_id = f"{app.name}/.rehearsal/{job.name}/{number}"
    stage = Stage(
        workflow_id,
        root,
        known_activities(registry),
        frozenset(name for name in served if name is not None),
        fail_at,
    )
    # Bytes that the client's codec makes of payloads are read by its own worker only.
    config = client.config()
    config["data_converter"] = replace(
        client.data_converter, payload_converter_class=rehearsal_converter()
    )
    own = Client(**config)
    async with _worker(own, registry, stage, queue):
        try:
            handle = await own.start_workflow(
                job.name,
                given,
                id=workflow_id,
                task_queue=queue,
                memo={MEMO: run_memo(job.config)},
                static_summary=f"a rehearsal of {job.name}: it changes nothing",
                execution_timeout=_LONGEST,
            )
            progress, waits = await _watch(own, handle, stage, patience, tell)
        finally:
            # Whoever gives up in the middle of the start doesn't know whether it came about.
            await asyncio.shield(_end(own, workflow_id))
    ended = progress.ended is not None
    outcome = await outcome_of(own, progress) if ended else Outcome(succeeded=False)
    end: End = "waits"
    if ended:
        end = "completed" if outcome.succeeded else "failed"
        if outcome.failure_type == BLIND:
            end = "blind"
    return Rehearsed(
        job=job.name,
        workflow_id=workflow_id,
        end=end,
        outcome=replace(outcome, result=plain(outcome.result)),
        noted=tuple(stage.noted.values()),
        left_done=tuple(each for _, each in stage.left_done()),
        blind=tuple(stage.blind.values()),
        reads=dict(stage.reads),
        skipped=stage.skipped,
        seconds=time.monotonic() - started,
        waits=waits,
        fail_at=fail_at,
        fail_at_calls=stage.calls_of(fail_at.name) if fail_at else 0,
        failed_on_purpose=stage.failed_on_purpose,
        activities=stage.activities,
    )


def _engine_passed_through() -> WorkflowRunner:
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules("euryale")
    )


@contextlib.asynccontextmanager
async def _worker(
    client: Client, registry: Registry, stage: Stage, queue: str
) -> AsyncIterator[None]:
    parts = registry.parts
    container = ServiceContainer(parts.services, parts.providers)
    activities = rehearsal_activities(container, registry, stage.activities)
    runner = RehearsalRunner(
        JobWorkflowRunner(registry, _engine_passed_through(), parts.workflows),
        stage,
        served=[activity_name(each) for each in activities],
        task_queue=queue,
    )
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[JobWorkflow, LockWorkflow, *parts.workflows],
        activities=activities,
        workflow_runner=runner,
        interceptors=[RehearsalInterceptor(stage)],
        build_id=build_id(registry),
        graceful_shutdown_timeout=timedelta(0),
    )
    async with container, worker:
        yield


async def _watch(
    client: Client,
    handle: WorkflowHandle[Any, Any],
    stage: Stage,
    patience: timedelta,
    tell: Callable[[Stage], None],
) -> tuple[Progress, str]:
    """Follow the workflow until it has ended or seen nothing new for too long."""
    latest = Progress()

    async def fold() -> None:
        nonlocal latest
        async for progress in follow(client, handle):
            if progress.finished != latest.finished:
                stage.progressed = time.monotonic()
            latest = progress

    following = asyncio.ensure_future(fold())
    try:
        while not following.done():
            await asyncio.wait({following}, timeout=_LOOKED_AT.total_seconds())
            tell(stage)
            if time.monotonic() - stage.progressed > patience.total_seconds():
                return latest, _waits(stage, latest)
        await following
    finally:
        following.cancel()
    return latest, ""


def _waits(stage: Stage, progress: Progress) -> str:
    """Where the handler waits, and for what, as far as that can be found out."""
    if progress.stuck:
        return f"its workflow task fails again and again: {progress.stuck}"
    line = stage.waits_at()
    calls = ", ".join(dict.fromkeys(progress.under_way.values()))
    return "it waits" + (f" at {line}" if line else "") + (f" for {calls}" if calls else "")


async def _end(client: Client, workflow_id: str) -> None:
    """Leave nothing behind; the children of a workflow that is terminated end with it."""
    with contextlib.suppress(RPCError):
        handle = client.get_workflow_handle(workflow_id)
        await handle.terminate("the rehearsal is over", rpc_timeout=_ASKED_FOR)
