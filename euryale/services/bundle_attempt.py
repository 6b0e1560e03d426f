"""One attempt of an activity that carries many calls: each ends by itself.

What is done is told to the server with the activity's heartbeats, so that another attempt goes on
with what isn't. A call that may be tried again ends as such, and the run sends it again later; only
where nothing could be done at all does the whole activity fail, and Temporal tries it again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import structlog
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from euryale.errors import PayloadTooLarge
from euryale.runs.limits import CALLS_CARRIED_OUT_AT_ONCE, PAYLOAD_LIMIT, SLICE
from euryale.services.attempt import failure_of, is_mistake
from euryale.services.call_ids import calls_carried
from euryale.services.call_outcome import (
    FailedCall,
    beat_of,
    end_of,
    failure,
    reply,
    told_by,
    untouched,
)
from euryale.services.call_sending import attempts_before
from euryale.services.idempotency import CurrentCall, carrying_out, key_of
from euryale.services.payload_bundle import unpack

log = structlog.get_logger("euryale.worker")

_FIRST_BULK = 16
"""Calls that a bulk method gets at first, so that the size of their results is known."""

_MOST = PAYLOAD_LIMIT - 64 * 1024
"""Bytes of results in one reply, less what stands around them."""

_ROOM = _MOST // 2
"""Bytes of results after which no further call is begun: those under way need room, too."""

_IN_VAIN = 3
"""Calls that fail one after the other, with none that succeeds, until the rest isn't tried: what
they need is down."""

_TELLING = timedelta(milliseconds=250)
"""How long a heartbeat takes at the most: they are told every 200 ms."""

One = Callable[[Payload], Awaitable[Payload]]
Many = Callable[[Sequence[Payload], Sequence[CurrentCall]], Awaitable[list[Payload | Exception]]]


class BundleAttempt:
    """The calls that an activity carries, and what came of them so far.

    Args:
        bundle: Their arguments, in the order of their numbers.
        one: Carries one call out.
        many: Carries several out at once, where the service can.
        jitter: See `euryale.services.attempt.failure_of`.
    """

    def __init__(self, bundle: Payload, one: One, many: Many | None, jitter: float) -> None:
        info = activity.info()
        workflow_id, run_id = info.workflow_id or "", info.workflow_run_id or ""
        attempt = info.attempt + attempts_before(bundle)
        self._attempt = info.attempt
        self._payloads = unpack(bundle)
        self._calls = [
            CurrentCall(key_of(workflow_id, run_id, call), attempt + attempts_before(payload))
            for call, payload in zip(calls_carried(info.activity_id), self._payloads, strict=True)
        ]
        self._one, self._many = one, many
        self._jitter = jitter
        self._policy = info.retry_policy
        self._exhausted = bool(
            self._policy
            and self._policy.maximum_attempts
            and info.attempt >= self._policy.maximum_attempts
        )
        self._ends: dict[int, Payload] = {}
        self._again: dict[int, FailedCall] = {}
        self._size = 0
        self._succeeded = False
        self._first_error: Exception | None = None
        self._stopped = False
        self._began = time.monotonic()
        tried = self._remember(info.heartbeat_details)
        rest = [number for number in range(len(self._payloads)) if number not in self._ends]
        # One call may have ended the worker. So the next attempt comes from the other side, begins
        # fewer at once, and tells of each: in the end that one is alone.
        if info.attempt % 2 == 0:
            rest.reverse()
        self._is_careful = info.attempt > 1
        self._at_once = max(1, CALLS_CARRIED_OUT_AT_ONCE >> (info.attempt - 1))
        # Those that failed last time come last: they must not keep the others from their turn.
        self._waiting = deque(sorted(rest, key=lambda number: number in tried))

    def stop(self) -> None:
        """Begin no further call."""
        self._stopped = True

    def details(self) -> tuple[bytes]:
        """What came of the calls so far, for a heartbeat."""
        return (beat_of(self._reply()),)

    def _reply(self) -> Payload:
        return reply(
            [self._end_of(number) for number in range(len(self._payloads))],
            timedelta(seconds=time.monotonic() - self._began),
            self._attempt,
        )

    async def carry_out(self) -> Payload:
        """Carry the calls out, and tell how each ended.

        Raises:
            Exception: Nothing could be done; what the first call failed with.
        """
        if self._many is not None:
            await self._in_bulk(self._many)
        await asyncio.gather(*(self._one_by_one() for _ in range(self._at_once)))
        if self._again and not self._ends and self._first_error is not None:
            activity.heartbeat(*self.details())
            raise self._first_error
        return self._reply()

    def _remember(self, details: Sequence[Any]) -> set[int]:
        """Take over what earlier attempts have done, and tell which calls they failed at."""
        told = told_by(details[0]) if details else None
        tried: set[int] = set()
        for number, payload in enumerate(unpack(told) if told else ()):
            match end_of(payload):
                case "again":
                    tried.add(number)
                case "done" | "failed":
                    self._ends[number] = payload
        self._size = sum(payload.ByteSize() for payload in self._ends.values())
        return tried

    def _end_of(self, number: int) -> Payload:
        if number in self._ends:
            return self._ends[number]
        failed = self._again.get(number)
        return untouched() if failed is None else failure("again", failed)

    def _goes_on(self) -> bool:
        """Whether another call is begun."""
        in_vain = len(self._again) >= _IN_VAIN and not self._succeeded
        late = bool(self._ends or self._again) and self._elapsed() > SLICE.total_seconds()
        full = self._size > _ROOM
        return bool(self._waiting) and not (self._stopped or in_vain or late or full)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    # --- one by one ---------------------------------------------------------------------------

    async def _one_by_one(self) -> None:
        while self._goes_on():
            number = self._waiting.popleft()
            try:
                with carrying_out(self._calls[number]):
                    payload = await self._one(self._payloads[number])
            except Exception as error:  # noqa: BLE001 -- it is this call's own
                self._fail(number, error)
            else:
                self._done(number, payload)
            await self._tell()

    async def _tell(self) -> None:
        """Let the server hear of what is done before the next call can end the worker."""
        if self._is_careful:
            activity.heartbeat(*self.details())
            await asyncio.sleep(_TELLING.total_seconds() / self._at_once)

    def _done(self, number: int, payload: Payload) -> None:
        self._succeeded = True
        self._size += payload.ByteSize()
        if self._size > _MOST:
            self._size -= payload.ByteSize()
            error = PayloadTooLarge(
                f"the result has {payload.ByteSize():,} bytes, for which its activity has no "
                "room beside the results of the calls that were begun at once with it",
                where=self._calls[number].key,
                mend="return less of each item",
            )
            # Beside fewer others there is room, so the call is made again there.
            has_room = payload.ByteSize() <= _MOST
            again = ApplicationError(str(error), type=type(error).__name__)
            self._fail(number, again if has_room else error)
            return
        self._ends[number] = payload

    def _fail(self, number: int, error: Exception) -> None:
        self._first_error = self._first_error or error
        raised = failure_of(error, self._jitter)
        failed = FailedCall.of(raised)
        for_good = isinstance(raised, ApplicationError) and raised.non_retryable
        never_again = (self._policy and self._policy.non_retryable_error_types) or ()
        self._size += len(failed.message)
        if for_good or self._exhausted or failed.type in never_again:
            self._ends[number] = failure("failed", failed)
        else:
            self._again[number] = failed

    # --- in bulk ------------------------------------------------------------------------------

    async def _in_bulk(self, many: Many) -> None:
        begun = 0
        while self._goes_on():
            count = self._fitting(begun)
            numbers = [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]
            begun += len(numbers)
            try:
                ends = await many(
                    [self._payloads[number] for number in numbers],
                    [self._calls[number] for number in numbers],
                )
            except Exception as error:  # noqa: BLE001 -- it is one of the calls' own, or all of theirs
                if is_mistake(error):
                    log.warning(
                        "bulk method failed",
                        action="bulk_failed",
                        activity=activity.info().activity_type,
                        calls=len(numbers),
                        error=f"{type(error).__name__}: {error}",
                        then="each of its calls is made alone",
                    )
                    # Nothing was done, and nobody knows whose mistake it is: each by itself.
                    self._waiting.extendleft(reversed(numbers))
                    return
                for number in numbers:
                    self._fail(number, error)
                return
            for number, end in zip(numbers, ends, strict=True):
                if isinstance(end, Payload):
                    self._done(number, end)
                else:
                    self._fail(number, end)
            await self._tell()

    def _fitting(self, begun: int) -> int:
        """How many calls the bulk method gets next: as many as there is time and room for."""
        if self._is_careful or not begun:
            return min(_FIRST_BULK, self._at_once)
        per_call = max(self._elapsed() / begun, 1e-6)
        time_left = SLICE.total_seconds() - self._elapsed()
        room_left = (_ROOM - self._size) / 2
        size = max(self._size / max(len(self._ends), 1), 1)
        return max(1, int(min(time_left / per_call, room_left / size)))
