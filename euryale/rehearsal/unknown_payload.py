"""How unknown values travel between the workflows of a rehearsal: not at all.

Workflows, and the durable services in them, write what they hand on into payloads and read it back.
No payload can say "nobody knows", so one that should hold such a value holds a number instead, by
which the value itself is found again in this process, where the whole rehearsal runs.
"""

from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    EncodingPayloadConverter,
    PayloadConverter,
)

from euryale.rehearsal.unknown import unknowns_in

ENCODING = "euryale/unknown"


def rehearsal_converter() -> type[PayloadConverter]:
    """The class of a rehearsal's payload converters: pydantic's, and values of which nobody knows.

    Example:
        >>> from euryale.rehearsal.unknown import Unknown
        >>> converter = rehearsal_converter()()
        >>> payload = converter.to_payload({"id": Unknown("cart.create.id", print)})
        >>> converter.from_payload(payload, dict[str, str])
        {'id': <unknown: cart.create.id>}
    """
    held: list[Any] = []

    class Unknowns(EncodingPayloadConverter):
        @property
        def encoding(self) -> str:
            return ENCODING

        def to_payload(self, value: Any) -> Payload | None:
            if next(unknowns_in(value), None) is None:
                return None
            held.append(value)
            return Payload(
                metadata={"encoding": ENCODING.encode()}, data=str(len(held) - 1).encode()
            )

        def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:  # noqa: ARG002 -- what isn't known has no type
            return held[int(payload.data)]

    class Converter(CompositePayloadConverter):
        def __init__(self) -> None:
            super().__init__(Unknowns(), *PydanticPayloadConverter().converters.values())

    return Converter


def is_unknown(payload: Payload) -> bool:
    """Whether a payload stands for a value with something unknown in it."""
    return payload.metadata.get("encoding") == ENCODING.encode()
