"""The way back from what was done: what a saga carries out when it fails."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.exceptions import TimeoutError as TimedOut

from euryale.runs.failures import UNDO_TOO_LARGE, told
from euryale.runs.limits import CALLS_AT_ONCE, TASK_LIMIT
from euryale.sagas.run_undo import APP_FUNCTION
from euryale.sagas.settlement import Settlement
from euryale.sagas.step import CHANGED_SINCE, StepMark, Unfinished, activity_name, undo_id
from euryale.sagas.undo_report import Outcome, StepUndo, UndoReport
from euryale.services.idempotency import key_of


@dataclass(frozen=True)
class WayBack:
    """How something is taken back.

    Attributes:
        take: Takes it back, and says what became of it. It doesn't raise when that fails.
        size: The bytes that the compensation gets.
    """

    take: Callable[[], Coroutine[Any, Any, UndoReport]]
    size: int = 0


def batches(layer: Sequence[WayBack]) -> Iterator[list[WayBack]]:
    """Parts of what is taken back side by side, each of which one workflow task carries."""
    few: list[WayBack] = []
    size = 0
    for one in layer:
        if few and (len(few) >= CALLS_AT_ONCE or size + one.size > TASK_LIMIT):
            yield few
            few, size = [], 0
        few.append(one)
        size += one.size
    if few:
        yield few


def heartbeat_timeout(timeout: timedelta) -> timedelta | None:
    """How soon a dead worker is noticed, where the worker beats for its steps: with the plugin."""
    if APP_FUNCTION not in workflow.extern_functions():
        return None
    return min(HEARTBEAT_TIMEOUT, timeout)


HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""How soon a dead worker is noticed in the middle of a long step; the worker beats for it."""

UNDO_LOST = "what it left behind was too large for a failure to tell"

NOTHING_SAID = (
    "it was cut off, and its declaration has no `unfinished=` that says what to take back then"
)


def way_back_of_step(  # noqa: PLR0911 -- one for each way in which a step can end
    mark: StepMark, activity_id: str, given: Any, settlement: Settlement
) -> WayBack | None:
    """How a step that has ended is taken back; None where it left nothing behind.

    Args:
        mark: What the step says of itself.
        activity_id: The id of its activity.
        given: Its input.
        settlement: How it ended.
    """
    error = settlement.error
    if error is not None:
        raised = error.cause if isinstance(error, ActivityError) else error
        if isinstance(raised, ApplicationError) and (said := undo_said(raised)) is not None:
            # A permanent failure names what it left behind, and that may be nothing.
            return None if said["undo"] is None else _compensated(mark, activity_id, said["undo"])
        if isinstance(raised, ApplicationError) and is_undo_lost(raised):
            return _left(mark, activity_id, "unknown", UNDO_LOST)
        if mark.unfinished is not None and mark.compensation is not None:
            info = workflow.info()
            key = key_of(info.workflow_id, info.run_id, activity_id)
            try:
                undo = mark.unfinished(Unfinished(given, key))
            except Exception as failure:  # noqa: BLE001 -- the others must be taken back
                return _left(mark, activity_id, "unknown", f"its `unfinished` failed: {failure}")
            return _compensated(mark, activity_id, undo)
        if isinstance(raised, TimedOut | CancelledError):
            return _left(mark, activity_id, "unknown", NOTHING_SAID)
        return None
    if mark.compensation is None:
        return _left(mark, activity_id, "no compensation")
    return _compensated(mark, activity_id, settlement.result.undo)


def undo_said(error: ApplicationError) -> dict[str, Any] | None:
    """What a `PermanentFailure` carries for the compensation; None for another failure."""
    details = error.details
    if len(details) == 1 and isinstance(details[0], dict) and details[0].keys() == {"undo"}:
        return details[0]
    return None


def is_undo_lost(error: ApplicationError) -> bool:
    """Whether a `PermanentFailure` left more behind than a failure can carry."""
    return error.details == (UNDO_TOO_LARGE,)


def outcome_of(error: BaseException) -> Outcome:
    """What a compensation that failed means."""
    raised = error.cause if isinstance(error, ActivityError) else error
    if isinstance(raised, ApplicationError) and raised.type == CHANGED_SINCE:
        return "changed since"
    return "failed"


def _compensated(mark: StepMark, activity_id: str, undo: Any) -> WayBack:
    compensation = mark.compensation
    assert compensation is not None  # noqa: S101 -- for the type checker: a step without is left

    async def take() -> UndoReport:
        entry = {
            "step": mark.name,
            "id": activity_id,
            "run_id": workflow.info().run_id,
            "compensation": activity_name(compensation),
        }
        try:
            await workflow.execute_activity_method(
                compensation,
                undo,
                activity_id=undo_id(activity_id),
                start_to_close_timeout=mark.timeout,
                heartbeat_timeout=heartbeat_timeout(mark.timeout),
                retry_policy=mark.compensation_retry.policy(),
                summary=f"takes back {mark.name}",
            )
        except Exception as error:  # noqa: BLE001 -- one that fails must not stop the others
            return UndoReport.of([StepUndo(**entry, outcome=outcome_of(error), reason=told(error))])
        return UndoReport.of([StepUndo(**entry, outcome="undone")])

    return WayBack(take, size=workflow.payload_converter().to_payload(undo).ByteSize())


def _left(mark: StepMark, activity_id: str, outcome: Outcome, reason: str = "") -> WayBack:
    async def take() -> UndoReport:
        run_id = workflow.info().run_id
        one = StepUndo(
            step=mark.name, id=activity_id, run_id=run_id, outcome=outcome, reason=reason
        )
        return UndoReport.of([one])

    return WayBack(take)
