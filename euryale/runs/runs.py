"""A job's runs, as Temporal's visibility knows them: frozen values, newest first.

Visibility is a copy that follows what happens by a moment, up to a second or so: a run that has
just started may not be in it yet, and one that has just ended may still run there.
"""

import asyncio
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Literal

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import RunUnknown
from euryale.jobs.job import Job
from euryale.runs.memo import MEMO
from euryale.schedules.turn import read_ledger
from euryale.time.timetable import nominal

Status = Literal[
    "running", "completed", "failed", "cancelled", "terminated", "timed out", "continued"
]
"""Whether a run goes on, or how it ended; `continued` goes on as another run of the same id."""

STATUSES: dict[WorkflowExecutionStatus, Status] = {
    WorkflowExecutionStatus.RUNNING: "running",
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
    WorkflowExecutionStatus.CONTINUED_AS_NEW: "continued",
}

# What a query calls them.
_QUERIED: dict[Status, str] = {
    "running": "Running",
    "completed": "Completed",
    "failed": "Failed",
    "cancelled": "Canceled",
    "terminated": "Terminated",
    "timed out": "TimedOut",
    "continued": "ContinuedAsNew",
}

_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_RECENT = 500
"""Runs among which the one that was meant is looked for."""

_SHORTEST_PART = 3
"""Characters of an id that tell something by themselves."""

_LONGEST_KEPT = timedelta(days=365)

_SCHEDULED_START = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a job.

    Attributes:
        job: The job's name.
        workflow_id: Its workflow id.
        run_id: Its run id, which no other run has.
        status: Whether it goes on, or how it ended.
        started: When it started, in UTC.
        ended: When it ended; None while it runs.
        fire_time: What its schedule fired for, in UTC; None for a run by hand.
        spread: How much later than its nominal times the schedule fired.
        events: How long its history was when it ended; 0 while that isn't known.
        operator: Who started it by hand, as `user@host`; empty where nobody said.
        note: Why, in the operator's words; empty where nobody said.
    """

    job: str
    workflow_id: str
    run_id: str
    status: Status
    started: datetime
    ended: datetime | None = None
    fire_time: datetime | None = None
    spread: timedelta = timedelta(0)
    events: int = 0
    operator: str = ""
    note: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether no schedule started it."""
        return self.fire_time is None

    def elapsed(self, now: datetime) -> timedelta:
        """How long it took, or has taken until now."""
        return (self.ended or now) - self.started

    def nominal_time(self, job: Job) -> datetime | None:
        """The wall-clock time that it was meant for, in the job's zone; None for one by hand."""
        if self.fire_time is None:
            return None
        return nominal(job.timetable, self.fire_time - self.spread)


def belongs(app: str, workflow_type: str, workflow_id: str) -> bool:
    """Whether a workflow is a run of the job that its type names.

    A schedule's runs are named `<app>/<job>-<time>Z`, those by hand `<app>/<job>/<random>`. The
    prefix alone would take a run of `a-b` for one of `a`.

    Example:
        >>> belongs("shop", "a", "shop/a-2026-01-05T00:00:00Z"), belongs("shop", "a", "shop/a-b/1")
        (True, False)
    """
    named = workflow_id.removeprefix(f"{app}/{workflow_type}")
    return named != workflow_id and (
        (named.startswith("/") and named.count("/") == 1) or _is_firing(named)
    )


def _is_firing(suffix: str) -> bool:
    if not (suffix.startswith("-") and suffix.endswith("Z")):
        return False
    try:
        datetime.fromisoformat(suffix[1:])
    except ValueError:
        return False
    return True


def runs_query(
    app: str,
    job: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    statuses: Collection[Status] = (),
) -> str:
    """The visibility query for the runs of a job, or of all jobs of an application.

    Args:
        app: The application's name.
        job: The job's name; None for all jobs.
        since: Runs that started then or later.
        until: Runs that started before.
        statuses: Runs of these; none given means all.

    Example:
        >>> runs_query("shop", statuses=["failed"])
        "WorkflowId STARTS_WITH 'shop/' AND ExecutionStatus IN ('Failed')"
    """
    if job is None:
        parts = [f"WorkflowId STARTS_WITH {quoted(f'{app}/')}"]
    else:
        ids = (f"WorkflowId STARTS_WITH {quoted(f'{app}/{job}{end}')}" for end in "-/")
        parts = [f"WorkflowType = {quoted(job)}", f"({' OR '.join(ids)})"]
    if since is not None:
        parts.append(f"StartTime >= {quoted(utc(since))}")
    if until is not None:
        parts.append(f"StartTime < {quoted(utc(until))}")
    if statuses:
        named = ", ".join(quoted(_QUERIED[status]) for status in statuses)
        parts.append(f"ExecutionStatus IN ({named})")
    return " AND ".join(parts)


