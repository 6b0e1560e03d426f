"""The durable calls of one run: which travel together, which alone, and how many at once.

Calls that are made in one tick of the run's event loop travel in one activity, as many of one
method as fit; each keeps its own result, error, idempotency key and retries. A call that is made
alone begins as a local activity where its method allows that. All of it follows from the run's code
and its history, so that a replay decides the same.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ActivityError

from euryale.config import Retry
from euryale.errors import HistoryTooLong
from euryale.runs.limits import (
    BYTES_TOGETHER,
    CALLS_AT_ONCE,
    CALLS_CARRIED_OUT_AT_ONCE,
    CALLS_TOGETHER,
    HISTORY_BYTES,
    HISTORY_EVENTS,
    SLICE,
    TASK_LIMIT,
)
from euryale.sagas.run_clock import next_number
from euryale.sagas.settlement import ask_to_end
from euryale.services.call_ids import as_many_as_fit
from euryale.services.call_payload import CallFailed, call_failed, encode
from euryale.services.call_sending import Ended, Route, Sent, attempted, send, wait_before
from euryale.services.local_calls import LocalCalls
from euryale.services.method import Method, summarize
from euryale.services.quick_json import QuickJson
from euryale.services.single_calls import call_singly

HEARTBEAT_TIMEOUT = {"read": timedelta(seconds=10), "mutation": timedelta(seconds=30)}
"""How soon a dead worker is noticed in the middle of a long call. The worker beats for the
service, so this needs nothing from its author. A worker that is cut off for this long looks dead,
and its call is made again: a mutation waits longer for that than a read."""

PATCH = "euryale-calls-together"
"""Temporal's patch that tells runs whose calls travel together from those that began before."""

ONE_BY_ONE_FUNCTION = "euryale_one_by_one"
"""The extern function of a worker that wants to see each call by itself: a rehearsal's."""


class _Done(asyncio.Future[Payload]):
    """What a call's maker waits for.

    A task that waits for it and is cancelled goes on waiting, so that the run knows whether the
    call happened, and hears of the cancellation then. The answer of `cancel` says so to asyncio.
    """

    on_cancel: Callable[[], bool] | None = None

    def cancel(self, msg: Any | None = None) -> bool:
        """Give the call up; whether nobody needs to wait for it any more."""
        if self.on_cancel is not None and not self.on_cancel():
            return False
        return super().cancel(msg)

    def end(self) -> None:
        """Let the call end as a cancelled one."""
        super().cancel()


