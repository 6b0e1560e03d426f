"""What a service's methods are: a read or a mutation.

The marks say it where the method is declared; whoever turns methods into activities reads them
back with `method_mark`. An unmarked method counts as a mutation, the careful guess.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, ParamSpec, TypeVar, overload

P = ParamSpec("P")
R = TypeVar("R")

_MARK = "__euryale_mark__"

DEFAULT_TIMEOUT = timedelta(minutes=10)
"""How long one attempt of a call may take, where its method doesn't say."""


@dataclass(frozen=True, slots=True)
class MethodMark:
    """What a method says of itself.

    Attributes:
        kind: `"read"` changes nothing and may be repeated at will; `"mutation"` changes something.
        undo: The name of the method of the same service that takes a mutation back. Its parameters
            are filled in by their names: with the call's arguments, with `result` (what the call
            returned), `undo` (what it recorded by `record_undo`) and `idempotency_key` (the
            call's). One that needs neither `result` nor `undo` also takes back a call that was cut
            off, of which nobody knows how far it came.
        preview: The name of a read of the same service, with the same parameters, that returns what
            a mutation would return; for rehearsals.
        words: What a rehearsal says that a mutation would do, with `{}` for the number of calls.
        bulk: The name of a method of the same service that carries out many calls at once. It takes
            `calls`, a sequence of `BulkCall`, and returns for each what the call returns, or the
            exception with which that one fails. What it raises itself means that nothing was done.
        idempotent: Whether a mutation may be repeated under its old key without harm, also after it
            returned. Made one after the other, such calls are quicker, and those since the last
            checkpoint are made again when a worker is killed.
        timeout: How long one attempt may take before it is given up and tried again.
    """

    kind: Literal["read", "mutation"] = "mutation"
    undo: str | None = None
    preview: str | None = None
    words: str = ""
    bulk: str | None = None
    idempotent: bool = False
    timeout: timedelta = DEFAULT_TIMEOUT


@overload
def read(method: Callable[P, Awaitable[R]], /) -> Callable[P, Awaitable[R]]: ...
@overload
def read(
    *, bulk: str | None = None, timeout: timedelta = ...
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]: ...
def read(
    method: Any = None, /, *, bulk: str | None = None, timeout: timedelta = DEFAULT_TIMEOUT
) -> Any:
    """Mark a service's method as a read: it changes nothing.

    See `MethodMark` for what `bulk` means.

    Example:
        >>> class Greeter:
        ...     @read
        ...     async def greet(self, name: str) -> str:
        ...         return f"hello {name}"
        >>> method_mark(Greeter.greet).kind
        'read'
    """
    return _mark(MethodMark(kind="read", bulk=bulk, timeout=timeout), method)


@overload
def mutation(method: Callable[P, Awaitable[R]], /) -> Callable[P, Awaitable[R]]: ...
@overload
def mutation(
    *,
    undo: str | None = None,
    preview: str | None = None,
    words: str = "",
    bulk: str | None = None,
    idempotent: bool = False,
    timeout: timedelta = ...,
) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]: ...
def mutation(
    method: Any = None,
    /,
    *,
    undo: str | None = None,
    preview: str | None = None,
    words: str = "",
    bulk: str | None = None,
    idempotent: bool = False,
    timeout: timedelta = DEFAULT_TIMEOUT,
) -> Any:
    """Mark a service's method as a mutation, and name the method that takes it back.

    See `MethodMark` for what the options mean.

    Example:
        >>> class Carts:
        ...     @mutation(undo="restore")
        ...     async def delete(self, cart_id: str) -> None: ...
        ...     async def restore(self, cart_id: str) -> None: ...
        >>> method_mark(Carts.delete).undo
        'restore'
    """
    mark = MethodMark(
        "mutation",
        undo=undo,
        preview=preview,
        words=words,
        bulk=bulk,
        idempotent=idempotent,
        timeout=timeout,
    )
    return _mark(mark, method)


def _mark(mark: MethodMark, method: Any) -> Any:
    def apply(function: Any) -> Any:
        setattr(function, _MARK, mark)
        return function

    return apply if method is None else apply(method)


def declared_mark(method: Callable[..., Any]) -> MethodMark | None:
    """The mark that a method or an activity bears; None where it bears none."""
    mark = getattr(method, _MARK, None)
    return mark if isinstance(mark, MethodMark) else None


def method_mark(method: Callable[..., Any]) -> MethodMark:
    """The mark of a method; a mutation without undo where it bears none."""
    return declared_mark(method) or MethodMark()
