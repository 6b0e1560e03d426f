"""A job that says `on_failure="undo"`: what its run did is taken back when its handler fails."""

from temporalio import workflow

from euryale.jobs.job import Job
from euryale.runs.logger import DurableLogger
from euryale.runs.memo import MEMO
from euryale.runs.under_way import end_all
from euryale.sagas.compensation_record import record_compensation
from euryale.sagas.open_sagas import end_sagas
from euryale.sagas.run_undo import UndoInput, take_run_back
from euryale.sagas.settlement import shielded
from euryale.sagas.undo_report import UndoReport


def wants_undo(job: Job) -> bool:
    """Whether this run's job said so when the run was started.

    A run that the engine didn't start, such as a child workflow, has no memo of it: then the job's
    file counts.
    """
    said: dict[str, object] | None = workflow.memo_value(MEMO, default=None, type_hint=dict)
    return (job.config.on_failure if said is None else said.get("on_failure")) == "undo"


async def take_back(app: str) -> UndoReport:
    """Take back what this run did so far, however often it is cancelled meanwhile.

    Other branches of the handler may still be going on: they are ended first.

    Args:
        app: The application's name.
    """
    report, _ = await shielded(_take_back(app))
    return report


async def _take_back(app: str) -> UndoReport:
    await end_sagas()
    await end_all()
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