@dataclass(eq=False, slots=True)
class _Call:
    """A call that waits for its activity, or is carried by one."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    done: _Done
    number: int = 0
    payload: Payload | None = None
    words: str = ""
    wanted: bool = True
    on_unwanted: Callable[[], None] | None = None

    @property
    def size(self) -> int:
        """The bytes of its arguments."""
        return 0 if self.payload is None else self.payload.ByteSize()


@dataclass(eq=False)
class _Lane:
    """The calls of one method."""

    method: Method
    route: Route
    waiting: deque[_Call] = field(default_factory=deque)
    together: int = CALLS_TOGETHER
    load: int = 0
    woken: bool = False


class DurableCalls:
    """What the durable calls of one run share: its retry policy, its limits, and their order."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._loop = asyncio.get_running_loop()
        self._quick = QuickJson(workflow.payload_converter())
        self._alone: bool | None = None
        self._places = asyncio.Semaphore(CALLS_AT_ONCE)
        self._task = -1
        self._task_bytes = 0
        self._lanes: dict[str, _Lane] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._local = LocalCalls()

    def told_time(self) -> None:
        """Note that the handler was told the time, which is a read that isn't recorded."""
        self._local.told()

    async def call(self, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Carry out one call, and wait for its result.

        Raises:
            CallFailed: It failed for good.
            ArgumentsInvalid: Its arguments don't fit its method.
            PayloadTooLarge: Its arguments are more than Temporal carries.
            HistoryTooLong: The run has no room for another activity.
        """
        lane = self._lane(method)
        if self._alone is None:
            one_by_one = ONE_BY_ONE_FUNCTION in workflow.extern_functions()
            self._alone = one_by_one or not workflow.patched(PATCH)
        if self._alone:
            arguments = method.bind(args, kwargs)
            payload = encode(self._quick, method, arguments)
            async with self._places:
                await self._room_for(method, payload.ByteSize())
                returned = await call_singly(method, lane.route, payload, summarize(arguments))
                return self._quick.from_payload(returned, method.result_type)
        call = _Call(args, kwargs, _Done(loop=self._loop))
        call.done.on_cancel = partial(_given_up, lane, call)
        lane.waiting.append(call)
        self._wake(lane)
        return self._quick.from_payload(await call.done, method.result_type)

    def _lane(self, method: Method) -> _Lane:
        lane = self._lanes.get(method.activity)
        if lane is None:
            kind = method.mark.kind
            route = Route(
                method.activity,
                method.mark.timeout,
                HEARTBEAT_TIMEOUT[kind],
                self._retry,
                # A mutation that was told to stop is waited for.
                workflow.ActivityCancellationType.TRY_CANCEL
                if kind == "read"
                else workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            lane = self._lanes[method.activity] = _Lane(method, route)
        return lane

    # --- together -----------------------------------------------------------------------------

    def _wake(self, lane: _Lane) -> None:
        """Send what waits, once a turn of the event loop has brought no further call."""
        if not lane.woken:
            lane.woken = True
            self._loop.call_soon(self._after_tick, lane, len(lane.waiting))

    def _after_tick(self, lane: _Lane, seen: int) -> None:
        if len(lane.waiting) != seen:
            self._loop.call_soon(self._after_tick, lane, len(lane.waiting))
            return
        lane.woken = False
        while lane.waiting:
            weight = min(len(lane.waiting), lane.together, CALLS_CARRIED_OUT_AT_ONCE)
            if lane.load and lane.load + weight > CALLS_AT_ONCE:
                return
            calls = self._take(lane)
            if calls:
                self._begin(lane, calls)

    def _begin(self, lane: _Lane, calls: list[_Call], attempts: int = 0) -> None:
        lane.load += min(len(calls), CALLS_CARRIED_OUT_AT_ONCE)
        if not self._spawn(self._carry_out(lane, calls, attempts)):
            for call in calls:
                call.done.end()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> bool:
        """Let something go on beside the run's own tasks; false where the run ends here.

        It is being taken out of the worker's cache then, and no task may begin.
        """
        try:
            task = self._loop.create_task(work)
        except BaseException:  # noqa: BLE001 -- Temporal's own, which nobody else must see
            work.close()
            return False
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return True

    def _take(self, lane: _Lane) -> list[_Call]:
        """The next calls that fit into one activity, their arguments written."""
        taken: list[_Call] = []
        size = 0
        while lane.waiting and len(taken) < lane.together:
            call = lane.waiting[0]
            if not call.wanted:
                lane.waiting.popleft()
                continue
            if call.payload is None:
                try:
                    arguments = lane.method.bind(call.args, call.kwargs)
                    call.payload = encode(self._quick, lane.method, arguments)
                except Exception as error:  # noqa: BLE001 -- it is the caller's
                    lane.waiting.popleft()
                    _fail(call, error)
                    continue
                call.words = summarize(arguments) if not taken else ""
            size += call.size
            if taken and size > BYTES_TOGETHER:
                break
            lane.waiting.popleft()
            call.number = call.number or next_number()
            taken.append(call)
        if taken:
            fitting = as_many_as_fit(lane.route.activity, [call.number for call in taken])
            lane.waiting.extendleft(reversed(taken[fitting:]))
            del taken[fitting:]
        return taken

    async def _carry_out(self, lane: _Lane, calls: list[_Call], attempts: int) -> None:
        """Carry out calls together; what is left of them afterwards waits again."""
        left: set[_Call] = set()
        try:
            async with self._places:
                sent = await self._sent(lane, calls, attempts)
            if sent.seconds_each > 0:
                fitting = int(SLICE.total_seconds() / sent.seconds_each)
                lane.together = max(1, min(CALLS_TOGETHER, fitting))
            left = self._end_all(lane, calls, sent, attempts)
        except Exception as error:  # noqa: BLE001 -- it is the callers'
            for call in calls:
                _fail(call, error)
        finally:
            lane.load -= min(len(calls), CALLS_CARRIED_OUT_AT_ONCE)
            # The run is taken out of the worker's cache, or ends what is under way.
            for call in calls:
                if call not in left:
                    call.done.end()
        self._wake(lane)

    def _end_all(
        self, lane: _Lane, calls: Sequence[_Call], sent: Sent, attempts: int
    ) -> set[_Call]:
        """Tell the callers what came of their calls; those that aren't at their end wait again."""
        untouched: list[_Call] = []
        again: list[_Call] = []
        for call, ended in zip(calls, sent.ends, strict=True):
            if ended.end in ("done", "failed") or not call.wanted:
                _end(lane.method, call, ended)
            else:
                call.on_unwanted = None
                (untouched if ended.end == "untouched" else again).append(call)
        before = attempts + sent.attempts - 1
        for call in untouched:
            # An attempt whose worker died may have begun it, and its service must be told so.
            if before and call.payload is not None:
                call.payload = attempted(call.payload, before)
        lane.waiting.extendleft(reversed(untouched))
        if again:
            self._begin_again(lane, again, before + 1)
        return {*untouched, *again}

    async def _sent(self, lane: _Lane, calls: list[_Call], attempts: int) -> Sent:
        method, route = lane.method, lane.route
        payloads = [call.payload for call in calls if call.payload is not None]
        first = calls[0]
        alone = len(self._sending) == 1
        if len(calls) == 1 and not attempts and self._local.takes(method, payloads[0], alone=alone):
            ended = await self._local.call(method, route, first.number, payloads[0], first.words)
            if ended is not None:
                return Sent((ended,))
            attempts = 1
        await self._room_for(method, sum(call.size for call in calls))
        unwanted = 0

        def started(handle: asyncio.Task[Any]) -> None:
            def one_less() -> None:
                nonlocal unwanted
                unwanted += 1
                if unwanted == len(calls):
                    self._spawn(ask_to_end([handle]))

            for call in calls:
                call.on_unwanted = one_less
                if not call.wanted:
                    one_less()

        reads = self._local.reads
        sent = await send(
            route,
            route.activity,
            [call.number for call in calls],
            payloads,
            attempts=attempts,
            summary=first.words,
            started=started,
        )
        self._local.recorded(reads)
        return sent

    def _begin_again(self, lane: _Lane, calls: list[_Call], attempts: int) -> None:
        async def begin() -> None:
            try:
                await workflow.sleep(wait_before(self._retry, attempts))
            except asyncio.CancelledError:
                for call in calls:
                    call.done.end()
                raise
            wanted = [call for call in calls if call.wanted]
            if wanted:
                self._begin(lane, wanted, attempts)

        if not self._spawn(begin()):
            for call in calls:
                call.done.end()

    async def _room_for(self, method: Method, size: int) -> None:
        """Refuse an activity when the history is full; put one off when the task is."""
        info = workflow.info()
        while True:
            events = info.get_current_history_length()
            if events > HISTORY_EVENTS or info.get_current_history_size() > HISTORY_BYTES:
                raise HistoryTooLong(
                    f"the run has a history of {events:,} events and "
                    f"{info.get_current_history_size():,} bytes, near the "
                    "51,200 events or 50 MiB at which Temporal terminates it",
                    where=method.activity,
                    mend="give the service a method that takes many items in one call, sweep the "
                    "rows, or split the work over child workflows",
                )
            if events != self._task:
                self._task, self._task_bytes = events, 0
            if self._task_bytes == 0 or self._task_bytes + size <= TASK_LIMIT:
                self._task_bytes += size
                return
            await workflow.sleep(timedelta(milliseconds=1))


def _given_up(lane: _Lane, call: _Call) -> bool:
    """Note that nobody waits for a call any more; whether it needn't be waited for."""
    if call.wanted:
        call.wanted = False
        if call.on_unwanted is not None:
            call.on_unwanted()
    return call.on_unwanted is None or lane.method.mark.kind == "read"


def _fail(call: _Call, error: Exception) -> None:
    if not call.done.done():
        call.done.set_exception(error)
        call.done.exception()  # so that nobody misses who hears of it: it may have been given up


def _end(method: Method, call: _Call, ended: Ended) -> None:
    if call.done.done():
        return
    if ended.payload is not None and ended.end == "done":
        call.done.set_result(ended.payload)
    elif isinstance(ended.error, ActivityError):
        failed = call_failed(method, ended.error)
        failed.__cause__ = ended.error
        _fail(call, failed)
    elif isinstance(ended.error, Exception):
        _fail(call, ended.error)
    elif ended.failed is not None:
        _fail(call, CallFailed(method.activity, ended.failed.message, type=ended.failed.type))
    else:
        call.done.end()
