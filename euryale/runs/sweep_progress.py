"""The sweeps of runs, and how far each has come: from the memos that they keep of themselves."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from euryale.runs.progress import Retrying, retrying_in
from euryale.runs.runs import STATUSES, Run, Status, quoted
from euryale.sweeps.messages import SWEEP_MEMO, SWEEP_WORKFLOW, SweepProgress

_IDS_OF_A_QUERY = 100
"""Runs that one query asks for."""

_MOST = 1_000
"""Sweeps of a list; those under way come first."""


@dataclass(frozen=True, slots=True)
class RunSweep:
    """A sweep of a run.

    Attributes:
        workflow_id: The id of its workflow.
        run_id: The run id of that.
        of_run: The run id of the run that it belongs to, however deep.
        status: Whether it goes on, or how it ended.
        progress: How far it has come; None while it hasn't said so.
        retrying: What of it failed and is tried again.
    """

    workflow_id: str
    run_id: str
    of_run: str
    status: Status
    progress: SweepProgress | None
    retrying: tuple[Retrying, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether it is under way."""
        return self.status == "running"

    @property
    def step(self) -> str:
        """The name of its step."""
        if self.progress is not None:
            return self.progress.step
        return self.workflow_id.rpartition("/")[2].removeprefix("sweep-")

    def as_dict(self) -> dict[str, Any]:
        """The sweep for programs."""
        progress = self.progress
        return {
            "workflow_id": self.workflow_id,
            "run_id": self.run_id,
            "status": self.status,
            "state": progress.state if progress and self.goes_on else self.status,
            "note": progress.note if progress and progress.note else None,
            "step": self.step,
            "query": progress and progress.query,
            "rows": progress.rows if progress else 0,
            "total": progress and progress.total,
            "slabs": progress.slabs if progress else 0,
            "dead_letters": progress.dead_letters if progress else 0,
            "rate": progress.rate if progress and self.goes_on else None,
            "eta": progress.eta if progress and self.goes_on else None,
            "updated": progress and progress.updated.isoformat(),
            "retrying": [
                {"call": one.call, "attempt": one.attempt, "reason": one.reason}
                for one in self.retrying
            ],
        }

    def __str__(self) -> str:
        told: str = "begins" if self.goes_on else self.status
        if self.progress is not None:
            told = in_words(self.progress, self.status)
        again = (
            f"{one.call} is tried again (attempt {one.attempt}): "
            + one.reason.strip().partition("\n")[0]
            for one in self.retrying
        )
        return ", ".join((told, *again))

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return "its beginning" if self.progress is None else _rows(self.progress, self.status)


def in_words(progress: SweepProgress, status: Status) -> str:
    """How far a sweep has come, in a few words.

    Example:
        >>> from datetime import UTC, datetime
        >>> progress = SweepProgress(
        ...     query="product.drafts",
        ...     step="product.publish",
        ...     rows=12_500,
        ...     total=100_000,
        ...     rate=4_100,
        ...     eta=21.3,
        ...     dead_letters=2,
        ...     updated=datetime(2026, 1, 1, tzinfo=UTC),
        ... )
        >>> in_words(progress, "running")
        '12,500 of 100,000 rows, 4,100/s, 21 s left, 2 set aside'
        >>> paused = progress.model_copy(update={"state": "paused", "note": "inventory"})
        >>> in_words(paused, "running")
        '12,500 of 100,000 rows, paused: inventory, 2 set aside'
        >>> in_words(progress, "completed"), in_words(progress, "cancelled")
        ('12,500 rows, 2 set aside', '12,500 of 100,000 rows, 2 set aside')
    """
    parts = [_rows(progress, status)]
    if status == "running" and progress.state != "running":
        parts.append(progress.state + (f": {progress.note}" if progress.note else ""))
    elif status == "running" and progress.rate:
        parts.append(f"{progress.rate:,.0f}/s")
        if progress.eta is not None:
            parts.append(f"{_time(progress.eta)} left")
    if progress.dead_letters:
        parts.append(f"{progress.dead_letters:,} set aside")
    return ", ".join(parts)


def _rows(progress: SweepProgress, status: Status) -> str:
    rows = "row" if (progress.total or progress.rows) == 1 else "rows"
    if progress.total is None or status == "completed":
        return f"{progress.rows:,} {rows}"
    return f"{progress.rows:,} of {progress.total:,} {rows}"


