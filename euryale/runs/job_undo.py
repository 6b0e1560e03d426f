"""A job that says `on_failure="undo"`: what its run did is taken back when its handler fails."""

from temporalio import workflow

from euryale.runs.children import end_children
from euryale.runs.logger import DurableLogger
from euryale.runs.memo import MEMO
from euryale.sagas.compensation_record import record_compensation
from euryale.sagas.run_undo import UndoInput, take_run_back
from euryale.sagas.settlement import shielded
from euryale.sagas.undo_report import UndoReport
from euryale.services.durable_service import DurableCalls


def wants_undo() -> bool:
    """Whether this run's job said so when the run was started."""
    said: dict[str, object] = workflow.memo_value(MEMO, default={}, type_hint=dict)
    return said.get("on_failure") == "undo"


async def take_back(app: str, calls: DurableCalls) -> UndoReport:
    """Take back what this run did so far, however often it is cancelled meanwhile.

    Args:
        app: The application's name.
        calls: The handler's calls; those under way are ended first.
    """
    report, _ = await shielded(_take_back(app, calls))
    return report


async def _take_back(app: str, calls: DurableCalls) -> UndoReport:
    await calls.close()
    await end_children()
    info = workflow.info()
    given = UndoInput(app=app, workflow_id=info.workflow_id, run_id=info.run_id)
    report = await take_run_back(given)
    await record_compensation(report)
    DurableLogger.of_run().warning(
        "run taken back",
        action="run_taken_back",
        compensation=report.compensation,
        report=str(report),
    )
    return report
