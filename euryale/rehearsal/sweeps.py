"""The sweeps of a rehearsed workflow: their rows are counted, and none is touched."""

import math
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, ChildWorkflowError, RetryState
from temporalio.worker import StartChildWorkflowInput

from euryale.rehearsal.calls import ON_PURPOSE, READ_ATTEMPTS
from euryale.rehearsal.children import StandInChild
from euryale.rehearsal.notes import Notes
from euryale.rehearsal.stage import Noted
from euryale.rehearsal.summary import SHOWN
from euryale.rehearsal.unknown import SawNoFurther, plain, unknown_of, unknowns_in
from euryale.sweeps.messages import (
    COUNT,
    WALK,
    CountInput,
    SweepInput,
    SweepResult,
    Walked,
    WalkInput,
)

_TIMEOUT = timedelta(minutes=10)


async def rehearsed_sweep(
    notes: Notes, started: StartChildWorkflowInput, own_id: str
) -> StandInChild:
    """What stands for a sweep: it has looked which rows there are, and noted what it would do.

    Args:
        notes: The notes of the workflow that sweeps.
        started: How it starts the sweep.
        own_id: The id of the sweep in the rehearsal.

    Raises:
        SawNoFurther: Which rows are meant depends on what nobody knows.
        ActivityError: The rows can't be read.
    """
    key, stage = notes.key(), notes.stage
    given: SweepInput = started.args[0]
    for unknown in unknowns_in(given.given):
        notes.needs(unknown_of(unknown))
        raise SawNoFurther(unknown_of(unknown))
    info = workflow.info()
    if stage.read(key, info.workflow_id, f"{given.query} {given.given}"):
        notes.ends_in_circles(given.query)
    rows: int = await _read(COUNT, CountInput(query=given.query, given=given.given), int, given)
    look = WalkInput(query=given.query, given=given.given, size=1, most=SHOWN)
    first: Walked = await _read(WALK, look, Walked, given)
    fails = stage.fails(key, given.step)
    named = {"rows": [each[0] if len(each) == 1 else list(each) for each in first.bounds]}
    stage.note(
        key,
        Noted(
            what="mutation",
            name=given.step,
            arguments=named | {"query": given.query} | _named(given.given),
            workflow=info.workflow_type,
            workflow_id=own_id,
            where=stage.here() or stage.waits_in(info.workflow_id),
            failed=fails,
            count=rows,
        ),
        by=info.workflow_id,
    )
    stage.runs(own_id, own_id)
    result = SweepResult(rows=rows, slabs=math.ceil(rows / given.slab))
    return StandInChild(
        result,
        started.id,
        lambda *_: None,
        run_id=own_id,
        outcome=_failed_on_purpose(started, given.step) if fails else None,
    )


def _named(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    said = plain(given)
    return said if isinstance(said, dict) else {"input": said}


async def _read(name: str, given: Any, result_type: type, sweep: SweepInput) -> Any:
    return await workflow.execute_activity(
        name,
        given,
        result_type=result_type,
        start_to_close_timeout=_TIMEOUT,
        retry_policy=RetryPolicy(maximum_attempts=READ_ATTEMPTS),
        summary=sweep.query,
    )


def _failed_on_purpose(
    started: StartChildWorkflowInput, step: str
) -> Coroutine[Any, Any, NoReturn]:
    async def fail() -> NoReturn:
        error = ChildWorkflowError(
            "child workflow failed",
            namespace=workflow.info().namespace,
            workflow_id=started.id,
            run_id="",
            workflow_type=started.workflow,
            initiated_event_id=0,
            started_event_id=0,
            retry_state=RetryState.NON_RETRYABLE_FAILURE,
        )
        raise error from ApplicationError(
            f"{step} fails here on purpose", type=ON_PURPOSE, non_retryable=True
        )

    return fail()
