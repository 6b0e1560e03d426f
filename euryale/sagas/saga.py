"""Sagas: steps that know their way back, and what takes them back when a later one fails."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from euryale.config import Retry
from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.sagas.settlement import Settlement, settle
from euryale.sagas.step import (
    STEP_TIMEOUT,
    Activities,
    Input,
    Output,
    Step,
    StepResponse,
    Undo,
    step_mark,
)

DEFAULT_RETRY = Retry().policy()
"""How steps and compensations are tried again: twenty attempts, in about an hour."""

HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""How soon a dead worker is noticed in the middle of a long step; the worker beats for it."""

_EVENTS = 6
"""What one activity, a step or a compensation, writes into the history."""

_HISTORY_EVENTS = 50_000
"""Events that a saga may fill, the compensations of all its steps counted in; Temporal terminates
the run at 51,200."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """A step that is done, and how to take it back."""

    compensation: Callable[..., Awaitable[None]]
    undo: Any


class Saga:
    """Takes finished steps back, in reverse order, when the block is left by an exception.

    Cancellation and timeouts are such exceptions. Compensations are shielded from them, each is
    retried on its own, and one that fails for good doesn't stop the others; the failure that
    leaves the block then names those that failed.

    Example:
        In a workflow's run method::

            async with Saga() as saga:
                deleted = await saga.step(CartActivities.delete, cart_ids)
    """

    def __init__(self) -> None:
        self._finished: list[_Finished] = []
        self._under_way: dict[workflow.ActivityHandle[Any], Callable[..., Awaitable[None]]] = {}
        self._left = False

    async def __aenter__(self) -> Self:
        return self

    async def step(
        self,
        method: Step[Activities, Input, Output, Undo],
        input: Input,  # noqa: A002 -- Temporal's name
        *,
        timeout: timedelta = STEP_TIMEOUT,  # noqa: ASYNC109 -- one attempt's, kept by Temporal
        retry_policy: RetryPolicy = DEFAULT_RETRY,
        summary: str | None = None,
    ) -> Output:
        """Carry out a step, and remember how to take it back.

        A cancellation in the middle of a step waits until it is known how the step ended, so that
        what it did can be taken back.

        Args:
            method: A method marked with `step`.
            input: What the step gets.
            timeout: How long one attempt may take.
            retry_policy: How it is tried again; by default for about an hour.
            summary: A few words for the Web UI.
        """
        compensation = self._compensation_of(method)
        self._refuse_if_too_large(method, input)
        handle: workflow.ActivityHandle[Any] = workflow.start_activity_method(
            method,
            input,
            start_to_close_timeout=timeout,
            heartbeat_timeout=min(HEARTBEAT_TIMEOUT, timeout),
            retry_policy=retry_policy,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
        )
        self._under_way[handle] = compensation
        settlement = await settle(handle)
        self._record(handle, settlement)
        if settlement.cancellation is not None:
            raise settlement.cancellation
        if settlement.error is not None:
            raise settlement.error
        response: StepResponse[Output, Undo] = settlement.result
        return response.output

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left = True
        # GeneratorExit and Temporal's eviction are no failures of the run: nothing may be awaited.
        if error is None or not isinstance(error, Exception | asyncio.CancelledError):
            return
        failures, cancellation = await _shielded(self._take_back())
        if failures:
            raise ApplicationError(
                f"{_message(error)} Then {len(failures)} of its compensations failed: "
                + "; ".join(failures),
                type="CompensationFailed",
                non_retryable=True,
            ) from error
        if cancellation is not None and not isinstance(error, asyncio.CancelledError):
            raise cancellation from error

    def _compensation_of(self, method: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
        mark = step_mark(method)
        compensation = mark.compensation if mark else None
        name = getattr(method, "__qualname__", repr(method))
        if compensation is None:
            raise _invalid(
                f"{name} is no step: decorate it with @step(name, compensation=…), or call it with "
                "workflow.execute_activity_method"
            )
        if self._left:
            raise _invalid(f"{name} was started after its saga had ended")
        needed = _EVENTS * (len(self._finished) + 2 * len(self._under_way) + 2)
        if workflow.info().get_current_history_length() + needed > _HISTORY_EVENTS:
            raise _invalid(
                f"{name} would leave too little history to take the saga back: give each step more "
                "to do, or split the saga over child workflows"
            )
        return compensation

    def _refuse_if_too_large(self, method: Callable[..., Any], given: Any) -> None:
        size = workflow.payload_converter().to_payload(given).ByteSize()
        if size > PAYLOAD_LIMIT:
            raise ApplicationError(
                f"the input of {method.__qualname__} has {size:,} bytes; Temporal carries "
                f"{PAYLOAD_LIMIT:,} at the most",
                type="PayloadTooLarge",
                non_retryable=True,
            )

    def _record(self, handle: workflow.ActivityHandle[Any], settlement: Settlement) -> None:
        """Remember a step that took effect: once, whoever learns of it first."""
        compensation = self._under_way.pop(handle, None)
        if compensation is not None and settlement.error is None:
            self._finished.append(_Finished(compensation, settlement.result.undo))

    async def _take_back(self) -> list[str]:
        # Steps side by side: one has failed, and the others may still be under way.
        for handle in tuple(self._under_way):
            handle.cancel()
        for handle in tuple(self._under_way):
            self._record(handle, await settle(handle))
        failures: list[str] = []
        while self._finished:
            finished = self._finished.pop()
            try:
                await workflow.execute_activity_method(
                    finished.compensation,
                    finished.undo,
                    start_to_close_timeout=STEP_TIMEOUT,
                    heartbeat_timeout=HEARTBEAT_TIMEOUT,
                    retry_policy=DEFAULT_RETRY,
                    summary="compensation",
                )
            except Exception as error:  # noqa: BLE001 -- one that fails must not stop the others
                failures.append(f"{finished.compensation.__qualname__}: {_message(error)}")
        return failures


async def _shielded(
    work: Coroutine[Any, Any, list[str]],
) -> tuple[list[str], asyncio.CancelledError | None]:
    """Wait for the work however often the waiting is cancelled, and tell of the cancellation."""
    task = asyncio.ensure_future(work)
    cancellation: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancellation = error
    return task.result(), cancellation


def _invalid(message: str) -> ApplicationError:
    # A failure and no error of the engine's: in a native workflow only that ends the run.
    return ApplicationError(message, type="StepInvalid", non_retryable=True)


def _message(error: BaseException) -> str:
    """The innermost message, which is the one that says what happened."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    text = error.message if isinstance(error, FailureError) else str(error)
    return text or type(error).__name__
