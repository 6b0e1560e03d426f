"""Asking for a run to be taken back, and seeing beforehand what that would do."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy

from euryale.errors import UndoRefused
from euryale.runs.memo import MEMO
from euryale.runs.runs import Run
from euryale.sagas.run_undo import UNDO_WORKFLOW, UndoInput, undo_workflow_id
from euryale.sagas.undo_report import StepUndo, UndoReport
from euryale.undo.attempts import Attempts, attempts_at
from euryale.undo.undo_plan import UndoItem, plan_undo
from euryale.undo.ways import Ways

_REASONS = 10
"""Reasons that a refusal tells one by one."""


@dataclass(frozen=True, slots=True)
class PlannedUndo:
    """Something that would be taken back.

    Attributes:
        item: What, and how.
        depth: In how many child workflows it was done; 0 for the run's own.
        layer: What is taken back together bears one number, in each run.
    """

    item: UndoItem
    depth: int
    layer: int


@dataclass(frozen=True, slots=True)
class WholePlan:
    """What taking a run and its child workflows back would do.

    Attributes:
        planned: What would be taken back, in that order.
        left: What can't be taken back, and why.
        attempts: What was done so far to take the run back.
    """

    planned: tuple[PlannedUndo, ...]
    left: tuple[StepUndo, ...]
    attempts: Attempts

    @property
    def calls(self) -> int:
        """How many calls would be taken back."""
        return sum(each.item.kind == "call" for each in self.planned)


async def plan_whole(
    client: Client, app: str, ways: Ways, run: Run, only: Collection[str] = ()
) -> WholePlan:
    """What taking a run and its child workflows back would do.

    Args:
        client: A connected client.
        app: The application's name.
        ways: What its activities are.
        run: The run.
        only: Steps by their names or ids; none given means all.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    planned: list[PlannedUndo] = []
    left: list[StepUndo] = []
    attempts = await attempts_at(client, app, run.run_id)

    async def add(workflow_id: str, run_id: str, undone: Collection[str], depth: int) -> None:
        plan = await plan_undo(
            client, app, ways, workflow_id, run_id, only=only, settled=undone, limit=False
        )
        left.extend(plan.left)
        for number, layer in enumerate(plan.layers):
            for item in layer:
                planned.append(PlannedUndo(item, depth, number))
                if item.kind == "run":
                    before = await attempts_at(client, app, item.run_id)
                    await add(item.id, item.run_id, before.undone, depth + 1)

    await add(run.workflow_id, run.run_id, attempts.undone, 0)
    return WholePlan(tuple(planned), tuple(left), attempts)


def refuse_if_incomplete(plan: WholePlan, run: Run, only: Sequence[str]) -> None:
    """Refuse to take a run back of which something would be left, or nothing was meant.

    Raises:
        UndoRefused: With the reasons.
    """
    if plan.left:
        counted = Counter(_reason(each) for each in plan.left)
        told = counted.most_common(_REASONS)
        reasons = [f"{why} ({count:,} times)" if count > 1 else why for why, count in told]
        more = len(counted) - len(told)
        raise UndoRefused(
            "not all of the run can be taken back: "
            + "; ".join(reasons)
            + (f"; and {more:,} more" if more else ""),
            where=run.workflow_id,
            mend="take single steps back with --only STEP"
            if plan.calls
            else "nothing of it can be; mend by hand what it did",
        )
    if only and not plan.calls and not plan.attempts.count:
        raise UndoRefused(
            f"the run did nothing that is named {' or '.join(only)}",
            where=run.workflow_id,
            mend="`euryale undo RUN --dry-run` lists what it did",
        )


def _reason(step: StepUndo) -> str:
    why = {"no compensation": "it has no compensation", "unknown": "nobody knows how it ended"}
    return f"{step.step}: {step.reason or why.get(step.outcome, step.outcome)}"


async def start_undo(
    client: Client,
    app: str,
    task_queue: str,
    run: Run,
    *,
    attempt: int,
    only: Sequence[str] = (),
    operator: str = "",
    note: str = "",
) -> WorkflowHandle[object, UndoReport]:
    """Let a worker take a run back.

    Args:
        client: A connected client.
        app: The application's name.
        task_queue: Its workers' task queue.
        run: The run.
        attempt: The number of this attempt, from 1; what was done before is not done again.
        only: Steps by their names or ids; none given means all.
        operator: Who asks for it, for the record.
        note: Why, for the record.

    Raises:
        WorkflowAlreadyStartedError: Somebody asked for it at the same time.
        RPCError: The server can't be reached or refuses.
    """
    said = {key: text for key, text in (("operator", operator), ("note", note)) if text}
    return await client.start_workflow(
        UNDO_WORKFLOW,
        UndoInput(app=app, workflow_id=run.workflow_id, run_id=run.run_id, only=tuple(only)),
        id=undo_workflow_id(app, run.run_id, attempt),
        id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
        task_queue=task_queue,
        result_type=UndoReport,
        memo={MEMO: said},
        static_summary=f"takes back {run.workflow_id}",
    )
