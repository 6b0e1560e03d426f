"""Pausing and resuming in Temporal: some of an application's schedules, or all of them at once.

A pause is written by a patch, which sets whether a schedule is paused and its note at one stroke
and leaves all else as it is. What a schedule is at the moment, only its own description tells: the
list of all lags behind.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import NothingMatches
from euryale.schedules.apply import AT_ONCE, UNREACHABLE
from euryale.schedules.held import held_schedules
from euryale.schedules.ledger import Freeze, Turn
from euryale.schedules.pauses import (
    Outcome,
    PauseChange,
    PauseNote,
    PauseState,
    chosen,
    freeze,
    is_pattern,
    thaw,
)
from euryale.schedules.turn import LEASE, change_ledger, read_ledger

Rule = Callable[[PauseState], PauseChange]
"""What to do with a schedule, by what it is at the moment."""

Told = Callable[[int, int], None]
"""Told how many schedules are done, and of how many."""

_POLL = timedelta(seconds=0.2)
_CHANGES: tuple[Outcome, ...] = ("paused", "resumed", "frozen", "failed")


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of one schedule.

    Attributes:
        name: The job's name.
        outcome: What was done, or why nothing was.
        before: What the schedule was; None if Temporal holds none.
        after: What it is now.
        error: Why it failed; empty if it didn't.
    """

    name: str
    outcome: Outcome
    before: PauseState | None = None
    after: PauseState | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ChangedAll:
    """What became of all schedules.

    Attributes:
        before: The freeze that there was; None if there was none.
        changed: What became of each schedule, by name.
    """

    before: Freeze | None
    changed: tuple[Changed, ...]


async def choose(
    client: Client, app: str, jobs: Collection[str], patterns: Sequence[str]
) -> tuple[str, ...]:
    """The names that patterns choose of an application's jobs.

    Those are the jobs of the files, and the schedules whose file is gone.

    Args:
        client: A connected client.
        app: The application's name.
        jobs: The names of the jobs that have a file.
        patterns: Names, and patterns; see `pauses.chosen`.

    Raises:
        JobUnknown: A name is neither a job's nor a schedule's.
        NothingMatches: A pattern matches nothing, or Temporal holds no schedule of a name.
        RPCError: The server can't be reached or refuses.
    """
    held = await _held_names(client, app)
    # A schedule may be too new to be in the list.
    asked = [name for name in patterns if not (name in held or is_pattern(name) or name[:1] == ".")]
    found = {name for name in asked if await pause_state(client, app, name) is not None}
    names = chosen(patterns, held | found | {*jobs})
    for name in asked:
        if name not in found:
            raise not_applied(app, name)
    return names


def not_applied(app: str, *names: str) -> NothingMatches:
    """The refusal of jobs that have files and no schedules."""
    named = ", ".join(f"'{name}'" for name in names)
    return NothingMatches(
        f"Temporal holds no schedule of {named or 'any job'}",
        where=app,
        mend="it is made when the jobs are applied: start a worker",
    )


async def _held_names(client: Client, app: str) -> frozenset[str]:
    held = await held_schedules(client, app)
    # What begins with a dot is the engine's own.
    return frozenset(name for name in held if not name.startswith("."))


async def pause_state(client: Client, app: str, name: str) -> PauseState | None:
    """Whether a schedule is paused at this moment; None if Temporal holds none of that name."""
    try:
        description = await client.get_schedule_handle(f"{app}/{name}").describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return PauseState(description.schedule.state.paused, description.schedule.state.note or "")


async def change_pauses(
    client: Client, app: str, names: Iterable[str], rule: Rule, told: Told | None = None
) -> tuple[Changed, ...]:
    """Pause or resume schedules. One that fails stops none of the others.

    Args:
        client: A connected client.
        app: The application's name.
        names: The jobs' names.
        rule: What to do with each schedule.
        told: Told after each schedule.

    Returns:
        What became of each, by name.

    Raises:
        RPCError: The server can't be reached.
    """
    ordered = sorted(names)
    places = asyncio.Semaphore(AT_ONCE)
    done = 0

    async def one(name: str) -> Changed:
        nonlocal done
        async with places:
            changed = await _guarded(client, app, name, rule)
        done += 1
        if told is not None:
            told(done, len(ordered))
        return changed

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(name)) for name in ordered]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return tuple(task.result() for task in tasks)


