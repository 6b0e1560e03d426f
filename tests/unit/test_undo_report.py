"""What reports tell together, and how much is taken back at once."""

from euryale.runs.limits import CALLS_AT_ONCE, TASK_LIMIT
from euryale.sagas.undo_report import Outcome, StepUndo, UndoReport
from euryale.sagas.way_back import WayBack, batches


def told(number: str, outcome: Outcome, run_id: str = "run") -> UndoReport:
    return UndoReport.of([StepUndo(step="a.step", id=number, run_id=run_id, outcome=outcome)])


async def nothing() -> UndoReport:
    return UndoReport()


def test_what_was_left_first_and_taken_back_later_is_no_longer_left() -> None:
    both = told("1", "failed") + told("2", "undone") + told("1", "undone")
    assert (both.undone, both.left, both.compensation) == (2, 0, "complete")
    again = both + told("1", "undone")
    assert (again.undone, again.left) == (2, 0)


def test_steps_of_other_runs_are_other_steps() -> None:
    both = told("1", "failed") + told("1", "undone", run_id="another")
    assert (both.undone, both.left, both.compensation) == (1, 1, "partial")


def test_as_much_is_taken_back_at_once_as_a_workflow_task_carries() -> None:
    large = [WayBack(nothing, size=TASK_LIMIT // 3) for _ in range(7)]
    assert [len(few) for few in batches(large)] == [3, 3, 1]
    many = [WayBack(nothing) for _ in range(CALLS_AT_ONCE + 1)]
    assert [len(few) for few in batches(many)] == [CALLS_AT_ONCE, 1]
    assert [len(few) for few in batches([WayBack(nothing, size=2 * TASK_LIMIT)])] == [1]
    assert list(batches([])) == []
