"""What a mutation of a service leaves for its undo, beside what it returns.

It travels in the metadata of the result's payload: the result stays what the method returns, and a
method may begin to record something while runs are under way that called it before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from temporalio.api.common.v1 import Payload

from euryale.services.quick_json import QuickJson

METADATA_KEY = "euryale-undo"

_GIVEN_KEY = "euryale-given"


class _Record:
    value: Any = None


_record: ContextVar[_Record] = ContextVar("euryale_undo_record")


def record_undo(value: Any) -> None:
    """Leave something for the undo of the mutation that is being carried out.

    The undo gets it as its parameter `undo`. What counts is what was recorded last; call it in the
    transaction of the change, so that nothing is recorded that didn't happen. Outside a durable
    call it does nothing, so that a service can be used by itself.

    Args:
        value: Anything that the undo's annotation of `undo` can be read from.
    """
    record = _record.get(None)
    if record is not None:
        record.value = value


@contextmanager
def recording() -> Iterator[_Record]:
    """Collect what `record_undo` is given inside the block."""
    record = _Record()
    token = _record.set(record)
    try:
        yield record
    finally:
        _record.reset(token)


def with_undo(payload: Payload, value: Any, converter: QuickJson) -> Payload:
    """The payload of a result, with what was recorded; unchanged where nothing was."""
    if value is not None:
        payload.metadata[METADATA_KEY] = converter.to_payload(value).SerializeToString()
    return payload


def undo_of(payload: Payload) -> Payload | None:
    """What a result's payload carries for the undo."""
    data = payload.metadata.get(METADATA_KEY)
    return None if data is None else Payload.FromString(data)


def with_given(payload: Payload, given: Payload) -> Payload:
    """The payload of a result, with the arguments of its call."""
    payload.metadata[_GIVEN_KEY] = given.SerializeToString()
    return payload


def given_of(payload: Payload) -> Payload | None:
    """The arguments of the call that a result's payload carries; None where it carries none."""
    data = payload.metadata.get(_GIVEN_KEY)
    return None if data is None else Payload.FromString(data)
