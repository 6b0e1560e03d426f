"""`sweep`: one step over all rows of a query, as a child workflow of whoever asks for it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload
from weakref import WeakKeyDictionary

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from euryale.errors import SweepInvalid
from euryale.runs.failures import innermost, told
from euryale.sagas.refusals import refuse_if_too_large
from euryale.sagas.saga import Saga
from euryale.sagas.settlement import settle
from euryale.sweeps.declaration import SweepMark, sweep_mark
from euryale.sweeps.messages import DeadLetters, SweepInput, SweepResult
from euryale.sweeps.source import Source
from euryale.sweeps.sweep_workflow import SweepWorkflow

Queries = TypeVar("Queries")
Steps = TypeVar("Steps")
B = TypeVar("B")
Given = TypeVar("Given")

MOST_AT_ONCE = 50

# By run: its event loop lives as long as this worker holds it, and is made anew for a replay.
_sweeps: WeakKeyDictionary[asyncio.AbstractEventLoop, Counter[str]] = WeakKeyDictionary()


class SweepFailed(ApplicationError):
    """A sweep that failed: rows were set aside, the key is none, or the store was away for long.

    What it did until then stays done, and can be taken back with the run. It bears the type and
    message of what failed, which is its cause.

    Attributes:
        result: What was done; None where the sweep could not tell.
    """

    def __init__(self, error: BaseException) -> None:
        first = innermost(error)
        kind = first.type if isinstance(first, ApplicationError) else None
        super().__init__(told(error), type=kind or type(first).__name__, non_retryable=True)
        self.result = _result_in(first)


def _result_in(error: BaseException) -> SweepResult | None:
    details = error.details if isinstance(error, ApplicationError) else ()
    if (
        details
        and isinstance(details[0], dict)
        and details[0].keys() == SweepResult.model_fields.keys()
    ):
        return SweepResult.model_validate(details[0])
    return None


@overload
async def sweep(
    query: Callable[[Queries], Source[B]],
    step: Callable[[Steps, B], Awaitable[None]],
    /,
    *,
    batch: int = ...,
    slab: int = ...,
    concurrency: int = ...,
    dead_letters: DeadLetters = ...,
    saga: Saga | None = ...,
) -> SweepResult: ...
@overload
async def sweep(
    query: Callable[[Queries, Given], Source[B]],
    step: Callable[[Steps, B], Awaitable[None]] | Callable[[Steps, B, Given], Awaitable[None]],
    input: Given,
    /,
    *,
    batch: int = ...,
    slab: int = ...,
    concurrency: int = ...,
    dead_letters: DeadLetters = ...,
    saga: Saga | None = ...,
) -> SweepResult: ...
@overload
async def sweep(
    query: Callable[[Queries], Source[B]],
    step: Callable[[Steps, B, Given], Awaitable[None]],
    input: Given,
    /,
    *,
    batch: int = ...,
    slab: int = ...,
    concurrency: int = ...,
    dead_letters: DeadLetters = ...,
    saga: Saga | None = ...,
) -> SweepResult: ...
async def sweep(
    query: Callable[..., Source[Any]],
    step: Callable[..., Awaitable[None]],
    input: Any = None,  # noqa: A002 -- Temporal's name
    /,
    *,
    batch: int = 500,
    slab: int = 10_000,
    concurrency: int = 1,
    dead_letters: DeadLetters = "fail",
    saga: Saga | None = None,
) -> SweepResult:
    """Carry a step out for all rows of a query, in a handler or any workflow.

    The sweep is a child workflow. Its history, its payloads and the worker's memory don't grow with
    the number of rows. When a worker dies, another one goes on behind the last batch that was
    committed.

    Args:
        query: A method marked with `sweep_query`.
        step: A method marked with `sweep_step`.
        input: What the query and the step get, each where it has a parameter for it.
        batch: Rows of one transaction, at the most.
        slab: Rows of one activity; fewer show progress more often, more cost less.
        concurrency: How many slabs may be under way at once, 1 to 50.
        dead_letters: What becomes of the sweep at its end when rows were set aside, since the step
            failed for them: it may `"fail"`, or `"keep"` them in its result.
        saga: The saga that takes the sweep back when it fails later.

    Returns:
        What was done.

    Raises:
        SweepFailed: Rows were set aside, or the sweep could not go on.
        ApplicationError: It is called as it can't be.

    Example:
        In a handler::

            done = await sweep(ProductSweeps.drafts, ProductSweeps.publish, concurrency=2)
    """
    asked, does = _mark(query, "query"), _mark(step, "step")
    for name, value, most in (
        ("batch", batch, 100_000),
        ("slab", slab, 10_000_000),
        ("concurrency", concurrency, MOST_AT_ONCE),
    ):
        if not 1 <= value <= most:
            raise _invalid(f"{name} is {value:,}", f"give a number from 1 to {most:,}")
    converter = workflow.payload_converter()
    given = SweepInput(
        query=asked.name,
        step=does.name,
        given=None if input is None else converter.from_payload(converter.to_payload(input)),
        batch=min(batch, slab),
        slab=slab,
        concurrency=concurrency,
        dead_letters=dead_letters,
    )
    refuse_if_too_large(does.name, given)
    summary = f"{does.name} on {asked.name}"
    try:
        if saga is not None:
            return await saga.child(
                SweepWorkflow.run, given, id=_id(does.name), static_summary=summary
            )
        return await _of_run(given, _id(does.name), summary)
    except FailureError as error:
        if is_cancelled_exception(error):
            raise
        raise SweepFailed(error) from error


async def _of_run(given: SweepInput, workflow_id: str, summary: str) -> SweepResult:
    handle = await workflow.start_child_workflow(
        SweepWorkflow.run,
        given,
        id=workflow_id,
        cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
        static_summary=summary,
    )
    settlement = await settle(handle)
    if settlement.cancellation is not None:
        raise settlement.cancellation
    if settlement.error is not None:
        raise settlement.error
    result: SweepResult = settlement.result
    return result


def _id(step: str) -> str:
    """The id of a sweep's workflow, which follows from that of the run which asks for it."""
    counted = _sweeps.setdefault(asyncio.get_running_loop(), Counter())
    counted[step] += 1
    number = f"-{counted[step]}" if counted[step] > 1 else ""
    return f"{workflow.info().workflow_id}/sweep-{step}{number}"


def _mark(method: Any, kind: str) -> SweepMark:
    mark = sweep_mark(method)
    if mark is None or mark.kind != kind:
        name = getattr(method, "__qualname__", repr(method))
        raise _invalid(f"{name} is no {kind} of a sweep", f"decorate it with @sweep_{kind}(name)")
    return mark


def _invalid(what: str, mend: str) -> ApplicationError:
    """A failure, since an error of the engine's would only fail the task of a native workflow."""
    error = SweepInvalid(what, where="sweep(…)", mend=mend)
    return ApplicationError(str(error), type=type(error).__name__, non_retryable=True)
