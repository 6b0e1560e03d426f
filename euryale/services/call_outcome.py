"""How each call ended that an activity carried together with others, as it travels back.

A result travels as it would alone. Any other end is a payload with a mark in its metadata.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError

from euryale.services.payload_bundle import pack

End = Literal["done", "failed", "again", "untouched"]
"""How a call ended: it returned; it failed for good; it failed and is to be tried again; or nobody
began it, since its activity was cancelled or had been at work for long enough."""

_END_KEY = "euryale-end"
_COUNTS_KEY = "euryale-ends"
_SECONDS_KEY = "euryale-seconds"
_ATTEMPT_KEY = "euryale-attempt"

_MESSAGE_LENGTH = 1_000
"""Characters of a call's message: hundreds of them travel in one reply."""


class FailedCall(BaseModel):
    """What a call failed with.

    Attributes:
        type: The type of the exception.
        message: Its message.
    """

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> "FailedCall":
        """What an exception says."""
        kind, message = type(error).__name__, str(error)
        if isinstance(error, ApplicationError):
            kind, message = error.type or kind, error.message
        if len(message) > _MESSAGE_LENGTH:
            message = message[:_MESSAGE_LENGTH] + "…"
        return cls(type=kind, message=message)


def failure(end: End, failed: FailedCall) -> Payload:
    """The payload of a call that failed."""
    return Payload(
        metadata={"encoding": b"json/plain", _END_KEY: end.encode()},
        data=failed.model_dump_json().encode(),
    )


def untouched() -> Payload:
    """The payload of a call that nobody began."""
    return Payload(metadata={"encoding": b"binary/null", _END_KEY: b"untouched"})


def end_of(payload: Payload) -> End:
    """How the call ended whose payload this is."""
    mark = payload.metadata.get(_END_KEY)
    end: End = "done" if mark is None else mark.decode()  # type: ignore[assignment] # written above
    return end


def failed_call(payload: Payload) -> FailedCall:
    """What the payload of a call that failed says."""
    return FailedCall.model_validate_json(payload.data)


def reply(payloads: Sequence[Payload], took: timedelta, attempt: int = 1) -> Payload:
    """What an activity returns for all the calls that it carried.

    Args:
        payloads: How each ended, in the order of the calls.
        took: How long the calls took that were begun.
        attempt: Which attempt of the activity it was.
    """
    bundle = pack(payloads)
    begun = sum(end_of(payload) != "untouched" for payload in payloads)
    failed = sum(end_of(payload) == "failed" for payload in payloads)
    again = sum(end_of(payload) == "again" for payload in payloads)
    # Readable without unpacking; where payloads are encrypted, nobody reads it.
    bundle.metadata[_COUNTS_KEY] = f"{begun - failed - again},{failed}".encode()
    bundle.metadata[_SECONDS_KEY] = f"{took.total_seconds() / max(begun, 1):.6f}".encode()
    if attempt > 1:
        bundle.metadata[_ATTEMPT_KEY] = b"%d" % attempt
    return bundle


def beat_of(told: Payload) -> bytes:
    """A reply of an attempt that goes on, as its heartbeats carry it."""
    return told.SerializeToString()


def told_by(beat: Any) -> Payload | None:
    """The reply that a heartbeat carries; None where it is no such heartbeat."""
    return Payload.FromString(beat) if isinstance(beat, bytes) else None


def attempt_told(bundle: Payload) -> int:
    """Which attempt of its activity a reply is of, from 1."""
    return int(bundle.metadata.get(_ATTEMPT_KEY, b"1"))


def seconds_each(bundle: Payload) -> float:
    """How long a call took on average, of those that a reply tells of."""
    return float(bundle.metadata.get(_SECONDS_KEY, b"0"))


def ends_told(bundle: Payload) -> tuple[int, int] | None:
    """How many calls returned and how many failed; None where it can't be read."""
    counts = bundle.metadata.get(_COUNTS_KEY)
    if counts is None:
        return None
    done, failed = counts.decode().split(",")
    return int(done), int(failed)
