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

from euryale.schedules.differences import HeldDetail, held_detail
from euryale.schedules.schedule import DesiredSchedule
from euryale.time.catch_up import catch_up_window
from euryale.time.spread import spread_of
from euryale.time.timetable import firings, just_before

_PAUSED = re.compile(
    r"is renamed to (?P<name>\S+) since (?P<since>[-\d]+T[\d:.]+\+00:00)(?:: (?P<note>.*))?",
    re.DOTALL,
)

_CLOCKS = timedelta(seconds=10)
"""How far this machine's clock and the server's may be apart."""

_HALF_SECOND = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class CutOff:
    """What the note of a schedule says whose rename was begun.

    Attributes:
        name: The new name.
        since: When it stopped firing.
        note: The note that it had before.
    """

    name: str
    since: datetime
    note: str | None


def cut_off(paused: bool, note: str | None) -> CutOff | None:
    """What is told of a rename by a schedule that it paused; None if none did.

    Example:
        >>> cut_off(True, "is renamed to b since 2026-11-21T00:00:00+00:00: hello").note
        'hello'
    """
    match = _PAUSED.fullmatch(note or "") if paused else None
    if match is None:
        return None
    return CutOff(match["name"], datetime.fromisoformat(match["since"]), match["note"])


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
        if begun := cut_off(state.paused, state.note):
            # An apply stopped in between: it fired until then.
            since = begun.since
            state = replace(state, paused=False, note=begun.note)
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
        await make_up(client, (old_id, desired.id), desired, begun.since)
    try:
        await client.get_schedule_handle(old_id).delete()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def make_up(
    client: Client, ids: tuple[str, str], desired: DesiredSchedule, since: datetime
) -> None:
    """Start runs for the firings that came while a schedule stood under neither of two names.

    Those of a limited job need none: it has as many firings left as it would have had.

    Args:
        client: A connected client.
        ids: The schedule ids by which it fired before, and by which it may have fired since.
        desired: The schedule that starts the runs.
        since: From when on it may not have fired.
    """
    config, timetable = desired.job.config, desired.job.timetable
    if config.number_of_executions is not None:
        return
    info = (await client.get_schedule_handle(desired.id).describe()).info
    # What is put off by jitter, too, the schedule starts for firings after this alone.
    until = info.last_updated_at or info.created_at
    oldest = max(since - _CLOCKS, until - catch_up_window(config, timetable))
    missed = []
    for firing in firings(timetable, after=oldest - config.window - config.jitter):
        # Reckoned in UTC: Python reckons within a zone by its wall clock.
        due = firing.astimezone(UTC)
        before, after = (due + spread_of(each, config.window) for each in (ids[0], desired.id))
        if due > until:
            break
        if before + config.jitter < oldest or after > until:
            # The old schedule has fired, or the new one will.
            continue
        starts = {f"{each}-{_stamp(due + spread_of(each, config.window))}" for each in ids}
        if not [each for each in starts if await _ran(client, each)]:
            # Temporal looks for it where its jitter puts it, which is before the next firing.
            following = next(firings(timetable, after=firing), None)
            end = after + config.jitter
            if following is not None:
                end = min(end, just_before(following.astimezone(UTC) + (after - due)))
            missed.append(ScheduleBackfill(after - _HALF_SECOND, end))
    if config.catch_up == "latest":
        missed = missed[-1:]
    if missed:
        await client.get_schedule_handle(desired.id).backfill(*missed)


def _stamp(start: datetime) -> str:
    return start.strftime("%Y-%m-%dT%H:%M:%SZ")


async def _ran(client: Client, workflow_id: str) -> bool:
    try:
        await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True
