"""Making Temporal hold the schedules that the jobs ask for."""

import asyncio
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from temporalio.api.workflowservice.v1 import UpdateScheduleRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
)
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import TemporalRefused
from euryale.memo import MEMO
from euryale.schedule import DesiredSchedule

AT_ONCE = 10
"""Schedules that are applied at once; a server makes about 50 a second."""

UPDATES = 5
"""How often an update is tried when somebody else changes the schedule at the same time."""

Outcome = Literal["created", "updated", "unchanged", "failed"]

UNREACHABLE = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)
"""What says nothing of one schedule, but that no server answers."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one schedule.

    Attributes:
        id: The schedule's id.
        outcome: What was done; `"failed"` leaves the schedule as it was.
        error: Why it failed; empty if it didn't.
    """

    id: str
    outcome: Outcome
    error: str = ""


async def apply(client: Client, desired: Iterable[DesiredSchedule]) -> tuple[Applied, ...]:
    """Create the schedules that are missing, and update those whose hash differs.

    What operators own is kept: whether a schedule is paused, its note, and how many executions
    are left. Applying twice changes nothing. Schedules of other applications aren't touched.
    One that can't be applied stops none of the others.

    Raises:
        RPCError: The server can't be reached.
    """
    places = asyncio.Semaphore(AT_ONCE)

    async def one(wanted: DesiredSchedule) -> Applied:
        async with places:
            try:
                return Applied(wanted.id, await _apply(client, wanted))
            except Exception as error:
                if isinstance(error, RPCError) and error.status in UNREACHABLE:
                    raise
                # What a job asks for is its own: the server refuses it, or it can't be encoded.
                return Applied(wanted.id, "failed", str(error) or type(error).__name__)

    return tuple(await asyncio.gather(*(one(wanted) for wanted in desired)))


async def _apply(client: Client, wanted: DesiredSchedule) -> Outcome:
    # Creating first costs one call where there is nothing yet, and can't race with another worker.
    try:
        await client.create_schedule(wanted.id, wanted.schedule())
    except ScheduleAlreadyRunningError:
        return await _update(client, wanted)
    return "created"


async def _update(client: Client, wanted: DesiredSchedule) -> Outcome:
    outcome: Outcome = "unchanged"
    for attempt in range(UPDATES + 1):
        description = await client.get_schedule_handle(wanted.id).describe()
        held = await held_memo(description)
        if held.get("hash") == wanted.hash:
            return outcome
        if attempt == UPDATES:
            break
        schedule = _merged(description.schedule, wanted.schedule(), held)
        # The handle's own `update` sends no conflict token, and so overwrites what an operator
        # does between its read and its write. With a stale token the server keeps the schedule as
        # it is and still answers that all is well: the next look tells.
        await client.workflow_service.update_schedule(
            UpdateScheduleRequest(
                namespace=client.namespace,
                schedule_id=wanted.id,
                schedule=await schedule._to_proto(client),  # noqa: SLF001 -- no public word for it
                conflict_token=description.raw_description.conflict_token,
                identity=client.identity,
                request_id=str(uuid.uuid4()),
            ),
            retry=True,
        )
        outcome = "updated"
    raise TemporalRefused(
        f"the schedule was changed by others during each of {UPDATES} updates",
        where=wanted.id,
        mend="see whether another worker serves an older release of the application",
    )


async def held_memo(description: ScheduleDescription) -> dict[str, Any]:
    """What an earlier apply wrote into the schedule's action."""
    action = description.schedule.action
    if not isinstance(action, ScheduleActionStartWorkflow) or MEMO not in (action.memo or {}):
        return {}
    assert action.memo is not None  # noqa: S101 -- for the type checker
    (value,) = await description.data_converter.decode([action.memo[MEMO]])
    return value if isinstance(value, dict) else {}


def _merged(held: Schedule, wanted: Schedule, held_memo: dict[str, Any]) -> Schedule:
    """The wanted schedule with what operators own in the one that is held."""
    state = wanted.state
    state.paused, state.note = held.state.paused, held.state.note
    if state.limited_actions and held.state.limited_actions:
        before = held_memo.get("number_of_executions") or state.remaining_actions
        granted = state.remaining_actions - before
        state.remaining_actions = max(0, held.state.remaining_actions + granted)
    return wanted
