"""Calendars moved: the same times, that much later.

So a whole schedule is put off by a constant time, for which Temporal has no word. (A server takes a
zone of one's own making, but Temporal's clients don't: whoever describes and updates the schedule
would lose it.) What is moved beyond midnight falls on the next day, which may be another month's or
year's first.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.time.ranges import ranges
from euryale.time.zones import LAST_YEAR

_SECOND = timedelta(seconds=1)
_LONGEST_COMMENT = 200

_ALL_DAYS = frozenset(range(1, 32))
_ALL_MONTHS = frozenset(range(1, 13))
_YEARS = range(2000, LAST_YEAR + 1)
_LEAP_YEARS = frozenset(year for year in _YEARS if year % 4 == 0 and year != LAST_YEAR)
_COMMON_YEARS = frozenset(_YEARS) - _LEAP_YEARS
_FEBRUARY, _MARCH = 2, 3
_LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def put_off(
    calendars: Iterable[ScheduleCalendarSpec], spread: timedelta
) -> tuple[ScheduleCalendarSpec, ...]:
    """Calendars that match that much later than the given ones do, and never else.

    Args:
        calendars: The calendars, meant by a clock that isn't changed.
        spread: Whole seconds, less than a day.

    Example:
        >>> late = ScheduleCalendarSpec(hour=[ScheduleRange(23)], minute=[ScheduleRange(58)])
        >>> (moved,) = put_off([late], timedelta(minutes=5))
        >>> moved.hour[0].start, moved.minute[0].start
        (0, 3)
    """
    if not spread:
        return tuple(calendars)
    return tuple(moved for calendar in calendars for moved in _moved(calendar, spread))


def _moved(calendar: ScheduleCalendarSpec, spread: timedelta) -> Iterator[ScheduleCalendarSpec]:
    comment = _comment(calendar.comment or "", spread)
    for next_day, hours, minutes, seconds in _times(calendar, spread // _SECOND):
        timed = replace(
            calendar,
            second=ranges(seconds),
            minute=ranges(minutes),
            hour=ranges(hours),
            comment=comment,
        )
        yield from _next_days(timed) if next_day else (timed,)


def _times(
    calendar: ScheduleCalendarSpec, by: int
) -> Iterator[tuple[int, Sequence[int], Sequence[int], Sequence[int]]]:
    """Whether it's the next day, with the hours, minutes and seconds, of all later times."""
    by_hours, by_minutes, by_seconds = by // 3600, by // 60 % 60, by % 60
    for to_minute, seconds in _carried(_values(calendar.second), by_seconds, 60):
        for to_hour, minutes in _carried(_values(calendar.minute), by_minutes + to_minute, 60):
            for to_day, hours in _carried(_values(calendar.hour), by_hours + to_hour, 24):
                yield to_day, hours, minutes, seconds


def _carried(values: Sequence[int], by: int, size: int) -> Iterator[tuple[int, Sequence[int]]]:
    """The values that much later, apart by whether they are carried beyond the last one."""
    for carry in (0, 1):
        moved = [value + by - carry * size for value in values if (value + by) // size == carry]
        if moved:
            yield carry, moved


def _next_days(calendar: ScheduleCalendarSpec) -> Iterator[ScheduleCalendarSpec]:
    """The calendar for the days after those that it matches."""
    days = frozenset(_values(calendar.day_of_month))
    months = frozenset(_values(calendar.month))
    years = frozenset(_values(calendar.year))
    weekdays = sorted((day + 1) % 7 for day in _values(calendar.day_of_week))
    calendar = replace(calendar, day_of_week=ranges(weekdays))
    if (days, months, years) == (_ALL_DAYS, _ALL_MONTHS, frozenset()):
        yield calendar
        return
    # A day that a month doesn't have never comes.
    within = sorted(day + 1 for day in days if day < max(_ALL_DAYS))
    if long_enough := [each for each in sorted(months) if within and within[0] <= _longest(each)]:
        yield replace(calendar, day_of_month=ranges(within), month=ranges(long_enough))
    for first_months, first_years in _firsts(days, months, years):
        yield replace(
            calendar,
            day_of_month=ranges([1]),
            month=ranges(sorted(first_months)),
            year=ranges(sorted(first_years)),
        )


def _firsts(
    days: frozenset[int], months: frozenset[int], years: frozenset[int]
) -> Iterator[tuple[set[int], frozenset[int]]]:
    """The months, and their years (none are all), whose first follows a matching day."""
    ended = {month for month in months - {_FEBRUARY} if _longest(month) in days}
    february = [
        of_length
        for last, of_length in ((28, _COMMON_YEARS), (29, _LEAP_YEARS))
        if last in days and _FEBRUARY in months
    ]
    following = {month + 1 for month in ended if month != max(_ALL_MONTHS)}
    if len(february) == len((_COMMON_YEARS, _LEAP_YEARS)):
        following.add(_MARCH)
    elif february and (of_length := february[0] & years if years else february[0]):
        yield {_MARCH}, of_length
    if following:
        yield following, years
    if max(_ALL_MONTHS) in ended:
        next_years = frozenset(year + 1 for year in years if year < LAST_YEAR)
        if next_years or not years:
            yield {1}, next_years


def _longest(month: int) -> int:
    return _LENGTHS[month - 1]


def _values(field: Sequence[ScheduleRange]) -> tuple[int, ...]:
    return tuple(
        sorted(
            {
                value
                for part in field
                for value in range(part.start, max(part.start, part.end) + 1, max(1, part.step))
            }
        )
    )


def _comment(comment: str, spread: timedelta) -> str:
    suffix = f" put off by {spread}"
    longest = _LONGEST_COMMENT - len(suffix)
    return (comment if len(comment) <= longest else f"{comment[: longest - 3]}...") + suffix
