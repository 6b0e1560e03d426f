"""The payloads of a durable call: its arguments as they travel, and what comes back."""

from typing import Any

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from euryale.errors import PayloadTooLarge
from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.services.method import Method
from euryale.services.quick_json import QuickJson


class CallFailed(ApplicationError):
    """A durable call that failed for good: its last error, under its own type and message.

    It is a Temporal failure, so a handler may let it pass, and the run fails with the original
    exception's type and message. The activity's error, with its attempts, is the cause where the
    activity carried no other call.

    Attributes:
        call: The call's name, such as `product.update`.
    """

    def __init__(self, call: str, message: str, *, type: str | None) -> None:  # noqa: A002 -- Temporal's name
        super().__init__(message, type=type, non_retryable=True)
        self.call = call


def encode(quick: QuickJson, method: Method, arguments: dict[str, Any]) -> Payload:
    """Write the arguments as they will travel, and check that the method takes what arrives.

    Args:
        quick: The run's payload converter.
        method: The method.
        arguments: Its arguments by name.

    Raises:
        ArgumentsInvalid: They don't fit the method's parameters.
        PayloadTooLarge: They are more than Temporal carries.
    """
    try:
        payload = quick.to_payload(arguments)
        quick.from_payload(payload, method.arguments_type)
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


def call_failed(method: Method, error: ActivityError) -> CallFailed:
    """The failure of a call whose activity failed."""
    cause = error.cause
    if isinstance(cause, ApplicationError):
        return CallFailed(method.activity, cause.message, type=cause.type)
    reason = cause.message if isinstance(cause, FailureError) else str(cause or error)
    return CallFailed(
        method.activity,
        f"{method.activity} failed: {reason} (one attempt may take {method.mark.timeout})",
        type=type(cause or error).__name__,
    )
