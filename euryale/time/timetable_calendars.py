"""A timetable as Temporal's schedule spec: calendars, intervals and calendars to skip.

All is written for one clock, because a spec has only one: the zone's own, or UTC where the zone
changes its clocks (see `calendars`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from temporalio.client import (
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleRange,
    ScheduleSpec,
)

from euryale.time.calendars import CompiledSchedule, compile_calendars
from euryale.time.cron import CronExpression, Every
from euryale.time.moved_calendars import put_off
from euryale.time.omissions import local_day, takes_whole_minutes
from euryale.time.ranges import ranges
from euryale.time.timetable import Timetable
from euryale.time.zones import time_zone

_DAY = timedelta(days=1)
_HOUR = 60
_LAST_HOUR = 23
_WHOLE_MINUTE = (ScheduleRange(0, 59),)
_LONGEST_COMMENT = 200


@dataclass(frozen=True, slots=True)
class CompiledTimetable:
    """What Temporal needs to know to fire a job by a timetable.

    Attributes:
        calendars: The schedule fires when any of them matches; once, if several do.
        intervals: It fires at these distances from the Unix epoch too.
        skip: It doesn't fire when any of these matches.
        time_zone_name: The zone whose wall clock all calendars mean.
        start_at: It fires at this time or later.
        end_at: It fires at this time or earlier.
        horizon: When the calendars of a zone that changes its clocks end; `None` if they don't.
    """

    calendars: tuple[ScheduleCalendarSpec, ...]
    intervals: tuple[ScheduleIntervalSpec, ...]
    skip: tuple[ScheduleCalendarSpec, ...]
    time_zone_name: str
    start_at: datetime | None
    end_at: datetime | None
    horizon: datetime | None

    def spec(
        self, *, jitter: timedelta | None = None, spread: timedelta = timedelta(0)
    ) -> ScheduleSpec:
        """The same as Temporal's client takes it.

        Args:
            jitter: Each start is put off by a random time up to this.
            spread: All firings are put off by this: whole seconds, less than a day.
        """
        return ScheduleSpec(
            calendars=put_off(self.calendars, spread),
            intervals=tuple(
                replace(each, offset=spread % each.every) if spread else each
                for each in self.intervals
            ),
            skip=put_off(self.skip, spread),
            start_at=self.start_at and self.start_at + spread,
            end_at=self.end_at and self.end_at + spread,
            jitter=jitter,
            time_zone_name=self.time_zone_name,
        )


def compile_timetable(
    timetable: Timetable, *, since: datetime | None = None, where: str = ""
) -> CompiledTimetable:
    """Compile a timetable to a spec that the server fires by at exactly its times.

    Args:
        timetable: The timetable.
        since: From when on the calendars have to be right; by default now.
        where: The file and line or the field that a refusal should name.

    Raises:
        ScheduleInvalid: An expression can't be compiled.

    Example:
        >>> from euryale.time.timetable import parse_timetable
        >>> compiled = compile_timetable(
        ...     parse_timetable(["0 9 * * MON", timedelta(hours=6)], exceptions=date(2026, 12, 25))
        ... )
        >>> len(compiled.calendars), len(compiled.intervals), len(compiled.skip)
        (1, 1, 1)
    """

    def compiled(expression: CronExpression) -> CompiledSchedule:
        return compile_calendars(
            expression, timetable.zone, dst=timetable.dst, since=since, where=where
        )

    fired = [compiled(each) for each in timetable.expressions]
    exceptions = [each for each in timetable.exceptions if isinstance(each, CronExpression)]
    skipped = [compiled(each) for each in exceptions]
    days = [each for each in timetable.exceptions if not isinstance(each, CronExpression)]
    clocks = {each.time_zone_name for each in (*fired, *skipped)}
    clock = clocks.pop() if clocks else "UTC"
    one_offs = [each for each in timetable.entries if isinstance(each, datetime)]
    intervals = [each.interval for each in timetable.entries if isinstance(each, Every)]
    horizons = [each.horizon for each in (*fired, *skipped) if each.horizon is not None]
    return CompiledTimetable(
        calendars=(
            *(calendar for each in fired for calendar in each.calendars),
            *(_one_off(each, clock) for each in one_offs),
        ),
        intervals=tuple(ScheduleIntervalSpec(every=each) for each in intervals),
        skip=(
            *_skipped_days(days, timetable.zone, clock),
            *(
                _whole_minute(calendar) if takes_whole_minutes(exception) else calendar
                for exception, each in zip(exceptions, skipped, strict=True)
                for calendar in each.calendars
            ),
        ),
        time_zone_name=clock,
        start_at=timetable.start_at,
        end_at=timetable.end_at,
        horizon=min(horizons, default=None),
    )


def _one_off(moment: datetime, clock: str) -> ScheduleCalendarSpec:
    local = moment.astimezone(time_zone(clock))
    return ScheduleCalendarSpec(
        second=ranges([local.second]),
        minute=ranges([local.minute]),
        hour=ranges([local.hour]),
        day_of_month=ranges([local.day]),
        month=ranges([local.month]),
        year=ranges([local.year]),
        comment=f"once at {moment.isoformat()}",
    )


def _whole_minute(calendar: ScheduleCalendarSpec) -> ScheduleCalendarSpec:
    return replace(calendar, second=_WHOLE_MINUTE)


def _skipped_days(days: Iterable[date], zone: str, clock: str) -> Iterator[ScheduleCalendarSpec]:
    """Days of a zone by another clock, where each is a part of one day and a part of the next.

    Days of one month whose parts have the same hours share a calendar.
    """
    together: dict[tuple[int, int, _Hours], dict[int, date]] = defaultdict(dict)
    for day in sorted(set(days)):
        start, end = (each.astimezone(time_zone(clock)) for each in local_day(day, time_zone(zone)))
        midnights = [
            datetime.combine(start.date() + number * _DAY, time(), start.tzinfo)
            for number in range(1, (end.date() - start.date()).days + 1)
        ]
        for first, last in pairwise([start, *midnights, end]):
            for hours in _hours(first, last):
                together[first.year, first.month, hours][first.day] = day
    for (
        year,
        month,
        (first_hour, last_hour, first_minute, last_minute),
    ), by_day in together.items():
        yield ScheduleCalendarSpec(
            second=_WHOLE_MINUTE,
            minute=(ScheduleRange(first_minute, last_minute),),
            hour=(ScheduleRange(first_hour, last_hour),),
            day_of_month=ranges(sorted(by_day)),
            month=ranges([month]),
            year=ranges([year]),
            comment=_comment(by_day.values()),
        )


_Hours = tuple[int, int, int, int]
"""The first and the last hour, and the first and the last minute of each."""


def _hours(start: datetime, end: datetime) -> Iterator[_Hours]:
    """The minutes between two times of a day, the second of which may be the next midnight."""
    first = start.hour * _HOUR + start.minute
    last = first + (end - start) // timedelta(minutes=1)
    while first < last:
        hour, minute = divmod(first, _HOUR)
        whole_hours = (last - first) // _HOUR
        if minute == 0 and whole_hours:
            yield hour, hour + whole_hours - 1, 0, _HOUR - 1
            first += whole_hours * _HOUR
        else:
            until = min(last, (hour + 1) * _HOUR)
            yield hour, hour, minute, until - 1 - hour * _HOUR
            first = until


def _comment(days: Iterable[date]) -> str:
    text = f"except {', '.join(day.isoformat() for day in sorted(set(days)))}"
    return text if len(text) <= _LONGEST_COMMENT else f"{text[: _LONGEST_COMMENT - 3]}..."
