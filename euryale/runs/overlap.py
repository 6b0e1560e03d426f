"""What a run that somebody starts by hand does about the runs under way, by its job's policy.

A schedule decides for its own firings, and knows only the runs that it started. Here all runs of
the job count, however they were started.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Literal

from temporalio.client import Client, ScheduleActionExecutionStartWorkflow
from temporalio.service import RPCError, RPCStatusCode

from euryale.config import Overlap
from euryale.errors import RunUnderWay
from euryale.runs.run import until_ended
from euryale.runs.runs import Run, belongs, run_of, runs_of

Way = Literal["start", "refuse", "wait", "cancel", "terminate"]

_WAYS: Mapping[Overlap, Way] = {
    "skip": "refuse",
    "buffer_one": "wait",
    "buffer_all": "wait",
    "cancel_other": "cancel",
    "terminate_other": "terminate",
    "allow_all": "start",
}


def way_of(policy: Overlap, under_way: Sequence[Run]) -> Way:
    """What is to be done about the runs under way before another one starts.

    Example:
        >>> way_of("skip", ())
        'start'
    """
    return _WAYS[policy] if under_way else "start"


@dataclass(frozen=True, slots=True)
class RoomMade:
    """What was done so that a run could start.

    Attributes:
        way: What the policy asked for.
        runs: The runs that were under way.
    """

    way: Way
    runs: tuple[Run, ...]


async def runs_under_way(client: Client, app: str, job: str) -> tuple[Run, ...]:
    """The runs of a job that are under way, those of its schedule and those by hand.

    Visibility knows of a run a moment after its start; the schedule knows its own at once.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    found = {run.workflow_id for run in await runs_of(client, app, job, statuses=["running"])}
    found |= await _started_by_schedule(client, f"{app}/{job}")
    runs = await asyncio.gather(*(_latest(client, workflow_id) for workflow_id in sorted(found)))
    return tuple(
        run
        for run in runs
        if run is not None and run.status == "running" and belongs(app, job, run.workflow_id)
    )


async def _started_by_schedule(client: Client, schedule_id: str) -> set[str]:
    try:
        description = await client.get_schedule_handle(schedule_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return set()
        raise
    return {
        action.workflow_id
        for action in description.info.running_actions
        if isinstance(action, ScheduleActionExecutionStartWorkflow)
    }


async def _latest(client: Client, workflow_id: str) -> Run | None:
    try:
        return await run_of(await client.get_workflow_handle(workflow_id).describe())
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def make_room(
    client: Client,
    app: str,
    job: str,
    policy: Overlap,
    *,
    operator: str = "",
    tell: Callable[[Way, Sequence[Run]], None] = lambda _way, _runs: None,
) -> RoomMade:
    """Let the job's policy decide about the runs under way, and wait until another may start.

    Args:
        client: A connected client.
        app: The application's name.
        job: The job's name.
        policy: The job's overlap policy.
        operator: Who wants to start a run, for the record of the runs that are ended for it.
        tell: Is told what is done about which runs before they are waited for.

    Raises:
        RunUnderWay: The policy is `skip`, and a run is under way.
        RPCError: The server can't be reached or refuses.
    """
    under_way = await runs_under_way(client, app, job)
    way = way_of(policy, under_way)
    first = under_way
    if way == "refuse":
        raise _refusal(app, job, under_way)
    if way != "start":
        tell(way, under_way)
    reason = f"another run of '{job}' was started" + (f" by {operator}" if operator else "")
    ended: set[str] = set()
    while way != "start" and under_way:
        # A firing may have started another one meanwhile; it is under the policy as well.
        for run in under_way:
            if run.run_id not in ended:
                await _end(client, run, way, reason)
                ended.add(run.run_id)
        await asyncio.gather(
            *(until_ended(client, run.workflow_id, run.run_id) for run in under_way)
        )
        under_way = await runs_under_way(client, app, job)
    return RoomMade(way, first)


def _refusal(app: str, job: str, under_way: Sequence[Run]) -> RunUnderWay:
    first, *others = sorted(under_way, key=lambda run: run.started)
    since = f"{first.started.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    more = f", and {len(others)} more" if others else ""
    return RunUnderWay(
        f"{first.workflow_id.removeprefix(f'{app}/')} has been running since {since}{more}, and "
        f"the overlap policy of '{job}' is skip",
        where=job,
        mend="wait for its end, cancel it (`euryale cancel`), or start this one beside it "
        "with --force",
    )


async def _end(client: Client, run: Run, way: Way, reason: str) -> None:
    handle = client.get_workflow_handle(run.workflow_id, run_id=run.run_id)
    try:
        if way == "cancel":
            await handle.cancel(reason=reason)
        elif way == "terminate":
            await handle.terminate(reason=reason)
    except RPCError as error:
        # It ended by itself in between.
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
