"""Sagas: steps that know their way back, and what takes them back when a later one fails."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, FailureError

from euryale.config import Retry

Activities = TypeVar("Activities")
Input = TypeVar("Input")
Output = TypeVar("Output")
Undo = TypeVar("Undo")

_COMPENSATION = "__euryale_compensation__"

DEFAULT_RETRY = Retry().policy()
"""How steps and compensations are tried again: twenty attempts, in about an hour."""

STEP_TIMEOUT = timedelta(minutes=10)
"""How long one attempt of a step or a compensation may take, where the caller doesn't say."""

HEARTBEAT_TIMEOUT = timedelta(seconds=10)
"""How soon a dead worker is noticed in the middle of a long step; the worker beats for it."""


@dataclass(frozen=True, slots=True)
class StepResponse(Generic[Output, Undo]):
    """What a step returns: its output, and what its compensation needs to take it back.

    Attributes:
        output: What the workflow gets.
        undo: What the compensation gets.
    """

    output: Output
    undo: Undo


Step = Callable[[Activities, Input], Awaitable[StepResponse[Output, Undo]]]
Compensation = Callable[[Activities, Undo], Awaitable[None]]


def step(
    name: str, *, compensation: Compensation[Activities, Undo]
) -> Callable[[Step[Activities, Input, Output, Undo]], Step[Activities, Input, Output, Undo]]:
    """Make a method a Temporal activity that knows the activity that takes it back.

    The method takes one input and returns a `StepResponse`. It stays a native activity, which any
    Temporal client may call by its name.

    Args:
        name: The activity's name.
        compensation: An activity of the same class that takes the response's `undo`.

    Example:
        >>> class CartActivities:
        ...     @activity.defn(name="cart.restore")
        ...     async def restore(self, cart_ids: list[str]) -> None: ...
        ...
        ...     @step("cart.delete", compensation=restore)
        ...     async def delete(self, cart_ids: list[str]) -> StepResponse[int, list[str]]:
        ...         return StepResponse(output=len(cart_ids), undo=cart_ids)
        >>> compensation_of(CartActivities.delete) is CartActivities.restore
        True
    """

    def apply(
        method: Step[Activities, Input, Output, Undo],
    ) -> Step[Activities, Input, Output, Undo]:
        setattr(method, _COMPENSATION, compensation)
        return activity.defn(name=name)(method)

    return apply


def compensation_of(method: Callable[..., Any]) -> Callable[..., Awaitable[None]] | None:
    """The activity that takes a step back; None for an activity that is no step."""
    found: Callable[..., Awaitable[None]] | None = getattr(method, _COMPENSATION, None)
    return found


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

        Args:
            method: A method marked with `step`.
            input: What the step gets.
            timeout: How long one attempt may take.
            retry_policy: How it is tried again; by default for about an hour.
            summary: A few words for the Web UI.
        """
        response: StepResponse[Output, Undo] = await workflow.execute_activity_method(
            method,
            input,
            start_to_close_timeout=timeout,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=retry_policy,
            # Whether a step that was told to stop took effect decides what must be taken back.
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=summary,
        )
        compensation = compensation_of(method)
        if compensation is None:
            raise ApplicationError(
                f"{getattr(method, '__qualname__', method)} is no step: decorate it with "
                "@step(name, compensation=…), or call it with workflow.execute_activity_method",
                type="StepInvalid",
                non_retryable=True,
            )
        self._finished.append(_Finished(compensation, response.undo))
        return response.output

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # GeneratorExit and Temporal's eviction are no failures of the run: nothing may be awaited.
        if error is None or not isinstance(error, Exception | asyncio.CancelledError):
            return
        failures = await _shielded(self._compensate())
        if failures:
            raise ApplicationError(
                f"{_message(error)} Then {len(failures)} of its compensations failed: "
                + "; ".join(failures),
                type="CompensationFailed",
                non_retryable=True,
            ) from error

    async def _compensate(self) -> list[str]:
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
            except FailureError as error:
                failures.append(f"{finished.compensation.__qualname__}: {_message(error)}")
        return failures


async def _shielded(work: Awaitable[list[str]]) -> list[str]:
    """Wait for the work however often the waiting is cancelled."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise
    return task.result()


def _message(error: BaseException) -> str:
    """The innermost message, which is the one that says what happened."""
    while isinstance(error, FailureError) and error.cause is not None:
        error = error.cause
    text = error.message if isinstance(error, FailureError) else str(error)
    return text or type(error).__name__
