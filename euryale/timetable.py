"""A timetable: all that says when a job fires, beyond a single cron expression.

It holds any number of cron expressions, intervals and one-off times, between a start and an end,
without the exceptions. `timetable_parser` makes it of what a config says; `firings` tells its times
by the policy clock; `timetable_calendars` writes it for Temporal.

Intervals are counted from the Unix epoch (1970-01-01 00:00 UTC), as Temporal does: every 15 minutes
is at :00, :15, :30 and :45 of UTC, whenever the job was deployed.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from euryale import clock
from euryale.clock import LONGEST_CATCH_UP, SHORTEST_CATCH_UP
from euryale.config import Dst
from euryale.cron import CronExpression, Every
from euryale.zones import LAST_YEAR, time_zone

Entry = CronExpression | Every | datetime
"""One way for a timetable to fire: an expression, an interval, or a one-off time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Timetable:
    """When a job fires.

    Attributes:
        entries: It fires when any of them does; once, if several do.
        zone: The IANA name of the zone whose wall clock the expressions mean, and whose days the
            dates among the exceptions are.
        dst: The policy of the expressions for times that the clocks leave out or show twice.
        start_at: It fires at this time or later.
        end_at: It fires at this time or earlier.
        exceptions: It doesn't fire on these days, nor when one of these expressions matches. An
            expression that names no second takes out the whole minute.
    """

    entries: tuple[Entry, ...]
    zone: str = "UTC"
    dst: Dst = "once"
    start_at: datetime | None = None
    end_at: datetime | None = None
    exceptions: tuple[date | CronExpression, ...] = ()

    @property
    def expressions(self) -> tuple[CronExpression, ...]:
        """The cron expressions among the entries."""
        return tuple(entry for entry in self.entries if isinstance(entry, CronExpression))


def firings(timetable: Timetable, *, after: datetime) -> Iterator[datetime]:
    """When a timetable fires.

    Args:
        timetable: The timetable.
        after: An aware time; firings are strictly after it.

    Yields:
        Times in the timetable's zone, ascending and each once, to the end of the year 2100.

    Raises:
        ValueError: `after` is naive.

    Example:
        >>> hourly = Timetable(entries=(Every(timedelta(hours=1)),), zone="Asia/Kolkata")
        >>> next(firings(hourly, after=datetime(2026, 1, 1, tzinfo=UTC))).isoformat()
        '2026-01-01T06:30:00+05:30'
    """
    if after.tzinfo is None:
        raise ValueError("`after` must be aware: give it a time zone, such as tzinfo=UTC")
    return _firings(timetable, after.astimezone(UTC))


def nominal(timetable: Timetable, fired_at: datetime) -> datetime:
    """The wall-clock time that a firing was meant for, in the zone; see `clock.nominal`.

    Args:
        timetable: The timetable.
        fired_at: An aware time, as `firings` gives it.
    """
    for expression in timetable.expressions:
        meant = clock.nominal(expression, timetable.zone, fired_at, timetable.dst)
        if meant != fired_at:
            return meant
    return fired_at.astimezone(time_zone(timetable.zone))


def is_exception(timetable: Timetable, moment: datetime) -> bool:
    """Whether the exceptions take a moment out.

    Example:
        >>> hourly = CronExpression.parse("@hourly")
        >>> timetable = Timetable(entries=(hourly,), exceptions=(date(2026, 12, 25),))
        >>> is_exception(timetable, datetime(2026, 12, 25, 7, tzinfo=UTC))
        True
    """
    local = moment.astimezone(time_zone(timetable.zone))
    for exception in timetable.exceptions:
        if isinstance(exception, CronExpression):
            if _matches(exception, timetable, local):
                return True
        elif local.date() == exception:
            return True
    return False


def takes_whole_minutes(exception: CronExpression) -> bool:
    """Whether an exception takes out whole minutes: it names no second, or only the first.

    Example:
        >>> takes_whole_minutes(CronExpression.parse("* * 25 12 *"))
        True
    """
    return exception.seconds == (0,)


def default_catch_up(timetable: Timetable) -> timedelta:
    """How late a run may start after an outage, where its job doesn't say.

    Returns:
        The shortest interval of any entry, at least a minute and at most a day; a day for a one-off
        time.
    """
    return min(_catch_up(entry) for entry in timetable.entries)


def _catch_up(entry: Entry) -> timedelta:
    if isinstance(entry, CronExpression):
        return clock.default_catch_up(entry)
    if isinstance(entry, Every):
        return min(max(entry.interval, SHORTEST_CATCH_UP), LONGEST_CATCH_UP)
    return LONGEST_CATCH_UP


def _firings(timetable: Timetable, after: datetime) -> Iterator[datetime]:
    start = max(after, just_before(timetable.start_at)) if timetable.start_at else after
    zone = time_zone(timetable.zone)
    last = None
    # Compared in UTC: two times of one zone are compared by their wall clocks.
    for moment in heapq.merge(*(_moments(timetable, each, start) for each in timetable.entries)):
        if timetable.end_at and moment > timetable.end_at:
            return
        if moment != last and not is_exception(timetable, moment):
            yield moment.astimezone(zone)
        last = moment


def _moments(timetable: Timetable, entry: Entry, after: datetime) -> Iterator[datetime]:
    """An entry's times in UTC, strictly after a moment."""
    if isinstance(entry, CronExpression):
        for time in clock.firings(entry, timetable.zone, after=after, dst=timetable.dst):
            yield time.astimezone(UTC)
    elif isinstance(entry, Every):
        moment = _EPOCH + ((after - _EPOCH) // entry.interval + 1) * entry.interval
        while moment < _END:
            yield moment
            moment += entry.interval
    elif entry > after:
        yield entry.astimezone(UTC)


def _matches(exception: CronExpression, timetable: Timetable, local: datetime) -> bool:
    """Whether an exception fires at a time, by the same policy as the timetable's expressions."""
    if takes_whole_minutes(exception):
        local = local.replace(second=0)
    day = local.date()
    if not _is_plain(day, timetable.zone):
        return local.astimezone(UTC) in _times_on(exception, timetable.zone, timetable.dst, day)
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
    for time in clock.firings(exception, zone, after=just_before(start), dst=dst):
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


def just_before(moment: datetime) -> datetime:
    """The last moment before a moment, in UTC: what is strictly after it may be the moment itself.

    Example:
        >>> just_before(datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
        '2025-12-31T23:59:59.999999+00:00'
    """
    return moment.astimezone(UTC) - timedelta(microseconds=1)
