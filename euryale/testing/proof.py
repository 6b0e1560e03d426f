"""What a proof found: every case, and what is wrong with those that don't hold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from euryale.testing.cases import Case

_MOST_CASES = 20
_MOST_PROBLEMS = 12


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one case.

    Attributes:
        case: The case.
        ending: How the run ended: `completed`, or what it failed with.
        problems: What is wrong; empty where the case holds.
        left: The steps that the run's own report says were not taken back.
        reached: Whether the run came to what should have disturbed it.
    """

    case: Case
    ending: str
    problems: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    reached: bool = True

    @property
    def holds(self) -> bool:
        """Whether the run did all or left nothing, or said what it left."""
        return not self.problems

    def __str__(self) -> str:
        told = list(self.problems[:_MOST_PROBLEMS])
        if len(self.problems) > _MOST_PROBLEMS:
            told.append(f"… and {len(self.problems) - _MOST_PROBLEMS} more")
        lines = "".join(f"\n    {line}" for line in told)
        return f"{self.case}: the run {self.ending}{lines}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the cases of one workflow showed.

    Attributes:
        workflow: The workflow's name.
        verdicts: What became of each case.
        seconds: How long all of it took.
    """

    workflow: str
    verdicts: tuple[Verdict, ...]
    seconds: float = 0.0

    @property
    def cases(self) -> int:
        """How many cases disturbed a run."""
        return sum(each.reached for each in self.verdicts)

    @property
    def failed(self) -> Sequence[Verdict]:
        """The cases that don't hold."""
        return [each for each in self.verdicts if not each.holds]

    def __str__(self) -> str:
        """The result in a line, and a paragraph for each case that doesn't hold."""
        failed = self.failed
        told = f"{self.workflow}: {self.cases} cases"
        told += f", {len(failed)} don't hold" if failed else ", all hold"
        left = Counter(step for each in self.verdicts if each.holds for step in set(each.left))
        if left:
            steps = ", ".join(f"{step} in {count}" for step, count in sorted(left.items()))
            told += f" (as their reports say, not taken back: {steps})"
        told += f"; {self.seconds:.0f} s"
        told += "".join(f"\n  {verdict}" for verdict in failed[:_MOST_CASES])
        if len(failed) > _MOST_CASES:
            told += f"\n  … and {len(failed) - _MOST_CASES} more"
        return told


class ProofFailed(AssertionError):
    """Some case doesn't hold.

    Attributes:
        proof: All that was found.
    """

    def __init__(self, proof: Proof) -> None:
        """Make it; its message is the proof's."""
        super().__init__(str(proof))
        self.proof = proof
