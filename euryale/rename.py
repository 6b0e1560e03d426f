"""Giving a schedule another name: a schedule's id can't be changed, so a new one takes its place.

The old one is paused while the new one is made, so that no firing comes twice; one that falls in
between is made up for. A note on the old one tells an apply that goes on after a crash.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleBackfill,
)
from temporalio.service import RPCError, RPCStatusCode

from euryale.differences import HeldDetail, held_detail
from euryale.schedule import DesiredSchedule
from euryale.spread import spread_of
from euryale.timetable import firings

_PAUSED = re.compile(r"is renamed to \S+ since (?P<since>\S+?)(?:: (?P<note>.*))?", re.DOTALL)

_CLOCKS = timedelta(seconds=10)
"""How far this machine's clock and the server's may be apart."""


@dataclass(frozen=True)
class BegunRename:
    """A schedule that no longer fires under its old name.

    Attributes:
        detail: What was held under the old name.
        schedule: The same, with the pause and the note that it had before.
        since: When it stopped firing; None if it was paused anyway.
    """

    detail: HeldDetail
    schedule: Schedule
    since: datetime | None


async def begin_rename(client: Client, old_id: str, name: str) -> BegunRename | None:
    """Stop a schedule from firing under its old name.

    Args:
        client: A connected client.
        old_id: The schedule's id.
        name: The job's new name.

    Returns:
        What the new schedule has to take over; None if there is no schedule of that id.
    """
    handle = client.get_schedule_handle(old_id)
    try:
        state = (await handle.describe()).schedule.state
        since = None
        if match := _PAUSED.fullmatch(state.note or ""):
            # An apply stopped in between: it fired until then.
            since = datetime.fromisoformat(match["since"])
            state = replace(state, paused=False, note=match["note"])
        elif not state.paused:
            since = datetime.now(UTC)
            note = f"is renamed to {name} since {since.isoformat()}"
            await handle.pause(note=f"{note}: {state.note}" if state.note else note)
        # How many executions are left is known once it no longer fires.
        description = await handle.describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    held = description.schedule.state
    state = replace(state, remaining_actions=held.remaining_actions)
    return BegunRename(
        await held_detail(description), replace(description.schedule, state=state), since
    )


async def end_rename(
    client: Client, old_id: str, desired: DesiredSchedule, begun: BegunRename
) -> None:
    """Remove the schedule under its old name, and make up for firings in between."""
    if begun.since is not None:
        await _make_up(client, old_id, desired, begun.since)
    try:
        await client.get_schedule_handle(old_id).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _make_up(client: Client, old_id: str, desired: DesiredSchedule, since: datetime) -> None:
    now, window = datetime.now(UTC), desired.job.config.window
    missed = []
    for firing in firings(desired.job.timetable, after=since - _CLOCKS - window):
        if firing > now:
            break
        before, after = (firing + spread_of(each, window) for each in (old_id, desired.id))
        if before < since - _CLOCKS or after > now:
            # The old schedule has fired, or the new one will.
            continue
        ids = (f"{old_id}-{_stamp(before)}", f"{desired.id}-{_stamp(after)}")
        if not [each for each in ids if await _ran(client, each)]:
            missed.append(ScheduleBackfill(after, after))
    if missed:
        await client.get_schedule_handle(desired.id).backfill(*missed)


def _stamp(firing: datetime) -> str:
    return firing.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _ran(client: Client, workflow_id: str) -> bool:
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
