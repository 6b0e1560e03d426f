"""Steps: native Temporal activities that know the activity that takes them back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypedDict, TypeVar, Unpack, overload

from temporalio import activity
from temporalio.exceptions import ApplicationError

from euryale.config import Retry

Activities = TypeVar("Activities")
Input = TypeVar("Input")
Output = TypeVar("Output")
Undo = TypeVar("Undo")

_MARK = "__euryale_step__"

STEP_TIMEOUT = timedelta(minutes=10)
"""How long one attempt of a step or a compensation may take, where its declaration doesn't say."""

STEP_RETRY = Retry()
"""How steps and compensations are tried again, where the declaration doesn't say."""

UNDO_PREFIX = "undo:"
"""What the ids of activities begin with that take another one back; the rest is that one's id."""

PERMANENT_FAILURE = "PermanentFailure"
CHANGED_SINCE = "ChangedSince"


@dataclass(frozen=True, slots=True)
class StepResponse(Generic[Output, Undo]):
    """What a step returns: its output, and what its compensation needs to take it back.

    Attributes:
        output: What the workflow gets.
        undo: What the compensation gets.
    """

    output: Output
    undo: Undo


@dataclass(frozen=True, slots=True)
class Unfinished(Generic[Input]):
    """A step that failed, timed out or was cut off: nobody knows how far it came.

    Attributes:
        input: What the step was given.
        idempotency_key: The key that `idempotency_key()` gave to each of its attempts.
    """

    input: Input
    idempotency_key: str


class PermanentFailure(ApplicationError):
    """Raised by a step that won't succeed however often it is tried; it knows what it left behind.

    Example:
        >>> raise PermanentFailure("the bank refused the second half", undo=["transfer_1"])
        Traceback (most recent call last):
        ...
        euryale.sagas.step.PermanentFailure: PermanentFailure: the bank refused the second half
    """

    def __init__(self, message: str, *, undo: Any = None, type: str | None = None) -> None:  # noqa: A002 -- Temporal's name
        """Make it.

        Args:
            message: What failed.
            undo: What the step's compensation gets, to take back the part that was done; None where
                nothing was.
            type: The failure's type, for those who look for it; by default `PermanentFailure`.
        """
        super().__init__(
            message, {"undo": undo}, type=type or PERMANENT_FAILURE, non_retryable=True
        )


class ChangedSince(ApplicationError):
    """Raised by a compensation that finds what it would restore changed by somebody since.

    Nothing is overwritten then, and nothing tried again: the report tells it. A compensation that
    can restore a part does so first, and raises this for the rest.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, type=CHANGED_SINCE, non_retryable=True)


Step = Callable[[Activities, Input], Awaitable[StepResponse[Output, Undo]]]
Compensation = Callable[[Activities, Undo], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StepMark:
    """What a step says of itself at its declaration; see `step`."""

    name: str
    compensation: Callable[..., Awaitable[None]] | None
    unfinished: Callable[[Unfinished[Any]], Any] | None
    preview: Callable[..., Awaitable[Any]] | None
    timeout: timedelta = STEP_TIMEOUT
    retry: Retry = STEP_RETRY
    compensation_retry: Retry = STEP_RETRY
    words: str = ""


class StepOptions(TypedDict, total=False):
    """What a step may say beside its activities; see `step`."""

    timeout: timedelta
    retry: Retry
    compensation_retry: Retry
    words: str


# One signature for each choice: a type checker would take an option that isn't given for one that
# fits no step.
@overload
def step(
    name: str, *, compensation: None, **options: Unpack[StepOptions]
) -> Callable[[Step[Activities, Input, Output, None]], Step[Activities, Input, Output, None]]: ...
@overload
def step(
    name: str,
    *,
    compensation: None,
    preview: Callable[[Activities, Input], Awaitable[Output]],
    **options: Unpack[StepOptions],
) -> Callable[[Step[Activities, Input, Output, None]], Step[Activities, Input, Output, None]]: ...
@overload
def step(
    name: str, *, compensation: Compensation[Activities, Undo], **options: Unpack[StepOptions]
) -> Callable[[Step[Activities, Input, Output, Undo]], Step[Activities, Input, Output, Undo]]: ...
@overload
def step(
    name: str,
    *,
    compensation: Compensation[Activities, Undo],
    unfinished: Callable[[Unfinished[Input]], Undo],
    **options: Unpack[StepOptions],
) -> Callable[[Step[Activities, Input, Output, Undo]], Step[Activities, Input, Output, Undo]]: ...
@overload
def step(
    name: str,
    *,
    compensation: Compensation[Activities, Undo],
    preview: Callable[[Activities, Input], Awaitable[Output]],
    **options: Unpack[StepOptions],
) -> Callable[[Step[Activities, Input, Output, Undo]], Step[Activities, Input, Output, Undo]]: ...
@overload
def step(
    name: str,
    *,
    compensation: Compensation[Activities, Undo],
    unfinished: Callable[[Unfinished[Input]], Undo],
    preview: Callable[[Activities, Input], Awaitable[Output]],
    **options: Unpack[StepOptions],
) -> Callable[[Step[Activities, Input, Output, Undo]], Step[Activities, Input, Output, Undo]]: ...
def step(
    name: str,
    *,
    compensation: Any,
    unfinished: Any = None,
    preview: Any = None,
    **options: Unpack[StepOptions],
) -> Any:
    """Make a method a Temporal activity that knows the activity that takes it back.

    The method takes one input and returns a `StepResponse`. It stays a native activity, which any
    Temporal client may call by its name.

    Args:
        name: The activity's name.
        compensation: An activity of the same class that takes the response's `undo`; None for a
            step that can't be taken back.
        unfinished: What the compensation gets where the step failed without saying what it left
            behind: a pure function of the step's input and idempotency key. Without it a step that
            raises is taken at its word, that it left nothing; one that timed out is reported.
        preview: An activity of the same class that takes the step's input, changes nothing and
            returns the output that the step would have, for rehearsals.
        options: `timeout`, how long one attempt of the step or of its compensation may take;
            `retry`, how it is tried again; `compensation_retry`, how its compensation is; and
            `words`, what a rehearsal says it would do, with `{}` for the number of things, such
            as `delete {} carts`.

    Example:
        >>> class CartActivities:
        ...     @activity.defn(name="cart.restore")
        ...     async def restore(self, cart_ids: list[str]) -> None: ...
        ...
        ...     @step("cart.delete", compensation=restore)
        ...     async def delete(self, cart_ids: list[str]) -> StepResponse[int, list[str]]:
        ...         return StepResponse(output=len(cart_ids), undo=cart_ids)
        >>> step_mark(CartActivities.delete).compensation is CartActivities.restore
        True
    """

    def apply(method: Any) -> Any:
        mark = StepMark(
            name=name,
            compensation=compensation,
            unfinished=unfinished,
            preview=preview,
            **options,
        )
        setattr(method, _MARK, mark)
        return activity.defn(name=name)(method)

    return apply


def undo_id(activity_id: str) -> str:
    """The id of the activity that takes another one of the same run back."""
    return f"{UNDO_PREFIX}{activity_id}"


def step_mark(method: Callable[..., Any]) -> StepMark | None:
    """What a step says of itself; None for an activity that is no step."""
    found: StepMark | None = getattr(method, _MARK, None)
    return found


def activity_name(method: Callable[..., Any]) -> str:
    """The name of a native activity."""
    definition = getattr(method, "__temporal_activity_definition")
    name: str = definition.name
    return name
