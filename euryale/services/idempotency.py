"""The key by which a repeated call is known to be the same call, and how often it was attempted."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from temporalio import activity


@dataclass(frozen=True, slots=True)
class CurrentCall:
    """The call that a service is carrying out.

    Attributes:
        key: Its idempotency key.
        attempt: Which attempt it is, from 1.
    """

    key: str
    attempt: int


_current: ContextVar[CurrentCall | None] = ContextVar("euryale_current_call", default=None)


@contextmanager
def carrying_out(call: CurrentCall) -> Iterator[None]:
    """Let the code of the block be that of a call, of those that one activity carries."""
    token = _current.set(call)
    try:
        yield
    finally:
        _current.reset(token)


def idempotency_key() -> str:
    """The key of the call that a service is carrying out: the same over all its attempts.

    A service passes it on to whatever applies a change once per key: an HTTP API's
    `Idempotency-Key` header, or a unique column. It is made of the workflow id, the run id and
    the call's id.

    Raises:
        RuntimeError: No durable call is being carried out.
    """
    return _current_call().key


def call_attempt() -> int:
    """Which attempt of the call a service is carrying out, from 1.

    A service that keeps what it did under the idempotency key needs to look for it from the second
    attempt on. Several calls can share one activity, and a call can move to another one, so
    Temporal's own count of attempts doesn't tell it.

    Raises:
        RuntimeError: No durable call is being carried out.
    """
    return _current_call().attempt


def _current_call() -> CurrentCall:
    current = _current.get()
    if current is not None:
        return current
    info = activity.info()
    key = key_of(info.workflow_id or "", info.workflow_run_id or "", info.activity_id)
    return CurrentCall(key, info.attempt)


def key_of(workflow_id: str, run_id: str, call_id: str) -> str:
    """The key of a call.

    Example:
        >>> key_of("shop/nightly", "0b1c", "product.update/7")
        'shop/nightly/0b1c/product.update/7'
    """
    return f"{workflow_id}/{run_id}/{call_id}"