def _time(seconds: float) -> str:
    """A time that is guessed, in two of its units at the most.

    Example:
        >>> _time(21.3), _time(0.2), _time(200), _time(9_000)
        ('21 s', '1 s', '3 min 20 s', '2 h 30 min')
    """
    whole = max(round(seconds), 1)
    if whole < 60:  # noqa: PLR2004 -- a minute
        return f"{whole} s"
    if whole < 3600:  # noqa: PLR2004 -- an hour
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


async def sweeps_of(client: Client, runs: Sequence[Run]) -> Mapping[str, tuple[RunSweep, ...]]:
    """The sweeps of some runs, from visibility: by the run ids of these, the earliest first.

    One query tells those of a hundred runs. Visibility follows what happens by a moment.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    found: defaultdict[str, list[tuple[Any, RunSweep]]] = defaultdict(list)
    ids = {run.run_id for run in runs}
    names = [*dict.fromkeys(run.workflow_id for run in runs)]
    for start in range(0, len(names), _IDS_OF_A_QUERY):
        async for execution in _listed(client, names[start : start + _IDS_OF_A_QUERY]):
            if execution.root_run_id in ids:
                sweep = await _sweep_of(execution)
                if sweep.goes_on:
                    # What is tried again is in no list.
                    sweep = await described(client, sweep.workflow_id) or sweep
                found[sweep.of_run].append((execution.start_time, sweep))
    return {
        run_id: tuple(sweep for _, sweep in sorted(sweeps, key=lambda each: each[0]))
        for run_id, sweeps in found.items()
    }


async def _listed(client: Client, names: Collection[str]) -> AsyncIterator[WorkflowExecution]:
    roots = ", ".join(map(quoted, names))
    query = (
        f"WorkflowType = {quoted(SWEEP_WORKFLOW)} AND RootWorkflowId IN ({roots}) "
        "AND ExecutionStatus != 'ContinuedAsNew'"
    )
    async for execution in client.list_workflows(query, limit=_MOST):
        yield execution


async def _sweep_of(execution: WorkflowExecution) -> RunSweep:
    progress: SweepProgress | None = await execution.memo_value(
        SWEEP_MEMO, default=None, type_hint=SweepProgress
    )
    return RunSweep(
        workflow_id=execution.id,
        run_id=execution.run_id,
        of_run=execution.root_run_id or "",
        status=STATUSES[execution.status] if execution.status else "running",
        progress=progress,
    )


async def described(client: Client, workflow_id: str) -> RunSweep | None:
    """A sweep as it is at this moment; None where the server knows no such one.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    try:
        description = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    retrying = retrying_in(description.raw_description.pending_activities)
    return replace(await _sweep_of(description), retrying=retrying)


class SweepWatch:
    """Follows the sweeps of one run.

    Args:
        client: A connected client.
        workflow_id: The run's workflow id.
        run_id: Its run id.
    """

    def __init__(self, client: Client, workflow_id: str, run_id: str) -> None:
        self._client = client
        self._workflow_id, self._run_id = workflow_id, run_id
        self._known: dict[str, RunSweep] = {}

    @property
    def sweeps(self) -> tuple[RunSweep, ...]:
        """The run's sweeps as they were at the last look, in the order of their discovery."""
        return tuple(self._known.values())

    async def look(self, own: Collection[str] = ()) -> None:
        """See how far they are.

        Args:
            own: The workflow ids of those that the run itself has begun, as its history tells at
                once. Those of its child workflows are found by visibility, a moment later.

        Raises:
            RPCError: The server can't be reached or refuses.
        """
        listed = {
            execution.id: await _sweep_of(execution)
            async for execution in _listed(self._client, [self._workflow_id])
            if execution.root_run_id == self._run_id
        }
        for workflow_id in dict.fromkeys((*self._known, *own, *listed)):
            known = self._known.get(workflow_id, listed.get(workflow_id))
            if known is None or known.goes_on:
                known = await described(self._client, workflow_id) or known
            if known is not None:
                self._known[workflow_id] = known


async def sweeps_under_way(client: Client, run: Run) -> tuple[RunSweep, ...]:
    """The sweeps that a run has under way at this moment, also those of its child workflows.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    found: list[RunSweep] = []
    waiting = [(run.workflow_id, run.run_id)]
    while waiting:
        workflow_id, run_id = waiting.pop(0)
        handle = client.get_workflow_handle(workflow_id, run_id=run_id)
        try:
            description = await handle.describe()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            continue
        for child in description.raw_description.pending_children:
            if child.workflow_type_name != SWEEP_WORKFLOW:
                waiting.append((child.workflow_id, ""))
            elif (sweep := await described(client, child.workflow_id)) is not None:
                found.append(sweep)
    return tuple(sweep for sweep in found if sweep.goes_on)
