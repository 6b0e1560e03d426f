"""The mark that an apply leaves on each schedule, where a single list of schedules shows it.

Temporal's list tells nothing of a schedule's action, and a schedule's memo can't be changed. What
it does show, and what every apply writes anew, is the spec: so the mark is a calendar to skip, for
a year in which no schedule fires, whose comment says what the apply made the schedule from.
Whoever replaces the spec by hand removes the mark with it, and that is seen too.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from temporalio.api.schedule.v1 import Range
from temporalio.api.schedule.v1 import ScheduleSpec as Spec
from temporalio.client import ScheduleCalendarSpec, ScheduleRange

_SHOWN = 10
"""Calendars of a kind that a list of schedules shows."""

_YEAR = 2000
"""The first year that Temporal's calendars know, and one that no schedule has before it."""

_TEXT = re.compile(
    r"euryale hash=(?P<hash>[0-9a-f]+) spec=(?P<spec>[0-9a-f]*) sequence=(?P<sequence>[0-9]+)"
    r"(?: executions=(?P<executions>[0-9]+))?(?: horizon=(?P<horizon>[0-9]+))?"
    r" release=(?P<release>\S+)"
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What an apply made a schedule from.

    Attributes:
        hash: That of the desired schedule; see `DesiredSchedule`.
        sequence: The place of the release among those that were applied.
        release: The release that changed the schedule last.
        executions: How many scheduled runs the job was granted in all; None without a limit.
        horizon: When the calendars end, in a zone whose clocks are changed; None if they don't.
        spec: The digest of the rest of the spec, as a list shows it.
    """

    hash: str
    sequence: int
    release: str
    executions: int | None = None
    horizon: datetime | None = None
    spec: str = ""

    def calendar(self) -> ScheduleCalendarSpec:
        """The calendar to skip that bears the mark; it has to be the first one."""
        return ScheduleCalendarSpec(year=(ScheduleRange(_YEAR),), comment=str(self))

    def __str__(self) -> str:
        """The comment, at most 200 characters as Temporal wants it."""
        executions = "" if self.executions is None else f" executions={self.executions}"
        horizon = "" if self.horizon is None else f" horizon={int(self.horizon.timestamp())}"
        return (
            f"euryale hash={self.hash} spec={self.spec} sequence={self.sequence}{executions}"
            f"{horizon} release={self.release}"
        )


def mark_of(spec: Spec) -> Mark | None:
    """The mark on a schedule; None if no apply made its spec."""
    for calendar in spec.exclude_structured_calendar[:_SHOWN]:
        if match := _TEXT.fullmatch(calendar.comment):
            executions, horizon = match["executions"], match["horizon"]
            return Mark(
                hash=match["hash"],
                sequence=int(match["sequence"]),
                release=match["release"],
                executions=int(executions) if executions else None,
                horizon=datetime.fromtimestamp(int(horizon), UTC) if horizon else None,
                spec=match["spec"],
            )
    return None


def spec_digest(spec: Spec) -> str:
    """The digest of a spec without its mark: the same as sent, as described and as listed.

    Temporal answers with a spec in which what was left out is written out, and its list shows the
    first calendars only.
    """
    fires = [_calendar(each) for each in spec.structured_calendar[:_SHOWN]]
    skips = [_calendar(each) for each in _unmarked(spec)]
    intervals = [
        [_seconds(each.interval), _seconds(each.phase)] for each in [*spec.interval][:_SHOWN]
    ]
    bounds = [
        (spec.start_time.seconds, spec.start_time.nanos) if spec.HasField("start_time") else None,
        (spec.end_time.seconds, spec.end_time.nanos) if spec.HasField("end_time") else None,
    ]
    zone = spec.timezone_name or "UTC"
    written = [fires, skips, intervals, [*spec.cron_string], bounds, _seconds(spec.jitter), zone]
    return hashlib.sha256(repr(written).encode()).hexdigest()[:8]


def _unmarked(spec: Spec) -> list[Any]:
    # The mark takes one of the places that a list shows, whether it is there already or not.
    shown = [each for each in spec.exclude_structured_calendar if not _TEXT.fullmatch(each.comment)]
    return shown[: _SHOWN - 1]


def _calendar(calendar: Any) -> list[Any]:
    zero = (Range(),)
    return [
        *(_ranges(field or zero) for field in (calendar.second, calendar.minute, calendar.hour)),
        _ranges(calendar.day_of_month or (Range(start=1, end=31),)),
        _ranges(calendar.month or (Range(start=1, end=12),)),
        _ranges(calendar.year),
        _ranges(calendar.day_of_week or (Range(start=0, end=6),)),
        calendar.comment,
    ]


def _ranges(ranges: Iterable[Range]) -> list[tuple[int, int, int]]:
    return [(each.start, max(each.start, each.end), max(1, each.step)) for each in ranges]


def _seconds(duration: Any) -> float:
    return float(duration.seconds + duration.nanos / 1e9)
