"""A plan as the commands show it: what changes, and when a job fires before and after."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from rich.text import Text
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from euryale.cli.times import moment
from euryale.errors import ReleaseSuperseded
from euryale.schedules.apply import AT_ONCE, Wish, plan
from euryale.schedules.differences import Difference, differences, held_detail
from euryale.schedules.ledger import Ledger
from euryale.schedules.mark import mark_of
from euryale.schedules.plan import Change, Plan
from euryale.schedules.schedule import Desired, DesiredSchedule
from euryale.schedules.turn import read_ledger
from euryale.time.spread import spread_of
from euryale.time.timetable import firings
from euryale.time.timetable_words import timetable_in_words, timetable_text
from euryale.time.zones import time_zone

SIGNS = {
    "new": ("+", "green"),
    "changed": ("~", "yellow"),
    "renamed": ("→", "yellow"),
    "removed": ("-", "red"),
    "kept": ("!", "yellow"),
    "finished": ("·", "dim"),
    "unchanged": ("=", "dim"),
}

_SHOWN = 5
"""Firings that are shown before and after a change."""

_NAMES = 10
"""Unchanged jobs that are named."""

_COUNTED = {
    "new": "to create",
    "changed": "to change",
    "renamed": "to rename",
    "removed": "to remove",
    "kept": "left alone",
    "finished": "finished",
    "unchanged": "unchanged",
}


@dataclass(frozen=True)
class PlannedChange:
    """A change, and what of it is worth showing.

    Attributes:
        change: The change.
        fields: What differs, field by field.
        before: The next times at which it starts a run as it is held.
        after: The same as it is desired, in the job's zone.
    """

    change: Change
    fields: tuple[Difference, ...] = ()
    before: tuple[datetime, ...] = ()
    after: tuple[datetime, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The change for programs."""
        change = self.change
        renamed = change.kind == "renamed" and change.held is not None
        return {
            "kind": change.kind,
            "name": change.name,
            "renamed_from": change.held.name if renamed and change.held else None,
            "by_hand": change.by_hand,
            "reason": change.reason,
            "differences": [
                {"field": each.field, "old": each.old, "new": each.new} for each in self.fields
            ],
            "fires_before": [time.isoformat() for time in self.before],
            "fires_after": [time.isoformat() for time in self.after],
        }


@dataclass(frozen=True)
class PlanReport:
    """A plan, whole.

    Attributes:
        wish: What is to be brought about.
        ledger: What the releases before left.
        changes: What becomes of each schedule.
        superseded: Why this release would change nothing; empty if it would.
    """

    wish: Wish
    ledger: Ledger
    changes: tuple[PlannedChange, ...]
    superseded: str = ""

    @property
    def has_drift(self) -> bool:
        """Whether Temporal holds anything else than what the jobs ask for."""
        return bool(Plan(tuple(each.change for each in self.changes)).work)

    @property
    def removed(self) -> tuple[str, ...]:
        """The names of the jobs whose schedules would be removed."""
        return tuple(each.change.name for each in self.changes if each.change.kind == "removed")

    @property
    def counts(self) -> Counter[str]:
        """How many changes there are of each kind."""
        return Counter(each.change.kind for each in self.changes)

    def as_dict(self) -> dict[str, Any]:
        """The plan for programs."""
        return {
            "app": self.wish.app,
            "release": self.wish.release.name,
            "newest_release": self.ledger.newest or None,
            "superseded": self.superseded or None,
            "frozen": self.ledger.frozen is not None,
            "drift": self.has_drift,
            "counts": dict(self.counts),
            "changes": [
                each.as_dict()
                | {
                    "replaces": [
                        one.as_dict() for one in self.wish.replaced.get(each.change.name, ())
                    ]
                }
                for each in self.changes
            ],
        }


async def plan_report(client: Client, wish: Wish) -> PlanReport:
    """What an apply would do; describes only what changes, unless the wish is deep.

    Raises:
        RPCError: The server can't be reached or refuses.
        ReleaseInvalid: The release's sequence is another one's.
    """
    held = await read_ledger(client, wish.app)
    superseded = ""
    try:
        held.ledger.refuse_older(wish.release)
    except ReleaseSuperseded as error:
        superseded = error.what
    planned = await plan(client, wish, held.ledger)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(change: Change) -> PlannedChange:
        async with places:
            return await _planned(client, change, deep=wish.deep)

    changes = await asyncio.gather(*(one(change) for change in planned.changes))
    return PlanReport(wish, held.ledger, tuple(changes), superseded)


