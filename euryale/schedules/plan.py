"""A plan: what has to be done for Temporal to hold what the jobs ask for.

A pure comparison of what is desired with what one list of schedules shows.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from euryale.schedules.held import HeldSchedule
from euryale.schedules.ledger import LEDGER, Ledger
from euryale.schedules.rename import cut_off
from euryale.schedules.schedule import Desired

Kind = Literal["new", "changed", "renamed", "removed", "kept", "finished", "unchanged"]
"""What becomes of a schedule.

`kept` is one without a job that is left alone, and `finished` a job whose schedule is gone because
it has nothing left to do.
"""

WORK: frozenset[Kind] = frozenset({"new", "changed", "renamed", "removed"})
"""What an apply has to do something about."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one schedule.

    Attributes:
        kind: What.
        name: The job's name.
        desired: What its job asks for; None where there is no job.
        held: What Temporal holds, of a renamed job that under its former name; None if nothing.
        by_hand: Whether somebody changed the schedule since the last apply, beside its pause.
        reason: Why, where the kind doesn't tell.
    """

    kind: Kind
    name: str
    desired: Desired | None = None
    held: HeldSchedule | None = None
    by_hand: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """What has to be done, schedule by schedule.

    Attributes:
        changes: The jobs' schedules in the order of the jobs, then those without a job by name.
    """

    changes: tuple[Change, ...]

    def of(self, *kinds: Kind) -> tuple[Change, ...]:
        """The changes of some kinds."""
        return tuple(change for change in self.changes if change.kind in kinds)

    @property
    def work(self) -> tuple[Change, ...]:
        """What an apply has to do something about; empty if Temporal holds what is desired."""
        return self.of(*WORK)


def make_plan(
    desired: Iterable[Desired],
    held: Mapping[str, HeldSchedule],
    ledger: Ledger,
    *,
    prune: bool,
    left_out: bool = False,
) -> Plan:
    """Compare what is desired with what is held.

    Args:
        desired: What the jobs ask for.
        held: What Temporal holds of the application, by job name.
        ledger: What is known beyond the schedules.
        prune: Whether schedules without a job are removed.
        left_out: Whether job files were left out as they are broken: a schedule whose job is
            missing may be one of theirs, and is kept.
    """
    wanted = {each.name: each for each in desired}
    renamed: dict[str, str] = {}
    for each in wanted.values():
        before = _held_as(each, wanted, held, ledger, left_out=left_out)
        if before is not None:
            renamed[before] = each.name
    now_named = {after: held[before] for before, after in renamed.items()}
    changes = [
        Change("renamed", each.name, each, now_named[each.name])
        if each.name in now_named
        else _wanted(each, held.get(each.name), used_before(each, wanted, ledger))
        for each in wanted.values()
    ]
    others = (each for each in held.values() if each.name not in wanted | renamed)
    return Plan((*changes, *_unwanted(others, prune=prune, left_out=left_out)))


def used_before(desired: Desired, wanted: Collection[str], ledger: Ledger) -> int:
    """How many executions of a job were used up before its schedule is made.

    Args:
        desired: What the job asks for.
        wanted: The names of all jobs.
        ledger: What is known beyond the schedules.
    """
    names = (desired.name, *_other_names(desired, wanted, ledger))
    return max(ledger.executions.get(name, 0) for name in names)


def unrecorded(planned: Plan, ledger: Ledger) -> Mapping[str, int]:
    """The executions that were granted, and of which the ledger doesn't know.

    Args:
        planned: What was found.
        ledger: What is known beyond the schedules.
    """
    marks = {each.name: each.held.mark for each in planned.of("unchanged") if each.held}
    return {
        name: mark.executions
        for name, mark in marks.items()
        if mark is not None
        and mark.executions is not None
        and ledger.executions.get(name) != mark.executions
    }


def _other_names(desired: Desired, wanted: Collection[str], ledger: Ledger) -> Iterator[str]:
    """The names that a job may go by: its former one, and what a newer release calls it."""
    newer = (name for name, had in ledger.former_names.items() if desired.name in had)
    for name in (desired.renamed_from, *newer):
        if name is not None and name not in wanted:
            yield name


def _held_as(
    desired: Desired,
    wanted: Collection[str],
    held: Mapping[str, HeldSchedule],
    ledger: Ledger,
    *,
    left_out: bool,
) -> str | None:
    """The other name that a job's schedule is held under, if it is."""
    for name in _other_names(desired, wanted, ledger):
        # The newer name may be that of a job whose file was left out.
        newer = name != desired.renamed_from
        if name in held and not (newer and (left_out or desired.name in held)):
            return name
    return None


def _wanted(desired: Desired, held: HeldSchedule | None, used: int) -> Change:
    name = desired.name
    if held is None:
        return _missing(desired, used)
    edited = held.mark is not None and held.mark.hash != desired.hash
    if edited or held.changed_by_hand:
        return Change("changed", name, desired, held, by_hand=held.changed_by_hand)
    if cut_off(held.paused, held.note) is not None:
        return Change("changed", name, desired, held, reason="a rename of it was cut off")
    return Change("unchanged", name, desired, held)


def _missing(desired: Desired, used: int) -> Change:
    """What becomes of a job without a schedule: Temporal deletes those that have nothing to do."""
    if desired.limit is not None and used >= desired.limit:
        return Change(
            "finished", desired.name, desired, reason=f"{used} of {desired.limit} executions ran"
        )
    if desired.is_over:
        return Change("finished", desired.name, desired, reason="it has no firing left")
    return Change("new", desired.name, desired)


def _unwanted(
    schedules: Iterable[HeldSchedule], *, prune: bool, left_out: bool
) -> Iterator[Change]:
    for held in sorted(schedules, key=lambda each: each.name):
        if held.name == LEDGER:
            continue
        if held.name.startswith(".") and held.mark is not None:
            # One of the engine's own, which no job file asks for.
            yield Change("removed", held.name, held=held)
        elif held.mark is None:
            yield Change(
                "kept", held.name, held=held, reason="no apply made it, or it was made over by hand"
            )
        elif left_out:
            yield Change(
                "kept",
                held.name,
                held=held,
                reason="its job may be in one of the job files that were left out",
            )
        elif not prune:
            yield Change("kept", held.name, held=held, reason="nobody asked to prune")
        else:
            yield Change("removed", held.name, held=held)
