"""Faults: what a proof does to a run, as frozen values that travel to the worker as JSON."""

from dataclasses import dataclass
from typing import Any, Literal, Self

Moment = Literal["before", "after"]
"""Before or after the effect of a call."""

FaultKind = Literal["fails", "fails once", "hangs", "cancels"]
"""`fails`: for good. `fails once`: the next attempt goes on. `hangs`: until its time is over, with
no further attempt. `cancels`: the call goes on, but somebody cancels the run meanwhile."""


@dataclass(frozen=True, slots=True)
class Call:
    """One activity of a run.

    Attributes:
        activity: The activity's name.
        number: The how manieth call of that name in the run it is, from 1.
        id: The activity's id in its workflow.

    Example:
        >>> str(Call("cart.delete")), str(Call("cart.delete", 3))
        ('cart.delete', 'cart.delete #3')
    """

    activity: str
    number: int = 1
    id: str = ""

    @property
    def compensates(self) -> bool:
        """Whether it takes a step back."""
        return self.id.startswith("undo:")

    def __str__(self) -> str:
        return self.activity if self.number == 1 else f"{self.activity} #{self.number}"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call.

    Attributes:
        kind: What happens.
        moment: Whether before or after the call's effect.
        activity: The call's activity.
        number: Its number; see `Call`.

    Example:
        >>> str(Fault("hangs", "after", "cart.delete"))
        'cart.delete hangs after its effect'
    """

    kind: FaultKind
    moment: Moment
    activity: str
    number: int = 1

    @classmethod
    def at(cls, call: Call, kind: FaultKind, moment: Moment) -> Self:
        """The fault of that kind at a call."""
        return cls(kind, moment, call.activity, call.number)

    def hits(self, call: Call) -> bool:
        """Whether the call is the one that it happens to."""
        return (self.activity, self.number) == (call.activity, call.number)

    def __str__(self) -> str:
        call = Call(self.activity, self.number)
        if self.kind == "cancels":
            return f"the run is cancelled {self.moment} the effect of {call}"
        return f"{call} {self.kind} {self.moment} its effect"


@dataclass(frozen=True, slots=True)
class Plan:
    """What one worker of a proof does wrong.

    Attributes:
        faults: What happens to single calls.
        kill_at: The worker's how manieth event it kills itself at, from 1; None if at none.
    """

    faults: tuple[Fault, ...] = ()
    kill_at: int | None = None

    def fault_at(self, call: Call, moment: Moment) -> Fault | None:
        """What happens to the call at that moment."""
        return next(
            (each for each in self.faults if each.moment == moment and each.hits(call)), None
        )

    def hangs(self, activity: str) -> bool:
        """Whether a call of that activity hangs."""
        return any(each.kind == "hangs" and each.activity == activity for each in self.faults)

    def as_json(self) -> dict[str, Any]:
        """For another process; see `of_json`."""
        faults = [[each.kind, each.moment, each.activity, each.number] for each in self.faults]
        return {"faults": faults, "kill_at": self.kill_at}

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> Self:
        """The plan of which `as_json` told.

        Example:
            >>> plan = Plan((Fault("fails", "after", "cart.delete"),), kill_at=7)
            >>> Plan.of_json(plan.as_json()) == plan
            True
        """
        return cls(tuple(Fault(*each) for each in value["faults"]), value["kill_at"])