async def freeze_all(
    client: Client, app: str, jobs: Collection[str], note: PauseNote, told: Told | None = None
) -> ChangedAll:
    """Pause all schedules of an application that aren't paused.

    A freeze that there is already goes on, under its own note: what it didn't come to is paused
    now. Jobs that are applied during a freeze get paused schedules.

    Args:
        client: A connected client.
        app: The application's name.
        jobs: The names of the jobs that have a file.
        note: Who freezes, when and why.
        told: Told after each schedule.

    Raises:
        RPCError: The server can't be reached.
    """
    wanted = Freeze(by=note.by, since=note.since, note=note.why)
    before = (await read_ledger(client, app)).ledger.frozen
    # Written first, so that nobody who applies from now on makes a schedule that fires.
    held = await change_ledger(
        client, app, lambda ledger: ledger if ledger.frozen else ledger.with_frozen(wanted)
    )
    frozen = held.ledger.frozen or wanted
    kept = PauseNote(frozen.by, frozen.since, frozen.note, frozen=True)
    changed = await _change_all(
        client,
        app,
        jobs,
        rule=lambda state: freeze(state, kept),
        turn=held.ledger.turn,
        told=told,
    )
    return ChangedAll(before, changed)


async def thaw_all(
    client: Client, app: str, jobs: Collection[str], note: str, told: Told | None = None
) -> ChangedAll:
    """Resume the schedules that a freeze paused, and no others.

    After one that was interrupted, another one does the rest: what is frozen is told by its note.

    Args:
        client: A connected client.
        app: The application's name.
        jobs: The names of the jobs that have a file.
        note: The note that the resumed schedules get.
        told: Told after each schedule.

    Raises:
        RPCError: The server can't be reached.
    """
    before = (await read_ledger(client, app)).ledger.frozen
    held = await change_ledger(client, app, lambda ledger: ledger.with_frozen(None))
    changed = await _change_all(
        client,
        app,
        jobs,
        rule=lambda state: thaw(state, note),
        turn=held.ledger.turn,
        told=told,
    )
    return ChangedAll(before, changed)


async def _change_all(
    client: Client,
    app: str,
    jobs: Collection[str],
    *,
    rule: Rule,
    turn: Turn | None,
    told: Told | None,
) -> tuple[Changed, ...]:
    names = {*jobs} | await _held_names(client, app)
    changed = await change_pauses(client, app, names, rule, told)
    if turn is None:
        return changed
    # Whoever was applying then may not know of the change, and make schedules as they were before.
    await _wait_for(client, app, turn)
    names |= await _held_names(client, app)
    again = await change_pauses(client, app, names, rule, told)
    first = {each.name: each for each in changed if each.outcome in _CHANGES}
    return tuple(
        first[each.name] if each.name in first and each.outcome not in _CHANGES else each
        for each in again
    )


async def _wait_for(client: Client, app: str, turn: Turn) -> None:
    """Wait until an apply has ended, or shows no sign of life."""
    seen, since = turn, time.monotonic()
    while time.monotonic() - since < LEASE.total_seconds():
        now = (await read_ledger(client, app)).ledger.turn
        if now is None or now.holder != turn.holder:
            return
        if now != seen:
            seen, since = now, time.monotonic()
        await asyncio.sleep(_POLL.total_seconds())


async def _guarded(client: Client, app: str, name: str, rule: Rule) -> Changed:
    try:
        return await _change(client, app, name, rule)
    except RPCError as error:
        if error.status in UNREACHABLE:
            raise
        return Changed(name, "failed", error=error.message)


async def _change(client: Client, app: str, name: str, rule: Rule) -> Changed:
    before = await pause_state(client, app, name)
    if before is None:
        return Changed(name, "not applied yet")
    change = rule(before)
    handle = client.get_schedule_handle(f"{app}/{name}")
    if change.state != before and change.state.paused:
        await handle.pause(note=change.state.note)
    elif change.state != before:
        await handle.unpause(note=change.state.note)
    return Changed(name, change.outcome, before, change.state)
