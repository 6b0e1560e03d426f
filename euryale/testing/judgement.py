"""Judging a case: a run does all of it or leaves nothing, and says so where it leaves something."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from euryale.sagas.undo_report import StepUndo
from euryale.testing.cases import Case
from euryale.testing.difference import Change, Ends, changes
from euryale.testing.proof import Verdict

Leaves = Mapping[str, Collection[str]]
"""By step: the parts of the snapshot that it may leave changed when it is not taken back."""

_COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Observation:
    """How one case ended.

    Attributes:
        before: The snapshot before the run.
        after: The snapshot at its end.
        ending: `completed`, or what the run failed with.
        undo: What the run's reports, and those of its children, say of their steps.
        reached: Whether what should have disturbed it did.
    """

    before: Any
    after: Any
    ending: str
    undo: tuple[StepUndo, ...] = ()
    reached: bool = True

    @property
    def completed(self) -> bool:
        """Whether the run completed."""
        return self.ending == _COMPLETED

    @property
    def changed(self) -> list[Change]:
        """What is other than before the run."""
        return list(changes(self.before, self.after))


def judge(case: Case, seen: Observation, ends: Ends, leaves: Leaves) -> Verdict:
    """What became of a case.

    Args:
        case: The case.
        seen: How it ended.
        ends: What an undisturbed run changes.
        leaves: What steps may leave; nothing of a step that isn't named.
    """
    left = tuple(dict.fromkeys(each.step for each in seen.undo if each.outcome != "undone"))
    problems: list[str] = []
    # Which event is a worker's last depends on what the server tells it at once: a kill may come
    # too late, and the case then isn't counted.
    if not seen.reached and case.kill_at is None:
        problems.append("the run never came to what should have disturbed it")
    if case.ends == "completes" and not seen.completed:
        problems.append("it should have gone on and completed")
    if case.ends == "fails" and seen.completed:
        problems.append("it should have failed")
    if seen.completed:
        differing = ends.differences(seen.changed)
        broken = {fault.activity for fault in case.faults if fault.kind != "fails once"}
        allowed = _parts(leaves, {*left, *broken})
        problems += [str(each) for each in differing if each.part not in allowed]
    else:
        problems += _left_behind(seen, case, leaves)
    return Verdict(case, seen.ending, tuple(problems), left, seen.reached)


def _left_behind(seen: Observation, case: Case, leaves: Leaves) -> Sequence[str]:
    """What a run that didn't complete has changed without accounting for it."""
    changed = seen.changed
    left = [each for each in seen.undo if each.outcome != "undone"]
    broken = {fault.activity for fault in case.faults if fault.kind == "fails"}
    # What a compensation that the proof breaks would have restored isn't known beforehand; that
    # the report names it is what must hold.
    failed = [each for each in left if each.compensation in broken]
    problems = []
    for fault in case.faults:
        compensates = fault.kind == "fails" and fault.activity in {
            each.compensation for each in seen.undo
        }
        if compensates and not failed:
            problems.append(f"{fault.activity} failed for good, and the run's report is silent")
    if not failed:
        # A step that fails for good is named by the run's failure itself.
        allowed = _parts(leaves, {*broken, *(each.step for each in left)})
        problems += [
            f"left behind, and no report accounts for it: {each}"
            for each in changed
            if each.part not in allowed
        ]
    return problems


def _parts(leaves: Leaves, steps: Collection[str]) -> set[str]:
    return {part for step in steps for part in leaves.get(step, ())}
