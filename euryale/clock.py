"""The policy clock: when a cron expression fires, by the rules alone and without Temporal.

It walks through the days and asks each one; the calendars that Temporal gets are made in another
way, so that comparing the two proves both.

On days when the clocks are changed the rule is Debian's (cron(8)). A job whose minute and hour
fields both don't begin with `*` runs at a fixed time: once at the end of the gap if its time is
left out, once, the first time, if its time comes twice. Any other job runs by elapsed time:
whenever the clock on the wall shows a matching time.
"""

import calendar
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from euryale.cron import HOUR, MINUTE, CronExpression
from euryale.zones import LAST_YEAR, time_zone

SHORTEST_CATCH_UP = timedelta(minutes=1)
LONGEST_CATCH_UP = timedelta(days=1)

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

# What an expression means may not depend on the day when it is asked, or an unchanged job would
# change its schedule; the year is a leap year and begins on a Monday.
_REFERENCE = datetime(2024, 1, 1, tzinfo=UTC) - _MINUTE
_REFERENCE_FIRINGS = 1_000


def firings(expression: CronExpression, zone: str, *, after: datetime) -> Iterator[datetime]:
    """When an expression fires in a time zone.

    Args:
        expression: The cron expression.
        zone: The IANA name of the zone whose wall clock the expression means.
        after: An aware time; firings are strictly after it.

    Yields:
        Times in the zone, ascending, to the end of the year 2100, the last that Temporal knows.

    Raises:
        ScheduleInvalid: No zone bears the name.
        ValueError: `after` is naive.

    Example:
        >>> noon = CronExpression.parse("0 12 * * *")
        >>> next(firings(noon, "Asia/Kolkata", after=datetime(2026, 1, 1, tzinfo=UTC))).isoformat()
        '2026-01-01T12:00:00+05:30'
    """
    if after.tzinfo is None:
        raise ValueError("`after` must be aware: give it a time zone, such as tzinfo=UTC")
    return _firings(expression, time_zone(zone), after.astimezone(UTC))


def shortest_interval(expression: CronExpression, zone: str) -> timedelta:
    """The shortest time between two of the 1,000 firings that follow the start of 2024.

    Returns:
        The elapsed time; a day if there are fewer than two firings.
    """
    times = islice(firings(expression, zone, after=_REFERENCE), _REFERENCE_FIRINGS)
    moments = (moment.astimezone(UTC) for moment in times)
    return min((later - earlier for earlier, later in pairwise(moments)), default=_DAY)


def default_catch_up(expression: CronExpression, zone: str) -> timedelta:
    """How late a run may start after an outage, where its job doesn't say.

    Returns:
        One interval of the schedule, at least a minute and at most a day.
    """
    return min(max(shortest_interval(expression, zone), SHORTEST_CATCH_UP), LONGEST_CATCH_UP)


def _firings(expression: CronExpression, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    by_elapsed_time = not expression.wildcards.isdisjoint((MINUTE.name, HOUR.name))
    last = after
    for day in _days(expression, after.astimezone(zone).date()):
        start, end = _midnight(day, zone), _midnight(day + _DAY, zone)
        if end - start == _DAY:
            moments = _on_plain_day(expression, start)
        elif by_elapsed_time:
            moments = _by_elapsed_time(expression, zone, start, end)
        else:
            moments = _at_fixed_times(expression, zone, day)
        for moment in moments:
            # Several times that fall into one gap become one firing at its end.
            if moment > last:
                last = moment
                yield moment.astimezone(zone)


def _days(expression: CronExpression, start: date) -> Iterator[date]:
    """The days that match, from `start` on."""
    days_of_month = frozenset(expression.days_of_month)
    days_of_week = frozenset(expression.days_of_week)
    for year in range(start.year, LAST_YEAR + 1):
        for month in expression.months:
            if (year, month) < (start.year, start.month):
                continue
            # The calendar module counts from Monday, cron from Sunday.
            first_weekday, length = calendar.monthrange(year, month)
            for day in range(1, length + 1):
                in_month = day in days_of_month
                in_week = (first_weekday + day) % 7 in days_of_week
                if (in_month or in_week) if expression.either_day else (in_month and in_week):
                    matching = date(year, month, day)
                    if matching >= start:
                        yield matching


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins, in UTC; for the second of two midnights the day has begun already."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _on_plain_day(expression: CronExpression, start: datetime) -> Iterator[datetime]:
    for hour in expression.hours:
        for minute in expression.minutes:
            yield start + timedelta(hours=hour, minutes=minute)


def _by_elapsed_time(
    expression: CronExpression, zone: ZoneInfo, start: datetime, end: datetime
) -> Iterator[datetime]:
    moment = start
    while moment < end:
        wall = moment.astimezone(zone)
        if wall.hour in expression.hours and wall.minute in expression.minutes:
            yield moment
        moment += _MINUTE


def _at_fixed_times(expression: CronExpression, zone: ZoneInfo, day: date) -> Iterator[datetime]:
    for hour in expression.hours:
        for minute in expression.minutes:
            wall = datetime.combine(day, time(hour, minute), zone)
            moment = wall.astimezone(UTC)
            if moment.astimezone(zone).replace(tzinfo=None) != wall.replace(tzinfo=None):
                # A time in the gap: with fold=1 it is read by the offset after the change, which
                # puts it before the change; from there the first changed minute is the gap's end.
                moment = wall.replace(fold=1).astimezone(UTC)
                before = moment.astimezone(zone).utcoffset()
                while moment.astimezone(zone).utcoffset() == before:
                    moment += _MINUTE
            yield moment
