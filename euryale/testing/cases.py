"""The cases of a proof: every fault that follows from what an undisturbed run did."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from euryale.testing.event_log import Event, Record
from euryale.testing.fault import Call, Fault, FaultKind, Moment

Ending = Literal["completes", "fails", "any"]
"""How the run must end: whatever happens, it does all or leaves nothing."""

_OF_STEPS: tuple[tuple[FaultKind, Moment, Ending], ...] = (
    ("fails", "before", "any"),
    ("fails", "after", "any"),
    ("fails once", "after", "completes"),
    ("cancels", "before", "any"),
    ("cancels", "after", "any"),
    ("hangs", "before", "any"),
    ("hangs", "after", "any"),
)

_OF_COMPENSATIONS: tuple[tuple[FaultKind, Moment], ...] = (
    ("fails once", "before"),
    ("fails once", "after"),
    ("fails", "before"),
    ("cancels", "before"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One run that a proof disturbs.

    Attributes:
        faults: What happens to its calls.
        kill_at: The event of its first worker at which that is killed.
        event: That event in words.
        ends: How it must end.
    """

    faults: tuple[Fault, ...] = ()
    kill_at: int | None = None
    event: str = ""
    ends: Ending = "any"

    def __str__(self) -> str:
        told = [str(fault) for fault in self.faults]
        if self.kill_at is not None:
            told.append(f"kill -9 of the worker at its event {self.kill_at}, {self.event}")
        return ", and ".join(told) or "undisturbed"


def faults_of_calls(undisturbed: Record) -> Iterator[Case]:
    """What can happen to each call of the undisturbed run; after a read there is no effect."""
    for call in undisturbed.calls:
        reads = call.activity in undisturbed.reads
        for kind, moment, ends in _OF_STEPS:
            if moment == "before" or not reads:
                yield Case((Fault.at(call, kind, moment),), ends=ends)


def kills(record: Record, faults: tuple[Fault, ...], ends: Ending) -> Iterator[Case]:
    """A kill at each event of the worker that carried out the run of the record."""
    for number, event in enumerate(record.points, 1):
        yield Case(faults, kill_at=number, event=words_of(event), ends=ends)


def faults_of_compensations(failing: Record, faults: tuple[Fault, ...]) -> Iterator[Case]:
    """What can happen to each compensation of a run that the faults made fail."""
    for call in failing.calls:
        if call.compensates:
            for kind, moment in _OF_COMPENSATIONS:
                yield Case((*faults, Fault.at(call, kind, moment)), ends="fails")


def ways_to_fail(undisturbed: Record) -> Sequence[tuple[Fault, ...]]:
    """Faults that take a run back from its very end, the first choice first.

    A workflow may go on where its last step fails, and then there is nothing to take back.
    """
    changing = [call for call in undisturbed.calls if call.activity not in undisturbed.reads]
    if not changing:
        return ()
    last = changing[-1]
    return (Fault.at(last, "fails", "after"),), (Fault.at(last, "cancels", "after"),)


def words_of(event: Event) -> str:
    """What the worker did at an event."""
    call = Call(event.activity, event.number) if event.activity else None
    match event.kind:
        case "activation":
            return "before workflow code goes on"
        case "activated":
            return "when workflow code has gone on, before the server hears of it"
        case "begun":
            return f"before the effect of {call}"
        case "done":
            return f"after the effect of {call}, before the server hears of it"
        case _:
            return f"when {call} has failed, before the server hears of it"
