"""Writing and reading the payloads of calls quickly, where only pydantic's JSON is asked for.

A payload converter tries several encodings for each value and looks for converters of its type:
five times the work of the JSON itself, which counts where a run makes thousands of calls at once.
What comes out is the same.
"""

from functools import lru_cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import PayloadConverter

JSON = b"json/plain"

_PLAIN = (dict, list, str, int, float, bool)


class QuickJson:
    """A payload converter for the arguments and results of calls.

    Args:
        converter: The converter that it stands for. Where that is not just pydantic's, it is used
            for everything.
    """

    def __init__(self, converter: PayloadConverter) -> None:
        self._converter = converter
        # The SDK wraps each converter in one of its own, under a private name.
        inner = getattr(converter, "_inner_payload_converter", converter)
        self._quick = type(inner) is PydanticPayloadConverter

    def to_payload(self, value: Any) -> Payload:
        """The payload of a value."""
        if self._quick and (type(value) in _PLAIN or isinstance(value, BaseModel)):
            payload = Payload(data=to_json(value))
            # One item set is far quicker than a dict handed over.
            payload.metadata["encoding"] = JSON
            return payload
        return self._converter.to_payload(value)

    def from_payload(self, payload: Payload, hint: Any = None) -> Any:
        """The value of a payload, as the type that is asked for."""
        # An annotation that is no class needn't be hashable.
        quick = self._quick and isinstance(hint, type) and payload.metadata.get("encoding") == JSON
        adapter = _adapter(hint) if quick else None
        if adapter is not None:
            return adapter.validate_json(payload.data)
        return self._converter.from_payload(payload, hint)


@lru_cache(maxsize=1024)
def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    """What reads a class; None for one that might have a converter of its own."""
    return TypeAdapter(hint) if issubclass(hint, (BaseModel, *_PLAIN)) else None
