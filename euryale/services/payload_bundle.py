"""Many payloads in one, which Temporal's Web UI still shows as a list.

The bundle's data is a JSON array of what the payloads say. Its metadata holds theirs, and how long
each one's part of the array is, so that each comes out as it went in, whatever its encoding.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload, Payloads

METADATA_KEY = "euryale-bundle"

_ENCODING = "encoding"
_PLAIN = b"json/plain"
_JSON = (_PLAIN, b"json/protobuf")
_NULL = b"binary/null"


def pack(payloads: Sequence[Payload]) -> Payload:
    """One payload that carries all of these.

    Example:
        >>> one = Payload(metadata={"encoding": b"json/plain"}, data=b'{"id":"prod_1"}')
        >>> none = Payload(metadata={"encoding": b"binary/null"})
        >>> bundle = pack([one, none])
        >>> bundle.data, unpack(bundle) == (one, none)
        (b'[{"id":"prod_1"},null]', True)
    """
    parts = [_shown(payload) for payload in payloads]
    index = Payloads(
        payloads=[
            Payload(data=b"%d" % len(part))
            if _is_plain(payload)
            else Payload(metadata=payload.metadata, data=b"%d" % len(part))
            for payload, part in zip(payloads, parts, strict=True)
        ]
    )
    return Payload(
        metadata={_ENCODING: _PLAIN, METADATA_KEY: index.SerializeToString()},
        data=b"[" + b",".join(parts) + b"]",
    )


def is_bundle(payload: Payload) -> bool:
    """Whether a payload carries others."""
    return METADATA_KEY in payload.metadata


def unpack(bundle: Payload) -> tuple[Payload, ...]:
    """The payloads that a bundle carries; a payload that is none is its own only one."""
    data = bundle.metadata.get(METADATA_KEY)
    if data is None:
        return (bundle,)
    found: list[Payload] = []
    text = bundle.data
    begin = 1
    for entry in Payloads.FromString(data).payloads:
        end = begin + int(entry.data)
        part = text[begin:end]
        if entry.metadata:
            entry.data = _meant(entry, part)
        else:
            entry.data = part
            entry.metadata[_ENCODING] = _PLAIN
        found.append(entry)
        begin = end + 1
    return tuple(found)


def _is_plain(payload: Payload) -> bool:
    """Whether it says nothing of itself but that it is JSON, as nearly all do."""
    return len(payload.metadata) == 1 and payload.metadata.get(_ENCODING) == _PLAIN


def _shown(payload: Payload) -> bytes:
    encoding = payload.metadata.get(_ENCODING)
    if encoding in _JSON:
        return payload.data
    return b"null" if encoding == _NULL else b'"' + b64encode(payload.data) + b'"'


def _meant(entry: Payload, part: bytes) -> bytes:
    encoding = entry.metadata.get(_ENCODING)
    if encoding in _JSON:
        return part
    return b"" if encoding == _NULL else b64decode(part[1:-1])
