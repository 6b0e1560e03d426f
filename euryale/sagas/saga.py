"""Sagas: what takes finished steps back when a later one fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, TypeVar, Unpack, overload

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, is_cancelled_exception
from temporalio.types import MethodAsyncNoParam, MethodAsyncSingleParam

from euryale.runs.limits import HISTORY_BYTES
from euryale.runs.logger import DurableLogger
from euryale.sagas.compensation_record import record_compensation
from euryale.sagas.giving_up import give_up
from euryale.sagas.lock import Lock
from euryale.sagas.open_sagas import OpenSaga, end_sagas
from euryale.sagas.refusals import invalid, mark_of_step, refuse_if_too_large
from euryale.sagas.reverse_order import Span, reversed_layers
from euryale.sagas.run_clock import moment, next_id
from euryale.sagas.run_undo import UndoInput, application, take_child_back, workflow_name
from euryale.sagas.saga_failed import SagaFailed
from euryale.sagas.settlement import Settlement, ask_to_end, settle, shielded
from euryale.sagas.step import (
    Activities,
    Input,
    Output,
    Step,
    StepResponse,
    Undo,
)
from euryale.sagas.undo_report import UndoReport
from euryale.sagas.way_back import WayBack, batches, heartbeat_timeout, way_back_of_step

T = TypeVar("T")
Given = TypeVar("Given")
Result = TypeVar("Result")

_EVENTS = 6
"""What one activity, a step or a compensation, writes into the history."""

_HISTORY_EVENTS = 50_000
"""Events that a saga may fill, the compensations of all its steps counted in; Temporal terminates
the run at 51,200."""


class ChildOptions(TypedDict, total=False):
    """What a child workflow may be started with beside its input and id; Temporal's own names."""

    task_queue: str
    execution_timeout: timedelta
    run_timeout: timedelta
    retry_policy: RetryPolicy
    static_summary: str
    static_details: str


@dataclass(frozen=True, slots=True)
class _Begun:
    """A step or child workflow that is under way."""

    at: int
    way_back: Callable[[Settlement], WayBack | None]


