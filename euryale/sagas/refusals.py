"""What a saga refuses, as failures that end the run.

An error of the engine's would only fail the workflow task of a native workflow, for ever.
"""

from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.sagas.step import StepMark, step_mark


def mark_of_step(method: Callable[..., Any]) -> StepMark:
    """What a method says of itself as a step; a failure where it is none."""
    mark = step_mark(method)
    if mark is None:
        raise invalid(
            f"{getattr(method, '__qualname__', repr(method))} is no step: decorate it with "
            "@step(name, compensation=…), or call it with workflow.execute_activity_method"
        )
    return mark


def refuse_if_too_large(name: str, *given: Any) -> None:
    """Refuse what Temporal can't carry: the task would be repeated for ever."""
    convert = workflow.payload_converter().to_payload
    size = sum(convert(each).ByteSize() for each in given)
    if size > PAYLOAD_LIMIT:
        raise ApplicationError(
            f"the input of {name} has {size:,} bytes; Temporal carries {PAYLOAD_LIMIT:,} at the "
            "most",
            type="PayloadTooLarge",
            non_retryable=True,
        )


def invalid(message: str) -> ApplicationError:
    """The failure of a saga that is used as none can be."""
    return ApplicationError(message, type="StepInvalid", non_retryable=True)
