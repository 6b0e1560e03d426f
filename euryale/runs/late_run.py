"""What a run that started late decided to be for, as its history tells."""

import json
from collections.abc import Iterable
from datetime import datetime

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from euryale.runs.lateness import ACTIVITY, TurnTaken
from euryale.time.catch_up import Turn

_LOCAL_ACTIVITY = "core_local_activity"
"""The name of the markers that the SDK records for local activities."""


async def turn_taken(client: Client, history: Iterable[HistoryEvent]) -> Turn | None:
    """What a run decided by `lateness`; None if it had nothing to decide.

    Args:
        client: The client whose data converter reads what the run's worker wrote.
        history: The events of the run's history, of which the first ones tell.
    """
    for event in history:
        marker = event.marker_recorded_event_attributes
        if marker.marker_name != _LOCAL_ACTIVITY:
            continue
        told = json.loads(marker.details["data"].payloads[0].data or b"{}")
        if told.get("activity_type") == ACTIVITY and "result" in marker.details:
            payloads = list(marker.details["result"].payloads)
            (taken,) = await client.data_converter.decode(payloads, [TurnTaken])
            return Turn(datetime.fromisoformat(taken.fired_at), taken.superseded)
    return None
