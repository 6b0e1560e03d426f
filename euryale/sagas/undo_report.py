"""What became of what a saga or a run did: what was taken back, what was not, and why."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

Outcome = Literal["undone", "failed", "changed since", "no compensation", "unknown"]
"""What became of a step.

`failed`: its compensation failed for good. `changed since`: somebody changed since what would be
restored, and that was left alone. `no compensation`: it can't be taken back. `unknown`: it was cut
off, and doesn't say what its compensation would get then.
"""

Compensation = Literal["none", "complete", "partial"]
"""`none`: there was nothing to take back. `complete`: all was taken back. `partial`: something
is left."""

_MOST_STEPS = 50
"""Steps that a report tells of one by one: a failure has to stay small."""

_REASON_LENGTH = 300


class StepUndo(BaseModel):
    """What became of one step.

    Attributes:
        step: The step's activity, or the child workflow's type.
        id: The activity's id in its run, or the child workflow's id.
        run_id: The run that did it.
        outcome: What became of it.
        compensation: The activity that took it back, or should have; empty where there is none.
        reason: Why it was not taken back; empty where it was.
    """

    model_config = ConfigDict(frozen=True)

    step: str
    id: str
    run_id: str = ""
    outcome: Outcome
    compensation: str = ""
    reason: str = ""


class UndoReport(BaseModel):
    """What was undone, what was not, and why.

    Attributes:
        undone: How many steps were taken back.
        left: How many were not.
        steps: What became of each, those that were not taken back first; of many, the first fifty.

    Example:
        >>> report = UndoReport.of(
        ...     [
        ...         StepUndo(step="cart.delete", id="1", outcome="undone"),
        ...         StepUndo(step="mail.send", id="2", outcome="no compensation"),
        ...     ]
        ... )
        >>> report.compensation, str(report)
        ('partial', '1 step was taken back, 1 was not: mail.send (no compensation)')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    undone: int = 0
    left: int = 0
    steps: tuple[StepUndo, ...] = ()

    @classmethod
    def of(cls, steps: Iterable[StepUndo]) -> Self:
        """The report of these steps."""
        every = [each.model_copy(update={"reason": _brief(each.reason)}) for each in steps]
        undone = sum(each.outcome == "undone" for each in every)
        every.sort(key=lambda each: each.outcome == "undone")
        return cls(undone=undone, left=len(every) - undone, steps=tuple(every[:_MOST_STEPS]))

    @property
    def compensation(self) -> Compensation:
        """The value of the search attribute."""
        if self.left:
            return "partial"
        return "complete" if self.undone else "none"

    def __add__(self, other: "UndoReport") -> "UndoReport":
        """Both together; of a step that both tell of, the second one counts."""
        told_again = {(each.run_id, each.id) for each in other.steps}
        kept = [each for each in self.steps if (each.run_id, each.id) not in told_again]
        replaced = [each for each in self.steps if (each.run_id, each.id) in told_again]
        before = sum(each.outcome == "undone" for each in replaced)
        steps = sorted((*kept, *other.steps), key=lambda each: each.outcome == "undone")
        return UndoReport(
            undone=self.undone - before + other.undone,
            left=self.left - (len(replaced) - before) + other.left,
            steps=tuple(steps[:_MOST_STEPS]),
        )

    def __str__(self) -> str:
        """All of it in a sentence."""
        if not self.undone and not self.left:
            return "there was nothing to take back"
        taken = f"{_steps(self.undone)} taken back"
        if not self.left:
            return taken
        counted = Counter(_told(each) for each in self.steps if each.outcome != "undone")
        told = "; ".join(
            f"{count:,} times {one}" if count > 1 else one for one, count in counted.items()
        )
        kept = f"{self.left:,} {'was' if self.left == 1 else 'were'} not"
        return (
            f"{taken}, {kept}: {told}"
            if self.undone
            else f"{_steps(self.left)} not taken back: {told}"
        )


def _steps(count: int) -> str:
    return f"{count:,} step was" if count == 1 else f"{count:,} steps were"


def _told(step: StepUndo) -> str:
    reason = f": {step.reason}" if step.reason else ""
    return f"{step.step} ({step.outcome}{reason})"


def _brief(text: str) -> str:
    return text if len(text) <= _REASON_LENGTH else text[: _REASON_LENGTH - 1] + "…"
