"""What a history says of a local activity: a marker that Temporal's SDK writes."""

import json
from dataclasses import dataclass

from temporalio.api.history.v1 import MarkerRecordedEventAttributes

_MARKER = "core_local_activity"
_ENGINE_PREFIX = "euryale."


@dataclass(frozen=True, slots=True)
class LocalRecord:
    """A local activity that has ended.

    Attributes:
        name: The activity's name.
        id: Its id.
        failed: Whether it failed.
        for_good: Whether it failed in a way that no further attempt mends.
    """

    name: str
    id: str
    failed: bool
    for_good: bool


def local_record(marker: MarkerRecordedEventAttributes) -> LocalRecord | None:
    """The local activity that a marker is of; None for the engine's own and for other markers."""
    if marker.marker_name != _MARKER:
        return None
    told = json.loads(marker.details["data"].payloads[0].data)
    if str(told["activity_type"]).startswith(_ENGINE_PREFIX):
        return None
    return LocalRecord(
        name=str(told["activity_type"]),
        id=str(told["activity_id"]),
        failed=marker.HasField("failure"),
        for_good=marker.failure.application_failure_info.non_retryable,
    )
