"""Which runs were taken back, as Temporal's visibility knows it: it follows by about a second."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecution

from euryale.runs.runs import STATUSES, Status, quoted, said_of, utc
from euryale.sagas.compensation_record import UNDO_MEMO
from euryale.sagas.run_undo import undo_workflow_id
from euryale.sagas.undo_report import UndoReport


@dataclass(frozen=True, slots=True)
class UndoneRun:
    """What became of a run afterwards.

    Attributes:
        status: Whether it is being taken back, or how that ended.
        report: What was undone and what was not; None while that isn't known.
        operator: Who asked for it; empty where the run did itself, or nobody said.
        note: Why, in the operator's words.
    """

    status: Status
    report: UndoReport | None
    operator: str = ""
    note: str = ""

    def __str__(self) -> str:
        """All of it in a sentence."""
        by = f" by {self.operator}" if self.operator else ""
        why = f" ({self.note})" if self.note else ""
        if self.status == "running":
            return f"is being taken back{by}{why}"
        if self.report is None:
            return f"taking back {self.status}{by}{why}"
        return f"taken back{by}{why}: {self.report}"


async def undone_runs(client: Client, app: str, *, since: datetime) -> Mapping[str, UndoneRun]:
    """What became of runs afterwards, by their run ids.

    Args:
        client: A connected client.
        app: The application's name.
        since: When the first of the runs in question started.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    prefix = undo_workflow_id(app, "")
    query = f"WorkflowId STARTS_WITH {quoted(prefix)} AND StartTime >= {quoted(utc(since))}"
    found = [each async for each in client.list_workflows(query)]
    undone: dict[str, UndoneRun] = {}
    for execution in sorted(found, key=lambda each: each.start_time):
        run_id = execution.id.removeprefix(prefix).partition("/")[0]
        one, before = await _undone(execution), undone.get(run_id)
        undone[run_id] = one if before is None else _together(before, one)
    return undone


def _together(before: UndoneRun, last: UndoneRun) -> UndoneRun:
    """Two attempts: what the later one took back is no longer left."""
    if before.report is None or last.report is None:
        return last
    left = {each.id: each for each in (*before.report.steps, *last.report.steps)}
    report = UndoReport(
        undone=before.report.undone + last.report.undone,
        left=last.report.left,
        steps=tuple(left.values()),
    )
    return UndoneRun(last.status, report, last.operator, last.note)


async def _undone(execution: WorkflowExecution) -> UndoneRun:
    said = await said_of(execution)
    try:
        report = UndoReport.model_validate(await execution.memo_value(UNDO_MEMO, default=None))
    except ValidationError:
        report = None
    return UndoneRun(
        status=STATUSES[execution.status] if execution.status else "running",
        report=report,
        operator=str(said.get("operator") or ""),
        note=str(said.get("note") or ""),
    )
