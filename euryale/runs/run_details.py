"""What runs did and why they failed, from their histories, which visibility doesn't tell."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from temporalio.client import Client, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode

from euryale.runs.late_run import turn_taken
from euryale.runs.progress import Outcome, Progress, outcome_of, retrying_in
from euryale.runs.runs import Run
from euryale.time.catch_up import Turn

if TYPE_CHECKING:
    from temporalio.api.history.v1 import HistoryEvent

MOST_EVENTS = 10_000
"""How long a history is read for a line of a list; of a longer one its end alone. A thousand events
take some 30 milliseconds."""

_FIRST_EVENTS = 50
"""Events among which a run decides what it is for, before its handler begins."""

_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run with what its history tells.

    Attributes:
        run: The run.
        progress: What it did; None where its history is gone.
        outcome: How it ended; None while it runs, or where its history is gone.
        whole: Whether all of its history was read, or else its end alone.
        turn: What it decided to be for, where it started late and only the latest missed firing is
            caught up; None if it had nothing to decide, or its end alone was read.
    """

    run: Run
    progress: Progress | None = None
    outcome: Outcome | None = None
    whole: bool = True
    turn: Turn | None = None


async def details_of(client: Client, runs: Sequence[Run]) -> tuple[RunDetails, ...]:
    """Read what some runs did, in their order.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(run: Run) -> RunDetails:
        async with places:
            return await _details(client, run)

    return tuple(await asyncio.gather(*(one(run) for run in runs)))


async def _details(client: Client, run: Run) -> RunDetails:
    # How long the history of a run is that goes on is not known, nor is its end.
    whole = run.ended is None or run.events <= MOST_EVENTS
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    which = WorkflowHistoryEventFilterType
    progress = Progress()
    first: list[HistoryEvent] = []
    try:
        async for event in handle.fetch_history_events(
            event_filter_type=which.ALL_EVENT if whole else which.CLOSE_EVENT
        ):
            progress = progress.after(event)
            if len(first) < _FIRST_EVENTS:
                first.append(event)
        if progress.ended is None and progress.under_way:
            # Attempts that failed are in no history until the last one.
            described = await handle.describe()
            pending = described.raw_description.pending_activities
            progress = replace(progress, retrying=retrying_in(pending))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return RunDetails(run)
    outcome = None if progress.ended is None else await outcome_of(client, progress)
    return RunDetails(run, progress, outcome, whole, await turn_taken(client, first))
