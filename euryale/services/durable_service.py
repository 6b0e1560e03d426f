"""Durable services: what a handler gets for a service, where each call becomes an activity."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
)

from euryale.config import Retry
from euryale.errors import HistoryTooLong, PayloadTooLarge
from euryale.runs.limits import (
    CALLS_AT_ONCE,
    HISTORY_BYTES,
    HISTORY_EVENTS,
    PAYLOAD_LIMIT,
    TASK_LIMIT,
)
from euryale.sagas.settlement import settle
from euryale.services.method import Method, ServiceDefinition, summarize

HEARTBEAT_TIMEOUT = {"read": timedelta(seconds=10), "mutation": timedelta(seconds=30)}
"""How soon a dead worker is noticed in the middle of a long call. The worker beats for the
service, so this needs nothing from its author. A worker that is cut off for this long looks dead,
and its call is made again: a mutation waits longer for that than a read."""


class CallFailed(ApplicationError):
    """A durable call that failed for good: its last error, under its own type and message.

    It is a Temporal failure, so a handler may let it pass, and the run fails with the original
    exception's type and message. The activity's error, with its attempts, is the cause.

    Attributes:
        call: The call's name, such as `product.update`.
    """

    def __init__(self, call: str, message: str, *, type: str | None) -> None:  # noqa: A002 -- Temporal's name
        super().__init__(message, type=type, non_retryable=True)
        self.call = call


class DurableCalls:
    """What the durable calls of one run share: its retry policy and its limits."""

    def __init__(self, retry: Retry) -> None:
        self._retry_policy = retry.policy()
        self._places = asyncio.Semaphore(CALLS_AT_ONCE)
        self._task = -1
        self._task_bytes = 0

    async def call(self, method: Method, arguments: dict[str, Any]) -> Any:
        """Carry out one call as an activity, and wait for its result."""
        payload = _encode(method, arguments)
        async with self._places:
            await self._room_for(method, payload)
            handle: asyncio.Task[Any] = workflow.start_activity(
                method.activity,
                RawValue(payload),
                result_type=RawValue,
                start_to_close_timeout=method.mark.timeout,
                heartbeat_timeout=min(HEARTBEAT_TIMEOUT[method.mark.kind], method.mark.timeout),
                retry_policy=self._retry_policy,
                # A mutation that was told to stop is waited for, so that the run knows whether it
                # happened.
                cancellation_type=(
                    workflow.ActivityCancellationType.TRY_CANCEL
                    if method.mark.kind == "read"
                    else workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
                ),
                summary=summarize(arguments),
            )
            settlement = await settle(handle)
        if settlement.cancellation is not None:
            raise settlement.cancellation
        if isinstance(settlement.error, ActivityError):
            raise _call_failed(method, settlement.error) from settlement.error
        if settlement.error is not None:
            raise settlement.error
        payload = settlement.result.payload
        return workflow.payload_converter().from_payload(payload, method.result_type)

    async def _room_for(self, method: Method, payload: Payload) -> None:
        """Refuse a call when the history is full; put one off when the task is."""
        info = workflow.info()
        size = payload.ByteSize()
        while True:
            events = info.get_current_history_length()
            if events > HISTORY_EVENTS or info.get_current_history_size() > HISTORY_BYTES:
                raise HistoryTooLong(
                    f"the run has a history of {events:,} events and "
                    f"{info.get_current_history_size():,} bytes, near the "
                    "51,200 events or 50 MiB at which Temporal terminates it",
                    where=method.activity,
                    mend="give the service a method that takes many items in one call, or split "
                    "the work over child workflows",
                )
            if events != self._task:
                self._task, self._task_bytes = events, 0
            if self._task_bytes == 0 or self._task_bytes + size <= TASK_LIMIT:
                self._task_bytes += size
                return
            await workflow.sleep(timedelta(milliseconds=1))


class DurableService:
    """A stand-in for a service: each call of an async method is recorded as an activity."""

    __slots__ = ("_calls", "_definition", "_methods")

    def __init__(self, definition: ServiceDefinition, calls: DurableCalls) -> None:
        self._definition = definition
        self._calls = calls
        self._methods: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        """The durable form of the service's method of that name."""
        if name.startswith("__"):
            raise AttributeError(name)
        made = self._methods.get(name)
        if made is None:
            made = self._methods[name] = self._durable(self._definition.method(name))
        return made

    def __repr__(self) -> str:
        return f"<durable service '{self._definition.name}'>"

    def _durable(self, method: Method) -> Callable[..., Coroutine[Any, Any, Any]]:
        calls = self._calls

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await calls.call(method, method.bind(args, kwargs))

        call.__name__ = call.__qualname__ = method.activity
        return call


def _encode(method: Method, arguments: dict[str, Any]) -> Payload:
    """Write the arguments as they will travel, and check that the method takes what arrives."""
    converter = workflow.payload_converter()
    try:
        payload = converter.to_payload(arguments)
        converter.from_payload(payload, method.arguments_type)
    except ValidationError as error:
        raise method.refusal(error) from None
    except (TypeError, ValueError) as error:
        raise method.refusal(f"has an argument that can't be written as JSON: {error}") from None
    if payload.ByteSize() > PAYLOAD_LIMIT:
        raise PayloadTooLarge(
            f"the arguments of {method.activity} have {payload.ByteSize():,} bytes; Temporal "
            f"carries {PAYLOAD_LIMIT:,} at the most",
            where=method.activity,
            mend="pass ids and let the service read the rest, or pass fewer items in one call",
        )
    return payload


def _call_failed(method: Method, error: ActivityError) -> CallFailed:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return CallFailed(method.activity, cause.message, type=cause.type)
    reason = cause.message if isinstance(cause, FailureError) else str(cause or error)
    return CallFailed(
        method.activity,
        f"{method.activity} failed: {reason} (one attempt may take {method.mark.timeout})",
        type=type(cause or error).__name__,
    )