def quoted(text: str) -> str:
    """A text as a visibility query has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def utc(time: datetime) -> str:
    """A time as a visibility query has it."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


async def runs_of(
    client: Client,
    app: str,
    job: str | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    statuses: Collection[Status] = (),
    limit: int | None = None,
) -> tuple[Run, ...]:
    """Read a job's runs from Temporal's visibility.

    Args:
        client: A connected client.
        app: The application's name.
        job: The job's name; None for all jobs, also those whose files are gone.
        since: Runs that started then or later.
        until: Runs that started before.
        statuses: Runs of these; none given means all.
        limit: How many at the most: those that run, then those that ended last.

    Returns:
        The runs, the one that started last first.

    Raises:
        RPCError: The server can't be reached or refuses.

    Example:
        `await runs_of(client, "shop", "publish-once-a-day", limit=20)`
    """
    query = runs_query(app, job, since=since, until=until, statuses=statuses)
    found: list[Run] = []
    # The server answers in this order: running first, then by the end, newest first.
    async for execution in client.list_workflows(query):
        if limit is not None and len(found) >= limit:
            break
        if belongs(app, execution.workflow_type, execution.id):
            found.append(await run_of(execution))
    return tuple(sorted(found, key=lambda run: run.started, reverse=True))


async def runs_by_all_names(
    client: Client,
    app: str,
    job: str,
    *,
    since: datetime | None = None,
    statuses: Collection[Status] = (),
    limit: int | None = None,
) -> tuple[Run, ...]:
    """A job's runs as `runs_of` reads them, also those under the names that it had before.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    ledger = (await read_ledger(client, app)).ledger
    found = await asyncio.gather(
        *(
            runs_of(client, app, name, since=since, statuses=statuses, limit=limit)
            for name in (job, *ledger.former_names.get(job, ()))
        )
    )
    runs = sorted((run for each in found for run in each), key=lambda run: run.started)
    return tuple(reversed(runs))[:limit]


async def run_of(execution: WorkflowExecution) -> Run:
    """The run that a list entry or a description of a workflow tells of."""
    said = await said_of(execution)
    return Run(
        job=execution.workflow_type,
        workflow_id=execution.id,
        run_id=execution.run_id,
        status=STATUSES[execution.status or WorkflowExecutionStatus.RUNNING],
        started=execution.start_time,
        ended=execution.close_time,
        fire_time=execution.typed_search_attributes.get(_SCHEDULED_START),
        spread=timedelta(seconds=float(said.get("spread") or 0)),
        events=execution.history_length,
        operator=str(said.get("operator") or ""),
        note=str(said.get("note") or ""),
    )


async def said_of(execution: WorkflowExecution) -> dict[str, Any]:
    """What the engine wrote into the memo of a run when it was started; empty if nothing."""
    said: Any = await execution.memo_value(MEMO, default=None)
    return said if isinstance(said, dict) else {}


async def remembered_since(client: Client, now: datetime) -> datetime:
    """From when on Temporal still knows each run: it forgets them some time after their end.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    described = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace), retry=True
    )
    kept = described.config.workflow_execution_retention_ttl.ToTimedelta()
    return now - kept if kept else now - _LONGEST_KEPT


async def find_run(client: Client, app: str, text: str) -> Run:
    """The run that somebody names.

    Args:
        client: A connected client.
        app: The application's name.
        text: A workflow id, what of it comes after `<app>/`, or a run id. Of several runs of one
            workflow id the last is meant.

    Raises:
        RunUnknown: No run of the application is named so; the nearest of the last ones is
            suggested.
        RPCError: The server can't be reached or refuses.
    """
    execution: WorkflowExecution | None = None
    if _RUN_ID.fullmatch(text):
        listed = [each async for each in client.list_workflows(f"RunId = {quoted(text)}")]
        execution = listed[0] if listed else None
    else:
        workflow_id = text if text.startswith(f"{app}/") else f"{app}/{text}"
        try:
            execution = await client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            # An id that is too long or empty is none either.
            if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
                raise
    if execution is not None and belongs(app, execution.workflow_type, execution.id):
        return await run_of(execution)
    recent = await runs_of(client, app, limit=_RECENT)
    raise RunUnknown(
        f"no run of '{app}' is named '{text}'",
        mend=_nearest(text, [run.workflow_id.removeprefix(f"{app}/") for run in recent])
        or "`euryale runs` lists them",
    )


def _nearest(text: str, ids: Sequence[str]) -> str:
    """The suggestion of an id, the latest of those that come into question; may be empty."""
    holding = [each for each in ids if len(text) >= _SHORTEST_PART and text in each]
    near = holding or get_close_matches(text, ids, n=1)
    return f"did you mean '{near[0]}'?" if near else ""
