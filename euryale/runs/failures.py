"""Failures that Temporal can carry.

A failure over 2 MiB, its causes included, can't be reported: the server would have the workflow
task or the activity repeated for ever. So messages and details are cut before they leave.
"""

from typing import TypeVar

from temporalio.exceptions import ApplicationError, FailureError

E = TypeVar("E", bound=BaseException)

MESSAGE_LENGTH = 10_000
"""Characters of one message."""

UNDO_TOO_LARGE = "undo too large"
"""The detail of a failure that should have carried more for a compensation than it can."""

_DETAILS_LENGTH = 100_000
_UNDO_LENGTH = 1_000_000
_DEPTH = 10


def cut(message: str) -> str:
    """The message, or its beginning.

    Example:
        >>> len(cut("x" * 3_000_000))
        10001
    """
    return message if len(message) <= MESSAGE_LENGTH else message[:MESSAGE_LENGTH] + "…"


def innermost(error: BaseException) -> BaseException:
    """What failed first: activities, child workflows, sagas and groups stand around it."""
    while True:
        if isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        elif isinstance(error, FailureError) and error.cause is not None:
            error = error.cause
        else:
            return error


def told(error: BaseException) -> str:
    """The innermost message, which is the one that says what happened."""
    first = innermost(error)
    text = first.message if isinstance(first, FailureError) else str(first)
    return cut(text or type(first).__name__)


def bounded(error: E, depth: int = 0) -> E | ApplicationError:
    """The error itself, or one of the same type name and meaning that is small enough.

    Args:
        error: What is to be reported, with the causes that it bears.
        depth: How many errors it is the cause of.
    """
    cause = error.__cause__
    if cause is not None:
        error.__cause__ = bounded(cause, depth + 1) if depth < _DEPTH else None
    smaller = _smaller(error)
    if smaller is None:
        return error
    smaller.__cause__ = error.__cause__
    return smaller.with_traceback(error.__traceback__)


def _smaller(error: BaseException) -> ApplicationError | None:
    if isinstance(error, ApplicationError):
        details = error.details
        of_undo = len(details) == 1 and isinstance(details[0], dict) and "undo" in details[0]
        too_many = len(repr(details)) > (_UNDO_LENGTH if of_undo else _DETAILS_LENGTH)
        if len(error.message) <= MESSAGE_LENGTH and not too_many:
            return None
        return ApplicationError(
            cut(error.message),
            *((UNDO_TOO_LARGE,) if too_many and of_undo else () if too_many else details),
            type=error.type,
            non_retryable=error.non_retryable,
            next_retry_delay=error.next_retry_delay,
        )
    if len(str(error)) <= MESSAGE_LENGTH:
        return None
    return ApplicationError(cut(str(error)), type=type(error).__name__)