class Saga:
    """Takes finished steps back, in reverse order, when the block is left by an exception.

    Cancellation and timeouts are such exceptions. What the failing step left behind comes first,
    then the others backwards; what was done side by side is taken back side by side. Compensations
    are shielded from cancellation, each is retried on its own, and one that fails for good doesn't
    stop the others. A failure leaves the block as a `SagaFailed`.

    Example:
        In a workflow's run method::

            async with Saga() as saga:
                deleted = await saga.step(CartActivities.delete, cart_ids)
    """

    def __init__(self) -> None:
        self._done: list[Span[WayBack]] = []
        self._under_way: dict[asyncio.Task[Any], _Begun] = {}
        self._starting: dict[asyncio.Task[Any], None] = {}
        self._locks: list[Lock] = []
        self._block: OpenSaga | None = None
        self._left = False

    async def __aenter__(self) -> Self:
        self._block = OpenSaga(self)
        return self

    @overload
    async def step(
        self,
        method: Step[Activities, Input, Output, Undo],
        input: Input,
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 -- as below
        retry_policy: RetryPolicy | None = None,
        summary: str | None = None,
        compensate: bool = True,
        continue_on_failure: Literal[False] = False,
    ) -> Output: ...
    @overload
    async def step(
        self,
        method: Step[Activities, Input, Output, Undo],
        input: Input,
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 -- as below
        retry_policy: RetryPolicy | None = None,
        summary: str | None = None,
        compensate: bool = True,
        continue_on_failure: Literal[True],
    ) -> Output | None: ...
    async def step(
        self,
        method: Step[Activities, Input, Output, Undo],
        input: Input,  # noqa: A002 -- Temporal's name
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109 -- one attempt's, kept by Temporal
        retry_policy: RetryPolicy | None = None,
        summary: str | None = None,
        compensate: bool = True,
        continue_on_failure: bool = False,
    ) -> Output | None:
        """Carry out a step, and remember how to take it back.

        A cancellation in the middle of a step waits until it is known how the step ended, so that
        what it did can be taken back.

        Args:
            method: A method marked with `step`.
            input: What the step gets.
            timeout: How long one attempt may take; by default what the declaration says.
            retry_policy: How it is tried again; by default what the declaration says.
            summary: A few words for the Web UI.
            compensate: Whether it is taken back when the saga fails.
            continue_on_failure: Whether the saga goes on when the step fails for good. What the
                step left behind is then taken back at once, and None returned.

        Raises:
            ApplicationError: The method is no step, its input is too large, or too little history
                is left to take the saga back.
        """
        mark = mark_of_step(method)
        self._refuse_if_late(mark.name)
        refuse_if_too_large(mark.name, input)
        activity_id = next_id(mark.name)
        handle: asyncio.Task[Any] = workflow.start_activity_method(
            method,
            input,
            activity_id=activity_id,
            start_to_close_timeout=timeout or mark.timeout,
            heartbeat_timeout=heartbeat_timeout(timeout or mark.timeout),
            retry_policy=retry_policy or mark.retry.policy(),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
        )

        def way_back(settlement: Settlement) -> WayBack | None:
            return way_back_of_step(mark, activity_id, input, settlement) if compensate else None

        settlement = await self._settled(handle, way_back, keep_failed=not continue_on_failure)
        if settlement.cancellation is not None:
            raise settlement.cancellation
        if settlement.error is None:
            response: StepResponse[Output, Undo] = settlement.result
            return response.output
        if not continue_on_failure:
            raise settlement.error
        await give_up(mark, settlement.error, way_back(settlement))
        return None

    @overload
    async def child(
        self,
        run: MethodAsyncSingleParam[Any, Given, Result],
        input: Given,
        *,
        id: str | None = None,
        compensate: bool = True,
        **options: Unpack[ChildOptions],
    ) -> Result: ...
    @overload
    async def child(
        self,
        run: MethodAsyncNoParam[Any, Result],
        *,
        id: str | None = None,
        compensate: bool = True,
        **options: Unpack[ChildOptions],
    ) -> Result: ...
    async def child(
        self,
        run: Any,
        *given: Any,
        id: str | None = None,  # noqa: A002 -- Temporal's name
        compensate: bool = True,
        **options: Any,
    ) -> Any:
        """Run a child workflow, whose work is taken back when the saga fails later.

        It is taken back by the engine from the child's history: its steps, its calls of services,
        and its own child workflows. A child that fails may have taken itself back; what it left is
        taken back now. A cancellation reaches the child, and its end is waited for. It needs a
        worker with the `EuryalePlugin`.

        Args:
            run: The workflow's run method.
            given: Its input.
            id: Its workflow id; by default one that follows from this run's.
            compensate: Whether it is taken back when the saga fails.
            options: What else Temporal's `start_child_workflow` takes.

        Raises:
            ApplicationError: The worker has no plugin, or too little history is left.
        """
        name = workflow_name(run)
        self._refuse_if_late(name)
        refuse_if_too_large(name, *given)
        app = application()
        start = workflow.start_child_workflow(
            run,
            *given,
            id=id or f"{workflow.info().workflow_id}/{next_id(name)}",
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            cancellation_type=workflow.ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
            **options,
        )

        def way_back_of(
            handle: workflow.ChildWorkflowHandle[Any, Any],
        ) -> Callable[[Settlement], WayBack | None]:
            run_id = handle.first_execution_run_id or ""
            child = UndoInput(app=app, workflow_id=handle.id, run_id=run_id)
            return lambda _: WayBack(lambda: take_child_back(child)) if compensate else None

        async def begin() -> workflow.ChildWorkflowHandle[Any, Any]:
            handle: workflow.ChildWorkflowHandle[Any, Any] = await start
            self._under_way[handle] = _Begun(moment(), way_back_of(handle))
            return handle

        # A child that is being started is waited for, so that it isn't left behind.
        starting = asyncio.ensure_future(begin())
        self._starting[starting] = None
        try:
            handle, cancellation = await shielded(starting)
        finally:
            self._starting.pop(starting, None)
        if cancellation is not None:
            await ask_to_end([handle])
        settlement = await self._settled(handle, way_back_of(handle))
        cancellation = cancellation or settlement.cancellation
        if cancellation is not None:
            raise cancellation
        if settlement.error is not None:
            raise settlement.error
        return settlement.result

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left = True
        # GeneratorExit and Temporal's eviction are no failures of the run: nothing may be awaited.
        if error is not None and not isinstance(error, Exception | asyncio.CancelledError):
            return
        try:
            await self._leave(error)
        finally:
            if self._block is not None:
                self._block.close()

    async def _leave(self, error: BaseException | None) -> None:
        if error is None:
            outer = self._block.outer if self._block else None
            if outer is not None:
                # Done in an outer saga, which takes it back if it fails later.
                outer.saga.adopt(self._done)
            await self._release()
            return
        report, cancellation = await shielded(self._take_back())
        if not isinstance(error, Exception) or is_cancelled_exception(error):
            return
        failure = SagaFailed(error, report)
        if cancellation is not None:
            raise cancellation from failure
        raise failure from error

    @asynccontextmanager
    async def lock(self, key: str, *, timeout: timedelta | None = None) -> AsyncIterator[None]:  # noqa: ASYNC109 -- a lock's, kept by the workflow's clock
        """Let one run at a time into the block, of all in the namespace that ask for the key.

        See `Lock`. A block that is left by an exception keeps the lock until what was done in it is
        taken back, at the saga's end.

        Args:
            key: What is locked: up to 200 printable characters.
            timeout: How long to wait for it at the most; without it, as long as it takes.

        Raises:
            ApplicationError: `LockTimeout`, `LockHeldAlready`, `LockLost` or `LockKeyInvalid`.
        """
        held = Lock(key, timeout=timeout)
        await held.acquire()
        try:
            yield
        except (Exception, asyncio.CancelledError):
            self._locks.append(held)
            raise
        await held.release()

    def adopt(self, done: Sequence[Span[WayBack]]) -> None:
        """Be the one who takes back what an inner saga has done."""
        self._done += done

    async def _release(self) -> None:
        lost: ApplicationError | None = None
        while self._locks:
            try:
                await self._locks.pop().release()
            except ApplicationError as error:
                lost = error
        if lost is not None:
            raise lost

    def _refuse_if_late(self, name: str) -> None:
        if self._left:
            raise invalid(f"{name} was started after its saga had ended")
        info = workflow.info()
        needed = _EVENTS * (len(self._done) + 2 * len(self._under_way) + 2)
        # What a compensation gets stands in the history once more.
        size = info.get_current_history_size() + sum(span.work.size for span in self._done)
        if info.get_current_history_length() + needed > _HISTORY_EVENTS or size > HISTORY_BYTES:
            raise invalid(
                f"{name} would leave too little history to take the saga back: give each step more "
                "to do, or split the saga over child workflows"
            )

    async def _settled(
        self,
        handle: asyncio.Task[Any],
        way_back: Callable[[Settlement], WayBack | None],
        *,
        keep_failed: bool = True,
    ) -> Settlement:
        """Wait for a step, and remember its way back."""
        self._under_way.setdefault(handle, _Begun(moment(), way_back))
        settlement = await settle(handle)
        if keep_failed or settlement.error is None:
            self._remember(handle, settlement)
        else:
            self._under_way.pop(handle, None)
        return settlement

    def _remember(self, handle: asyncio.Task[Any], settlement: Settlement) -> None:
        """Once, whoever learns of it first: who waits for it, or who takes the saga back."""
        begun = self._under_way.pop(handle, None)
        way_back = begun and begun.way_back(settlement)
        if begun and way_back:
            self._done.append(Span(begun.at, moment(), way_back))

    async def _take_back(self) -> UndoReport:
        # Steps side by side: one has failed, and the others may still be under way.
        while self._starting or self._under_way:
            if self._starting:
                await asyncio.wait(tuple(self._starting))
            await ask_to_end(tuple(self._under_way))
            for handle in tuple(self._under_way):
                self._remember(handle, await settle(handle))
        await end_sagas(self._block)
        report = UndoReport()
        for layer in reversed_layers(self._done):
            # As many at once as one workflow task carries.
            for few in batches(layer):
                for told_by_one in await asyncio.gather(*(one.take() for one in few)):
                    report += told_by_one
        self._done.clear()
        with suppress(ApplicationError):  # lost to somebody; what failed before comes first
            await self._release()
        await record_compensation(report)
        DurableLogger.of_run().warning(
            "saga taken back",
            action="saga_taken_back",
            compensation=report.compensation,
            report=str(report),
        )
        return report
