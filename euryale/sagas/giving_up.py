"""A step that may fail: what it left behind is taken back at once, and its saga goes on."""

from euryale.runs.failures import told
from euryale.runs.logger import DurableLogger
from euryale.sagas.compensation_record import record_compensation
from euryale.sagas.settlement import shielded
from euryale.sagas.step import StepMark
from euryale.sagas.undo_report import UndoReport
from euryale.sagas.way_back import WayBack


async def give_up(mark: StepMark, error: BaseException, way_back: WayBack | None) -> None:
    """Take back what the step that failed just now left behind, and let the saga go on."""
    DurableLogger.of_run().warning(
        "step failed, saga goes on", action="step_given_up", step=mark.name, error=told(error)
    )
    if way_back is None:
        return

    async def take() -> UndoReport:
        report = await way_back.take()
        await record_compensation(report)
        return report

    _, cancellation = await shielded(take())
    if cancellation is not None:
        raise cancellation
