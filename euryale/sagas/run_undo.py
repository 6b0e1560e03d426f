"""Taking a whole run back, from within another one or from itself: by a workflow of its own."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, FailureError

from euryale.runs.failures import told
from euryale.sagas.undo_report import StepUndo, UndoReport

UNDO_WORKFLOW = "euryale.undo"
"""The type of the workflow that takes a run back."""

LAST_RUN = f"{UNDO_WORKFLOW}.last-run"
"""The activity that tells as which run a workflow went on last."""

APP_FUNCTION = "euryale_app"
"""The extern function that tells a run the name of its worker's application."""


def undo_workflow_id(app: str, run_id: str, attempt: int = 1) -> str:
    """The id of a workflow that takes a run back.

    Example:
        >>> undo_workflow_id("shop", "0b1c"), undo_workflow_id("shop", "0b1c", 2)
        ('shop/.undo/0b1c', 'shop/.undo/0b1c/2')
    """
    return f"{app}/.undo/{run_id}" + (f"/{attempt}" if attempt > 1 else "")


class UndoInput(BaseModel):
    """Which run to take back, and what of it.

    Attributes:
        app: The application's name.
        workflow_id: The run's workflow id.
        run_id: Its run id.
        only: Steps by their names or ids; none given means all.
        report: What became of the run's steps so far.
        settled: The ids of what could not be taken back, and of the runs that were.
    """

    model_config = ConfigDict(frozen=True)

    app: str
    workflow_id: str
    run_id: str
    only: tuple[str, ...] = ()
    report: UndoReport = UndoReport()
    settled: tuple[str, ...] = ()


async def take_run_back(given: UndoInput, *, attempt: int = 1) -> UndoReport:
    """Take another run back, or this one so far, by a workflow of its own.

    It goes on when the run that asks for it ends meanwhile.
    """
    try:
        report: UndoReport = await workflow.execute_child_workflow(
            UNDO_WORKFLOW,
            given,
            id=undo_workflow_id(given.app, given.run_id, attempt),
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            result_type=UndoReport,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            static_summary=f"takes back {given.workflow_id}",
        )
    except FailureError as error:
        reason = told(error)
        one = StepUndo(step=given.workflow_id, id=given.run_id, outcome="failed", reason=reason)
        return UndoReport.of([one])
    return report


async def take_child_back(given: UndoInput) -> UndoReport:
    """Take a child workflow back, from the last run that it went on as.

    Args:
        given: The child, by the id of its first run.
    """
    try:
        last: str = await workflow.execute_activity(
            LAST_RUN,
            args=[given.workflow_id, given.run_id],
            result_type=str,
            start_to_close_timeout=timedelta(minutes=1),
            summary=given.workflow_id,
        )
    except FailureError as error:
        one = StepUndo(
            step=given.workflow_id, id=given.run_id, outcome="failed", reason=told(error)
        )
        return UndoReport.of([one])
    return await take_run_back(given.model_copy(update={"run_id": last}))


def application() -> str:
    """The name of the application whose worker holds this run.

    Raises:
        ApplicationError: The worker has no plugin, so nobody could take a run back.
    """
    tell = workflow.extern_functions().get(APP_FUNCTION)
    if tell is None:
        raise ApplicationError(
            "only a worker with the EuryalePlugin can take a child workflow back: add the plugin, "
            "or call workflow.execute_child_workflow",
            type="StepInvalid",
            non_retryable=True,
        )
    name: str = tell()
    return name


def workflow_name(run: Any) -> str:
    """The name of the workflow type whose run method this is."""
    definition = getattr(run, "__temporal_workflow_definition", None)
    if definition is not None:
        return str(definition.name)
    return str(getattr(run, "__qualname__", run)).rpartition(".run")[0] or str(run)
