"""Taking back calls that were made side by side: many in one activity, each by itself."""

from collections.abc import Iterator, Sequence

from temporalio import workflow
from temporalio.exceptions import FailureError

from euryale.runs.failures import told
from euryale.runs.limits import BYTES_TOGETHER, CALLS_TOGETHER
from euryale.sagas.run_undo import UndoInput
from euryale.sagas.step import CHANGED_SINCE, UNDO_PREFIX
from euryale.sagas.undo_report import StepUndo, UndoReport
from euryale.sagas.way_back import HEARTBEAT_TIMEOUT, outcome_of
from euryale.services.call_ids import as_many_as_fit
from euryale.services.call_sending import Ended, Route, send, wait_before
from euryale.undo.undo_plan import UndoItem

_ALIKE = ("step", "compensation", "timeout", "retry")


def together(layer: Sequence[UndoItem]) -> Iterator[list[UndoItem]]:
    """Those of a layer that may travel together, in parts that one activity carries."""
    alike: dict[str, list[UndoItem]] = {}
    for item in layer:
        if item.together:
            alike.setdefault(repr([getattr(item, name) for name in _ALIKE]), []).append(item)
    for items in alike.values():
        left = sorted(items, key=_number)
        while left:
            count = _fitting(left)
            yield left[:count]
            left = left[count:]


def _fitting(items: Sequence[UndoItem]) -> int:
    """How many of these, from the first, one activity carries."""
    items = items[:CALLS_TOGETHER]
    count = size = 0
    for item in items:
        size += len(item.model_dump_json(include={"argument"}))
        if count and size > BYTES_TOGETHER:
            break
        count += 1
    return as_many_as_fit(_name(items[0]), [_number(item) for item in items[:count]])


async def take_back_together(
    given: UndoInput, items: Sequence[UndoItem]
) -> list[tuple[UndoItem, UndoReport]]:
    """Take these calls back, and tell of each what became of it.

    Args:
        given: Which run they are of.
        items: Calls of one method, as `together` gives them.
    """
    first = items[0]
    route = Route(
        first.compensation,
        first.timeout,
        HEARTBEAT_TIMEOUT,
        first.retry,
        workflow.ActivityCancellationType.TRY_CANCEL,
    )
    convert = workflow.payload_converter().to_payload
    told_of: list[tuple[UndoItem, UndoReport]] = []
    left, attempts = list(items), 0
    while left:
        sent = await send(
            route,
            _name(first),
            [_number(item) for item in left],
            [convert(item.argument) for item in left],
            attempts=attempts,
            summary=f"takes back {first.step}",
        )
        again: list[UndoItem] = []
        untouched: list[UndoItem] = []
        for item, ended in zip(left, sent.ends, strict=True):
            if ended.end in ("done", "failed"):
                told_of.append((item, UndoReport.of([_became(given, item, ended)])))
            else:
                (again if ended.end == "again" else untouched).append(item)
        attempts += sent.attempts - 1
        if again:
            attempts += 1
            await workflow.sleep(wait_before(first.retry, attempts))
        left = sorted([*again, *untouched], key=_number)
    return told_of


def _became(given: UndoInput, item: UndoItem, ended: Ended) -> StepUndo:
    entry = {
        "step": item.step,
        "id": item.id,
        "run_id": given.run_id,
        "compensation": item.compensation,
    }
    if isinstance(ended.error, FailureError):
        return StepUndo(**entry, outcome=outcome_of(ended.error), reason=told(ended.error))
    if ended.failed is not None:
        changed = ended.failed.type == CHANGED_SINCE
        outcome = "changed since" if changed else "failed"
        return StepUndo(**entry, outcome=outcome, reason=ended.failed.message)
    return StepUndo(**entry, outcome="undone")


def _name(item: UndoItem) -> str:
    return UNDO_PREFIX + item.id.rpartition("/")[0]


def _number(item: UndoItem) -> int:
    return int(item.id.rpartition("/")[2])
