"""The workflow that takes a run back: durable, once, and a run of its own.

It asks again and again what is left to take back, from the histories of the run and of itself. So
it needs no memory, and asking for the same once more is harmless.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RawValue
from temporalio.exceptions import FailureError

from euryale.registry import Registry
from euryale.runs.failures import told
from euryale.sagas.compensation_record import record_compensation
from euryale.sagas.run_undo import LAST_RUN, UNDO_WORKFLOW, UndoInput, take_run_back
from euryale.sagas.step import STEP_RETRY, undo_id
from euryale.sagas.undo_report import StepUndo, UndoReport
from euryale.sagas.way_back import HEARTBEAT_TIMEOUT, outcome_of
from euryale.undo.attempts import attempts_at, read_record
from euryale.undo.undo_plan import UndoItem, UndoPlan, plan_undo
from euryale.undo.undone_together import take_back_together, together
from euryale.undo.ways import ways_of

PLAN = f"{UNDO_WORKFLOW}.plan"

TOGETHER_PATCH = "euryale-undone-together"
"""Temporal's patch that tells these workflows from those that took each call back alone."""

_PLAN_TIMEOUT = timedelta(minutes=5)


def undo_activity(registry: Registry) -> Callable[..., Any]:
    """The activity that tells what is left to take back of a run.

    Args:
        registry: What the worker serves.
    """
    ways = ways_of(registry)

    @activity.defn(name=PLAN)
    async def plan(given: UndoInput) -> UndoPlan:
        client = activity.client()
        attempts = await attempts_at(client, given.app, given.run_id)
        return await plan_undo(
            client,
            given.app,
            ways,
            given.workflow_id,
            given.run_id,
            only=given.only,
            settled={*given.settled, *attempts.undone},
        )

    return plan


@activity.defn(name=LAST_RUN)
async def last_run(workflow_id: str, run_id: str) -> str:
    """As which run a workflow went on last, after continuing as new or being retried."""
    while True:
        record = await read_record(activity.client(), workflow_id, run_id)
        if record is None or not record.continued_in:
            return run_id
        run_id = record.continued_in


@workflow.defn(name=UNDO_WORKFLOW)
class UndoWorkflow:
    """Takes a run back: its calls and child workflows, in reverse order."""

    @workflow.run
    async def run(self, input: UndoInput) -> UndoReport:  # noqa: A002 -- Temporal's name
        """Take the run back, as far as that is possible."""
        report, settled = input.report, set(input.settled)
        while True:
            plan = await self._plan(input, sorted(settled))
            fresh = [each for each in plan.left if each.id not in settled]
            of_run = (each.model_copy(update={"run_id": input.run_id}) for each in fresh)
            report += UndoReport.of(of_run)
            settled |= {each.id for each in fresh}
            for layer in plan.layers:
                for item, one in await _take_all_back(input, layer):
                    report += one
                    if item.kind == "run":
                        settled |= {item.run_id, item.first_run_id}
                    elif one.left:
                        settled.add(item.id)
            if not plan.more:
                break
            if workflow.info().is_continue_as_new_suggested():
                update = {
                    "report": report,
                    "settled": tuple(sorted(settled)),
                }
                workflow.continue_as_new(input.model_copy(update=update))
        await record_compensation(report)
        return report

    async def _plan(self, given: UndoInput, settled: list[str]) -> UndoPlan:
        # What became of the steps so far is of no interest to the worker that plans.
        update = {"settled": tuple(settled), "report": UndoReport()}
        plan: UndoPlan = await workflow.execute_activity(
            PLAN,
            given.model_copy(update=update),
            result_type=UndoPlan,
            start_to_close_timeout=_PLAN_TIMEOUT,
            retry_policy=STEP_RETRY.policy(),
            summary=given.workflow_id,
        )
        return plan


async def _take_all_back(
    given: UndoInput, layer: Sequence[UndoItem]
) -> list[tuple[UndoItem, UndoReport]]:
    """Take back what was done side by side, and tell of each what became of it."""
    if not workflow.patched(TOGETHER_PATCH):
        return await _each_alone(given, layer)
    parts = [
        _each_alone(given, [item for item in layer if not item.together]),
        *(take_back_together(given, items) for items in together(layer)),
    ]
    return [told for part in await asyncio.gather(*parts) for told in part]


async def _each_alone(
    given: UndoInput, items: Sequence[UndoItem]
) -> list[tuple[UndoItem, UndoReport]]:
    reports = await asyncio.gather(*(_take_back(given, item) for item in items))
    return list(zip(items, reports, strict=True))


async def _take_back(given: UndoInput, item: UndoItem) -> UndoReport:
    if item.kind == "run":
        return await take_run_back(
            UndoInput(app=given.app, workflow_id=item.id, run_id=item.run_id, only=given.only),
            attempt=item.attempt,
        )
    entry = {
        "step": item.step,
        "id": item.id,
        "run_id": given.run_id,
        "compensation": item.compensation,
    }
    try:
        await workflow.execute_activity(
            item.compensation,
            item.argument,
            result_type=RawValue,
            activity_id=undo_id(item.id),
            start_to_close_timeout=item.timeout,
            heartbeat_timeout=min(HEARTBEAT_TIMEOUT, item.timeout),
            retry_policy=item.retry.policy(),
            summary=f"takes back {item.step}",
        )
    except FailureError as error:
        return UndoReport.of([StepUndo(**entry, outcome=outcome_of(error), reason=told(error))])
    return UndoReport.of([StepUndo(**entry, outcome="undone")])