async def _planned(client: Client, change: Change, *, deep: bool) -> PlannedChange:
    desired, held = change.desired, change.held
    before = held.next[:_SHOWN] if held is not None and not held.paused else ()
    if desired is None:
        return PlannedChange(change, before=before)
    if held is None or (change.kind == "unchanged" and not deep):
        after = _after(desired) if change.kind == "new" else ()
        return PlannedChange(change, after=after)
    try:
        description = await client.get_schedule_handle(held.id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        # The list lags behind: it has been removed meanwhile.
        return PlannedChange(replace(change, kind="new", held=None), after=_after(desired))
    fields = differences(await held_detail(description), desired)
    mark = mark_of(description.raw_description.schedule.spec)
    same = mark is not None and mark.hash == desired.hash and not fields and not change.reason
    if change.kind != "renamed":
        change = replace(change, kind="unchanged" if same else "changed")
    if change.kind == "unchanged":
        return PlannedChange(change)
    times = tuple(description.info.next_action_times[:_SHOWN])
    return PlannedChange(change, fields, before=times, after=_after(desired))


def _after(desired: Desired) -> tuple[datetime, ...]:
    if not isinstance(desired, DesiredSchedule):
        return ()
    job = desired.job
    spread: timedelta = spread_of(desired.id, job.config.window)
    times = firings(job.timetable, after=desired.since)
    return tuple(time + spread for time in islice(times, _SHOWN))


def plan_lines(report: PlanReport) -> Iterator[Text]:
    """The plan for people: one line for each schedule that something becomes of, and a summary."""
    if report.superseded:
        yield Text(f"{report.superseded}: nothing would be changed", style="yellow")
    if report.ledger.frozen is not None:
        frozen = report.ledger.frozen
        yield Text(f"frozen by {frozen.by}: what is created starts paused", style="yellow")
    for planned in report.changes:
        if planned.change.kind != "unchanged":
            replaced = report.wish.replaced.get(planned.change.name, ())
            yield from _change_lines(planned, ", ".join(map(str, replaced)))
    unchanged = [each.change.name for each in report.changes if each.change.kind == "unchanged"]
    if unchanged:
        named = f": {', '.join(unchanged)}" if len(unchanged) <= _NAMES else ""
        yield Text(f"= {len(unchanged)} unchanged{named}", style="dim")
    counts = report.counts
    told = [f"{counts[kind]} {words}" for kind, words in _COUNTED.items() if counts[kind]]
    style = "bold yellow" if report.has_drift else "bold green"
    yield Text(", ".join(told) or "there are no jobs", style=style)


def _change_lines(planned: PlannedChange, replaces: str) -> Iterator[Text]:
    change = planned.change
    sign, style = SIGNS[change.kind]
    words = f"{_words(change)}, {replaces}" if replaces else _words(change)
    yield Text.assemble((f"{sign} {change.name}", style), f"  {words}")
    width = max((len(each.field) for each in planned.fields), default=0)
    for each in planned.fields:
        yield Text.assemble(
            f"    {each.field.ljust(width)}  ", (each.old, "red"), " ⇒ ", (each.new, "green")
        )
    if planned.change.kind not in ("changed", "renamed", "removed"):
        return
    desired = change.desired
    is_job = isinstance(desired, DesiredSchedule)
    zone = time_zone(desired.job.timetable.zone) if isinstance(desired, DesiredSchedule) else None
    before = [moment(time.astimezone(zone) if zone else time) for time in planned.before]
    after = [moment(time) for time in planned.after]
    if before != after and (is_job or change.kind == "removed"):
        yield Text(f"    fires  {', '.join(before) or 'never'}", style="dim")
        if change.kind != "removed":
            yield Text(f"        ⇒  {', '.join(after) or 'never'}", style="dim")


def _words(change: Change) -> str:
    desired, held = change.desired, change.held
    if change.kind == "renamed" and held is not None:
        return f"renamed from {held.name}"
    if change.kind == "changed":
        if change.reason:
            return f"changed: {change.reason}"
        edited = desired and held and held.mark and held.mark.hash != desired.hash
        by_hand = "changed, also by hand" if edited else "changed by hand"
        return by_hand if change.by_hand else "changed"
    if change.kind == "new":
        return _fires(desired) if isinstance(desired, DesiredSchedule) else "watches the jobs"
    if change.kind == "removed":
        own = change.name.startswith(".")
        return "the application has it no more" if own else "no job file has it any more"
    return f"{change.kind}: {change.reason}"


def _fires(desired: DesiredSchedule) -> str:
    timetable = desired.job.timetable
    zone = "" if timetable.zone == "UTC" else f" {timetable.zone}"
    return f"{timetable_text(timetable)}{zone}  {timetable_in_words(timetable)}"
