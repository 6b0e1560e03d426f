"""A timetable: all that says when a job fires, beyond a single cron expression.

It holds any number of cron expressions, intervals and one-off times, between a start and an end,
without the exceptions. `parse_timetable` makes it of what a config says and refuses what can't be
meant; `firings` tells its times by the policy clock; `timetable_calendars` writes it for Temporal.

Intervals are counted from the Unix epoch (1970-01-01 00:00 UTC), as Temporal does: every 15 minutes
is at :00, :15, :30 and :45 of UTC, whenever the job was deployed.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from euryale.config import Dst, ScheduledJobConfig
from euryale.errors import ScheduleInvalid
from euryale.time import clock
from euryale.time.clock import LONGEST_CATCH_UP, SHORTEST_CATCH_UP
from euryale.time.cron import CronExpression, DayRule, Every, parse_schedule
from euryale.time.omissions import is_left_out, takes_whole_minutes
from euryale.time.zones import LAST_YEAR, time_zone

Entry = CronExpression | Every | datetime
"""One way for a timetable to fire: an expression, an interval, or a one-off time."""

_FIRST_YEAR = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_LONGEST_INTERVAL = timedelta(days=36_525)

# Whether exceptions leave anything may not depend on the day when it is asked, or an unchanged job
# would one day be refused.
_REFERENCE = datetime(2024, 1, 1, tzinfo=UTC)
_REFERENCE_FIRINGS = 20_000


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


def parse_timetable(
    schedule: str | timedelta | datetime | Sequence[str | timedelta | datetime],
    *,
    zone: str | None = None,
    dst: Dst = "once",
    start_at: datetime | None = None,
    end_at: datetime | None = None,
    exceptions: Sequence[date | str] | str | date = (),
    where: str = "",
    name: str = "",
) -> Timetable:
    """Read what a config says about time.

    Args:
        schedule: A cron expression or an interval in words, an interval, a one-off time, or a list
            of any of these.
        zone: The IANA name of the zone; None if the config names none. Then it is the one that the
            expressions name by `CRON_TZ=`, or UTC.
        dst: The policy for times that the zone's clocks leave out or show twice.
        start_at: The earliest time to fire at.
        end_at: The latest time to fire at.
        exceptions: Dates or cron expressions, or one of them.
        where: The file and line or the field that a refusal should name.
        name: The job's name, which `H` is spread by.

    Raises:
        ScheduleInvalid: A field can't be read, a time is naive, parts contradict each other, or the
            exceptions leave nothing.

    Example:
        >>> schedule = ["0 9 * * MON", timedelta(hours=6)]
        >>> timetable = parse_timetable(schedule, exceptions=date(2026, 1, 1))
        >>> len(timetable.entries), timetable.exceptions
        (2, (datetime.date(2026, 1, 1),))
    """
    written = [schedule] if isinstance(schedule, str | timedelta | datetime) else schedule
    excepted = [exceptions] if isinstance(exceptions, str | date) else exceptions
    entries = tuple(_entry(each, where, name) for each in written)
    if not entries:
        raise ScheduleInvalid(
            "schedule is an empty list",
            where=where,
            mend="write at least one expression, interval or time",
        )
    left_out = tuple(_exception(each, where, name) for each in excepted)
    time_zone(zone or "UTC", where=where)
    expressions = [part for part in (*entries, *left_out) if isinstance(part, CronExpression)]
    zones = sorted({expression.in_zone(zone, where=where) for expression in expressions})
    if len(zones) > 1:
        raise ScheduleInvalid(
            f"schedule means the wall clocks of several zones: {', '.join(zones)}",
            where=where,
            mend="write all expressions in one zone, named once as time_zone, or make two jobs",
        )
    timetable = Timetable(
        entries=entries,
        zone=zones[0] if zones else zone or "UTC",
        dst=dst,
        start_at=_moment("start_at", start_at, where),
        end_at=_moment("end_at", end_at, where),
        exceptions=left_out,
    )
    if timetable.start_at and timetable.end_at and timetable.end_at < timetable.start_at:
        raise ScheduleInvalid(
            f"end_at {timetable.end_at} is before start_at {timetable.start_at}",
            where=where,
            mend="let the later one be end_at",
        )
    _refuse_if_nothing_is_left(timetable, where)
    return timetable


def timetable_of(config: ScheduledJobConfig, *, where: str = "") -> Timetable:
    """The timetable of a job's config.

    Args:
        config: The config.
        where: The file and line that a refusal should name.

    Raises:
        ScheduleInvalid: As for `parse_timetable`.
    """
    return parse_timetable(
        config.schedule,
        zone=config.time_zone,
        dst=config.dst,
        start_at=config.start_at,
        end_at=config.end_at,
        exceptions=config.except_,
        where=where,
        name=config.name,
    )


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
    return is_left_out(moment, timetable.exceptions, timetable.zone, timetable.dst)


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


def just_before(moment: datetime) -> datetime:
    """The last moment before a moment, in UTC: what is strictly after it may be the moment itself.

    Example:
        >>> just_before(datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
        '2025-12-31T23:59:59.999999+00:00'
    """
    return moment.astimezone(UTC) - timedelta(microseconds=1)


def _entry(written: Any, where: str, name: str) -> Entry:
    if isinstance(written, str):
        entry = parse_schedule(written, where=where, name=name)
        return Every(_interval(entry.interval, where)) if isinstance(entry, Every) else entry
    if isinstance(written, timedelta):
        return Every(_interval(written, where))
    moment = _moment("schedule", written, where) if isinstance(written, datetime) else None
    if moment is None:
        raise ScheduleInvalid(
            f"schedule holds {written!r}, which is no expression, interval or time",
            where=where,
            mend="write a cron expression, a timedelta or an aware datetime",
        )
    if not _FIRST_YEAR <= moment.astimezone(UTC).year <= LAST_YEAR:
        raise ScheduleInvalid(
            f"schedule's time {moment} is outside of the years that Temporal knows",
            where=where,
            mend=f"use a time from {_FIRST_YEAR} to {LAST_YEAR}",
        )
    return moment


def _interval(interval: timedelta, where: str) -> timedelta:
    if not _SECOND <= interval <= _LONGEST_INTERVAL or interval % _SECOND:
        raise ScheduleInvalid(
            f"schedule's interval of {interval.total_seconds()} seconds can't be kept",
            where=where,
            mend="use whole seconds, at least one and at most a century",
        )
    return interval


def _moment(field: str, moment: datetime | None, where: str) -> datetime | None:
    if moment is not None and moment.utcoffset() is None:
        raise ScheduleInvalid(
            f"{field}'s time {moment} names no time zone",
            where=where,
            mend='write it with one, such as datetime(2026, 1, 5, 9, tzinfo=ZoneInfo("UTC"))',
        )
    if moment is not None and moment.microsecond:
        raise ScheduleInvalid(
            f"{field}'s time {moment} has a fraction of a second, and Temporal counts whole ones",
            where=where,
            mend=f"write {moment.replace(microsecond=0)}",
        )
    return moment


def _exception(written: Any, where: str, name: str) -> date | CronExpression:
    if isinstance(written, str):
        return CronExpression.parse(written, where=where, name=name)
    if isinstance(written, datetime) or not isinstance(written, date):
        raise ScheduleInvalid(
            f"except holds {written!r}, which is no date or cron expression",
            where=where,
            mend="write date(2026, 12, 25) for that day, or '* 9-17 25 12 *' for these hours",
        )
    return written


def _refuse_if_nothing_is_left(timetable: Timetable, where: str) -> None:
    if timetable.exceptions and (_all_covered(timetable) or _all_excepted(timetable)):
        raise ScheduleInvalid(
            "except takes out every time that schedule fires at",
            where=where,
            mend="leave some out, or delete the job",
        )


def _all_excepted(timetable: Timetable) -> bool:
    """Whether no time is left; told of the first times alone where there are very many."""
    start = just_before(timetable.start_at) if timetable.start_at else _REFERENCE
    tried = 0
    for moment in firings(replace(timetable, exceptions=()), after=start):
        if tried == _REFERENCE_FIRINGS or not is_exception(timetable, moment):
            return False
        tried += 1
    return tried > 0


def _all_covered(timetable: Timetable) -> bool:
    """Whether each entry is a cron expression that some exception holds entirely."""
    exceptions = [each for each in timetable.exceptions if isinstance(each, CronExpression)]
    return all(
        isinstance(entry, CronExpression) and any(_covers(each, entry) for each in exceptions)
        for entry in timetable.entries
    )


def _covers(exception: CronExpression, entry: CronExpression) -> bool:
    return (
        (takes_whole_minutes(exception) or set(exception.seconds) >= set(entry.seconds))
        and set(exception.minutes) >= set(entry.minutes)
        and set(exception.hours) >= set(entry.hours)
        and set(exception.months) >= set(entry.months)
        and (DayRule() in exception.day_rules or set(exception.day_rules) >= set(entry.day_rules))
    )
