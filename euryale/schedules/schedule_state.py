"""What Temporal holds of one job's schedule right now, read by one call."""

from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from temporalio.client import Client, ScheduleOverlapPolicy
from temporalio.service import RPCError, RPCStatusCode

from euryale.config import Overlap
from euryale.schedules.schedule import OVERLAP

_NAMES: dict[ScheduleOverlapPolicy, Overlap] = {OVERLAP[name]: name for name in get_args(Overlap)}


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A job's schedule, as its description tells.

    Attributes:
        overlap: The overlap policy that it goes by.
        created: When it was made.
        updated: When an apply changed it last; None if none did. A pause is no such change.
        paused: Whether it is paused.
        note: What operators wrote about it.
        executions_left: How many scheduled runs are left; None without a limit.
        starts: How many runs it has started.
        skipped: How many firings it has skipped since a run was under way.
        missed: How many firings were later than its catch-up window.
    """

    overlap: Overlap
    created: datetime
    updated: datetime | None
    paused: bool
    note: str
    executions_left: int | None
    starts: int
    skipped: int
    missed: int

    @property
    def since(self) -> datetime:
        """From when on it has been as it is."""
        return self.updated or self.created


async def schedule_state(client: Client, schedule_id: str) -> ScheduleState | None:
    """Read a schedule; None if Temporal holds none of that id.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    try:
        description = await client.get_schedule_handle(schedule_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    state, info = description.schedule.state, description.info
    return ScheduleState(
        # Temporal's own default is to skip.
        overlap=_NAMES.get(description.schedule.policy.overlap, "skip"),
        created=info.created_at,
        updated=info.last_updated_at,
        paused=state.paused,
        note=state.note or "",
        executions_left=state.remaining_actions if state.limited_actions else None,
        starts=info.num_actions,
        skipped=info.num_actions_skipped_overlap,
        missed=info.num_actions_missed_catchup_window,
    )
