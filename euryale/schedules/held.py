"""What Temporal holds of an application: all its schedules from one list.

The list lags behind what was written by some seconds up to half a minute; a schedule's own
description doesn't.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.schedule.v1 import ScheduleSpec as Spec
from temporalio.api.workflowservice.v1 import ListSchedulesRequest
from temporalio.client import Client

from euryale.schedules.mark import Mark, mark_of, spec_digest

_PAGE = 1000
"""Schedules a page: the most that a server gives."""


@dataclass(frozen=True, slots=True)
class HeldSchedule:
    """A schedule of the application, as a list of schedules shows it.

    Attributes:
        id: Its id, `<app>/<job>`.
        name: The job's name, which is the id without the application's.
        mark: What an apply made it from; None if somebody else made it or its spec.
        workflow: The workflow type that it starts.
        paused: Whether it is paused.
        note: What operators wrote about it.
        next: The next times at which it starts a run, five at the most.
        recent: The nominal times and workflow ids of the last runs that it started, five at most.
        spec: When it fires, as Temporal writes it.
    """

    id: str
    name: str
    mark: Mark | None
    workflow: str
    paused: bool
    note: str
    next: tuple[datetime, ...]
    recent: tuple[tuple[datetime, str], ...]
    spec: Spec

    @property
    def changed_by_hand(self) -> bool:
        """Whether its times or what it starts are no longer what the last apply made them."""
        # What the engine's own schedules start bears another name than they do.
        named = self.name.startswith(".") or self.workflow == self.name
        return self.mark is None or not named or self.mark.spec != spec_digest(self.spec)


async def held_schedules(client: Client, app: str) -> Mapping[str, HeldSchedule]:
    """The application's schedules by their jobs' names; those of others aren't read.

    Args:
        client: A connected client.
        app: The application's name.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    quoted = app.replace("\\", "\\\\").replace('"', '\\"')
    held: dict[str, HeldSchedule] = {}
    token = b""
    while True:
        page = await client.workflow_service.list_schedules(
            ListSchedulesRequest(
                namespace=client.namespace,
                query=f'ScheduleId STARTS_WITH "{quoted}/"',
                maximum_page_size=_PAGE,
                next_page_token=token,
            ),
            retry=True,
        )
        for entry in page.schedules:
            # Where visibility is in SQLite or MySQL, the query finds those of "Shop" for "shop".
            if entry.schedule_id.startswith(f"{app}/"):
                name = entry.schedule_id.removeprefix(f"{app}/")
                held[name] = _held(entry.schedule_id, name, entry.info)
        token = page.next_page_token
        if not token:
            return held


def _held(schedule_id: str, name: str, info: Any) -> HeldSchedule:
    return HeldSchedule(
        id=schedule_id,
        name=name,
        mark=mark_of(info.spec),
        workflow=info.workflow_type.name,
        paused=info.paused,
        note=info.notes,
        next=tuple(_time(each) for each in info.future_action_times),
        recent=tuple(
            (_time(each.schedule_time), each.start_workflow_result.workflow_id)
            for each in info.recent_actions
        ),
        spec=info.spec,
    )


def _time(stamp: Any) -> datetime:
    moment: datetime = stamp.ToDatetime(tzinfo=UTC)
    return moment
