"""Exceptions: the times that a timetable leaves out, by day or by an expression.

A date leaves out that day of the zone, whatever the length that the clocks give it. An expression
leaves out the times at which it would fire itself, by the same policy as the timetable's own; so a
firing that makes up for a time in a gap is left out by the expression that names that time.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from euryale.config import Dst
from euryale.time import clock
from euryale.time.cron import CronExpression
from euryale.time.zones import time_zone

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def is_left_out(
    moment: datetime, exceptions: Iterable[date | CronExpression], zone: str, dst: Dst
) -> bool:
    """Whether exceptions leave a moment out.

    Args:
        moment: An aware time.
        exceptions: The exceptions; one moment may meet several.
        zone: The IANA name of the zone whose days and wall clock they mean.
        dst: The policy of the expressions for times that the clocks leave out or show twice.

    Example:
        >>> christmas = [date(2026, 12, 25)]
        >>> is_left_out(datetime(2026, 12, 25, 7, tzinfo=UTC), christmas, "UTC", "once")
        True
    """
    local = moment.astimezone(time_zone(zone))
    return any(
        _matches(exception, zone, dst, local)
        if isinstance(exception, CronExpression)
        else local.date() == exception
        for exception in exceptions
    )


def takes_whole_minutes(exception: CronExpression) -> bool:
    """Whether an exception takes out whole minutes: it names no second, or only the first.

    Example:
        >>> takes_whole_minutes(CronExpression.parse("* * 25 12 *"))
        True
    """
    return exception.seconds == (0,)


def _matches(exception: CronExpression, zone: str, dst: Dst, local: datetime) -> bool:
    """Whether an exception fires at a time, by the same policy as the timetable's expressions."""
    if takes_whole_minutes(exception):
        local = local.replace(second=0)
    day = local.date()
    if not _is_plain(day, zone):
        return local.astimezone(UTC) in _times_on(exception, zone, dst, day)
    return (
        local.second in exception.seconds
        and local.minute in exception.minutes
        and local.hour in exception.hours
        and exception.matches_day(day)
    )


@lru_cache(maxsize=1_000)
def _is_plain(day: date, zone: str) -> bool:
    """Whether the clocks stay as they are on a day and where it begins."""
    rules = time_zone(zone)
    start, end = local_day(day, rules)
    # Where a gap ends with the day before, its times are made up for in the day's first second.
    shown = {each.astimezone(rules).utcoffset() for each in (start - _SECOND, start, end - _SECOND)}
    return len(shown) == 1


@lru_cache(maxsize=64)
def _times_on(exception: CronExpression, zone: str, dst: Dst, day: date) -> frozenset[datetime]:
    """The times of a local day that an exception fires at, in UTC."""
    start, end = local_day(day, time_zone(zone))
    times = set()
    for time in clock.firings(exception, zone, after=start - timedelta(microseconds=1), dst=dst):
        if time >= end:
            break
        times.add(time.astimezone(UTC))
    return frozenset(times)


def local_day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When a day of a zone begins and when the next one does, in UTC.

    Example:
        >>> start, end = local_day(date(2026, 10, 25), ZoneInfo("Europe/Berlin"))
        >>> end - start
        datetime.timedelta(days=1, seconds=3600)
    """
    following = day + _DAY
    start, end = (
        datetime(each.year, each.month, each.day, tzinfo=zone).astimezone(UTC)
        for each in (day, following)
    )
    return start, end
