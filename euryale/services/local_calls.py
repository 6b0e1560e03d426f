"""Which calls of a run travel as local activities: quicker, but not recorded at once.

A local activity is carried out by the worker that holds the run, and recorded together with
whatever the run sends to the server next. A worker that is killed before that repeats it. So a
read may always begin as one. A mutation may where it says that repeating it is harmless, and where
all reads before it are recorded: they may tell something else the next time, and the repeated call
would be another one under the same key. For the same reason no other call may be under way: it
could have ended by the next time, and what follows from it would take the call's number. A local
call that fails is tried again as an ordinary activity, where everybody sees it.
"""

from datetime import timedelta

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue, RetryPolicy
from temporalio.exceptions import ActivityError, FailureError, RetryState
from temporalio.exceptions import TimeoutError as TimedOut

from euryale.runs.failures import innermost
from euryale.services.call_ids import call_id
from euryale.services.call_outcome import FailedCall
from euryale.services.call_sending import Ended, Route, may_be_tried_again
from euryale.services.method import Method

TIMEOUT = timedelta(seconds=2)
"""How long a local call may take; then an ordinary activity takes it over, and the method's other
calls in this run begin as ordinary ones."""

CALLS_UNRECORDED = 200
"""Local calls after which an ordinary one is sent, with which they are recorded."""

TIME_UNRECORDED = timedelta(seconds=3)
"""Time after which the same happens."""

BYTES_UNRECORDED = 512 * 1024
"""Bytes of results after which they are recorded before the run goes on: they leave in one message
with what the run sends next, and Temporal terminates a run whose message is over 4 MiB."""

_LARGEST = 64 * 1024
"""Bytes of arguments that a local call may have."""


class LocalCalls:
    """What of a run's local calls isn't recorded yet.

    Attributes:
        reads: How often the handler was told what may be something else when it's told again: by
            local reads, and by the clock.
    """

    def __init__(self) -> None:
        self.reads = 0
        self._recorded_reads = 0
        self._under_way = False
        self._slow: set[str] = set()
        self._calls = 0
        self._bytes = 0
        self._since = workflow.now()

    def told(self) -> None:
        """The handler was told something else than a local read's result that may change."""
        self.reads += 1

    def takes(self, method: Method, payload: Payload, *, alone: bool) -> bool:
        """Whether a call begins as a local activity.

        Args:
            method: What is called.
            payload: Its arguments.
            alone: Whether no other call of the run is under way.
        """
        mark = method.mark
        if mark.kind == "mutation":
            reads_recorded = self._recorded_reads == self.reads
            if not (mark.idempotent and reads_recorded and alone):
                return False
        return (
            not self._under_way
            and method.activity not in self._slow
            and payload.ByteSize() <= _LARGEST
            and self._calls < CALLS_UNRECORDED
            and workflow.now() - self._since < TIME_UNRECORDED
        )

    async def call(
        self, method: Method, route: Route, number: int, payload: Payload, words: str
    ) -> Ended | None:
        """Carry a call out as a local activity.

        Returns:
            What came of it; None where an ordinary activity is to carry out the same call: it took
            too long, or failed and has an undo.
        """
        is_mutation = method.mark.kind == "mutation"
        self.reads += not is_mutation
        self._calls += 1
        self._under_way = True
        handle = workflow.start_local_activity(
            method.activity,
            RawValue(payload),
            activity_id=call_id(route.activity, number),
            result_type=RawValue,
            start_to_close_timeout=min(TIMEOUT, route.timeout),
            retry_policy=RetryPolicy(maximum_attempts=1),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=words,
        )
        try:
            result = (await handle).payload
        except FailureError as error:
            first = innermost(error)
            if isinstance(first, TimedOut):
                self._slow.add(method.activity)
                return None
            if may_be_tried_again(route.retry, 1, first):
                return Ended("again", failed=FailedCall.of(first))
            if is_mutation and method.mark.undo is not None:
                # What a local activity was given is recorded with its result only, and what a
                # mutation did before it failed may have to be taken back.
                return None
            return Ended("failed", error=_activity_error(method, route, number, error))
        else:
            self._bytes += result.ByteSize()
            if self._bytes > BYTES_UNRECORDED:
                reads = self.reads
                await workflow.sleep(timedelta(milliseconds=1))
                self.recorded(reads)
            return Ended("done", payload=result)
        finally:
            self._under_way = False

    def recorded(self, reads: int) -> None:
        """Something has come back from the server that was sent after so many local reads."""
        self._recorded_reads = max(self._recorded_reads, reads)
        self._calls = self._bytes = 0
        self._since = workflow.now()


def _activity_error(
    method: Method, route: Route, number: int, error: FailureError
) -> ActivityError:
    """What an ordinary activity would have failed with; a local one fails with the bare cause."""
    if isinstance(error, ActivityError):
        return error
    around = ActivityError(
        "local activity failed",
        scheduled_event_id=0,
        started_event_id=0,
        identity="",
        activity_type=method.activity,
        activity_id=call_id(route.activity, number),
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    around.__cause__ = error
    return around
