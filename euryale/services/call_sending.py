"""One activity that carries calls: how it is started, and what came of each call.

Both those who call services and those who take such calls back send theirs this way.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.exceptions import TimeoutError as TimedOut

from euryale.config import Retry
from euryale.sagas.settlement import settle
from euryale.services.call_ids import activity_id
from euryale.services.call_outcome import (
    End,
    FailedCall,
    attempt_told,
    end_of,
    failed_call,
    seconds_each,
    told_by,
)
from euryale.services.payload_bundle import pack, unpack

ATTEMPTS_KEY = "euryale-attempts"
"""The metadata of arguments that says how often their call was attempted before."""

_LONGEST_TIMEOUT = timedelta(days=1)

_SHORTEST_HEARTBEAT = timedelta(seconds=5)
"""How long an activity that carries several calls may be silent at least: it goes on for longer
than a call may take, and beats every half a second on a machine that isn't busy."""


@dataclass(frozen=True)
class Route:
    """How the calls of one method travel.

    Attributes:
        activity: The activity that carries them.
        timeout: How long one attempt of one call may take.
        heartbeat_timeout: How soon a dead worker is noticed.
        retry: How a call is tried again.
        cancellation_type: What becomes of an activity whose calls nobody waits for any more.
    """

    activity: str
    timeout: timedelta
    heartbeat_timeout: timedelta
    retry: Retry
    cancellation_type: workflow.ActivityCancellationType


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of one call.

    Attributes:
        end: How it ended.
        payload: What it returned.
        failed: What it failed with, where other calls of its activity may have returned.
        error: What its whole activity failed with.
    """

    end: End
    payload: Payload | None = None
    failed: FailedCall | None = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of the calls of one activity.

    Attributes:
        ends: How each ended, in the order of the calls.
        seconds_each: How long a call took on average; 0 where that isn't known.
        attempts: How many attempts the activity took; what it left undone may have been begun.
    """

    ends: tuple[Ended, ...]
    seconds_each: float = 0
    attempts: int = 1


async def send(
    route: Route,
    name: str,
    numbers: Sequence[int],
    payloads: Sequence[Payload],
    *,
    attempts: int = 0,
    summary: str = "",
    started: Callable[[asyncio.Task[Any]], None] = lambda _: None,
) -> Sent:
    """Let an activity carry calls, and wait until it has ended.

    Args:
        route: How they travel.
        name: What the calls' ids begin with.
        numbers: Their numbers.
        payloads: Their arguments.
        attempts: How often they were attempted before.
        summary: A few words for the Web UI.
        started: Told the activity's handle.
    """
    payload = payloads[0] if len(payloads) == 1 else pack(payloads)
    if attempts:
        payload = attempted(payload, attempts)
    heartbeat_timeout = min(route.heartbeat_timeout, route.timeout)
    if len(payloads) > 1:
        heartbeat_timeout = max(heartbeat_timeout, _SHORTEST_HEARTBEAT)
    handle: asyncio.Task[Any] = workflow.start_activity(
        route.activity,
        RawValue(payload),
        activity_id=activity_id(name, numbers),
        result_type=RawValue,
        start_to_close_timeout=min(route.timeout * len(payloads), _LONGEST_TIMEOUT),
        heartbeat_timeout=heartbeat_timeout,
        retry_policy=policy_after(route.retry, attempts),
        cancellation_type=route.cancellation_type,
        summary=(f"×{len(payloads)} " if len(payloads) > 1 else "") + summary,  # noqa: RUF001 -- the sign is meant
    )
    started(handle)
    settlement = await settle(handle)
    if settlement.error is not None:
        return Sent(_ended_without_reply(settlement.error, len(payloads)))
    returned: Payload = settlement.result.payload
    ends = tuple(map(_ended, unpack(returned)))
    return Sent(ends, seconds_each(returned), attempt_told(returned))


def attempted(payload: Payload, attempts: int) -> Payload:
    """The same arguments, which tell that their call or calls were attempted so often once more."""
    marked = Payload.FromString(payload.SerializeToString())
    marked.metadata[ATTEMPTS_KEY] = b"%d" % (attempts_before(payload) + attempts)
    return marked


def attempts_before(payload: Payload) -> int:
    """How often calls were attempted before they came to this activity."""
    return int(payload.metadata.get(ATTEMPTS_KEY, b"0"))


def _ended_without_reply(error: BaseException, count: int) -> tuple[Ended, ...]:
    """What came of the calls of an activity that failed or timed out as a whole.

    Where one of them has ended its worker time and again, the heartbeats told of the others.
    """
    failed = Ended("failed", error=error)
    cause = error.__cause__
    beats = cause.last_heartbeat_details if isinstance(cause, TimedOut) else ()
    told = told_by(beats[0]) if count > 1 and beats else None
    if told is None:
        return (failed,) * count
    ends = map(_ended, unpack(told))
    return tuple(ended if ended.end in ("done", "failed") else failed for ended in ends)


def _ended(payload: Payload) -> Ended:
    end = end_of(payload)
    if end in ("failed", "again"):
        return Ended(end, failed=failed_call(payload))
    return Ended(end, payload=payload)


def policy_after(retry: Retry, attempts: int) -> Any:
    """The retry policy of calls that were attempted before."""
    policy = retry.policy()
    if attempts:
        policy.initial_interval = wait_before(retry, attempts + 1)
        if policy.maximum_attempts:
            policy.maximum_attempts = max(policy.maximum_attempts - attempts, 1)
    return policy


def wait_before(retry: Retry, attempts: int) -> timedelta:
    """How long to wait after so many attempts.

    Example:
        >>> [wait_before(Retry(), attempts).total_seconds() for attempts in (1, 3, 2_000)]
        [1.0, 4.0, 300.0]
    """
    try:
        wait = retry.initial_interval * retry.backoff_coefficient ** (attempts - 1)
    except OverflowError:
        return retry.maximum_interval
    return min(wait, retry.maximum_interval)


def may_be_tried_again(retry: Retry, attempts: int, error: BaseException) -> bool:
    """Whether a call that failed after so many attempts has another one."""
    if retry.maximum_attempts and attempts >= retry.maximum_attempts:
        return False
    if isinstance(error, ApplicationError):
        return not error.non_retryable and error.type not in retry.non_retryable_error_types
    return True
