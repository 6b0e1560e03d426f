"""The policy clock: when a cron expression fires, by the rules alone and without Temporal.

It walks through the wall-clock times of each regime; the calendars that Temporal gets are made in
another way, so that comparing the two proves both. What happens on the days when the clocks are
changed is told in `regimes`.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from euryale.config import Dst
from euryale.time.cron import CronExpression
from euryale.time.regimes import SeamRule, regimes, seam_rule
from euryale.time.zones import LAST_YEAR, time_zone

SHORTEST_CATCH_UP = timedelta(minutes=1)
LONGEST_CATCH_UP = timedelta(days=1)

_DAY = timedelta(days=1)
_DAY_IN_MINUTES = 24 * 60
_SECOND = timedelta(seconds=1)

# What an expression means may not depend on the day when it is asked, or an unchanged job would
# change its schedule. Four years have a leap day.
_REFERENCE = date(2024, 1, 1)


def firings(
    expression: CronExpression, zone: str, *, after: datetime, dst: Dst = "once"
) -> Iterator[datetime]:
    """When an expression fires in a time zone.

    Args:
        expression: The cron expression. A zone that it names itself goes before `zone`.
        zone: The IANA name of the zone whose wall clock the expression means.
        after: An aware time; firings are strictly after it.
        dst: The policy for times that the zone's clocks leave out or show twice.

    Yields:
        Times in the zone, ascending, to the end of the year 2100, the last that Temporal knows.

    Raises:
        ScheduleInvalid: No zone bears the name.
        ValueError: `after` is naive.

    Example:
        >>> night = CronExpression.parse("30 2 * * *")
        >>> after = datetime(2026, 3, 29, tzinfo=UTC)
        >>> next(firings(night, "Europe/Berlin", after=after)).isoformat()
        '2026-03-29T03:00:00+02:00'
    """
    if after.tzinfo is None:
        raise ValueError("`after` must be aware: give it a time zone, such as tzinfo=UTC")
    rules = time_zone(expression.zone or zone)
    return _firings(expression, rules, seam_rule(expression, dst), after.astimezone(UTC))


def nominal(
    expression: CronExpression, zone: str, fired_at: datetime, dst: Dst = "once"
) -> datetime:
    """The wall-clock time that a firing was meant for.

    That is the time of the firing itself, but for a firing that makes up at the end of a gap for
    times that the clocks left out: it is meant for the last of them.

    Args:
        expression: The cron expression. A zone that it names itself goes before `zone`.
        zone: The IANA name of the zone whose wall clock the expression means.
        fired_at: An aware time, as `firings` gives it.
        dst: The policy that the job has.

    Returns:
        A time in the zone. One that the clocks left out bears the offset from before the gap, so
        that as a moment it lies after `fired_at`; it is its wall-clock time that counts.

    Raises:
        ScheduleInvalid: No zone bears the name.

    Example:
        >>> night = CronExpression.parse("30 2 * * *")
        >>> fired_at = datetime(2026, 3, 29, 1, tzinfo=UTC)
        >>> f"{nominal(night, 'Europe/Berlin', fired_at):%Y-%m-%d %H:%M}"
        '2026-03-29 02:30'
    """
    rules = time_zone(expression.zone or zone)
    shown = fired_at.astimezone(rules)
    # In UTC, for a second before 03:00 a zone's wall clock would show 02:59:59, gap or no gap.
    previous = (fired_at.astimezone(UTC) - _SECOND).astimezone(rules)
    wall, reached = shown.replace(tzinfo=None), previous.replace(tzinfo=None) + _SECOND
    if seam_rule(expression, dst).catches and reached < wall:
        for meant in _wall_times(expression, reached, wall + _SECOND):
            # The time itself, if it matches, is the last.
            shown = meant.replace(tzinfo=rules)
    return shown


def default_catch_up(expression: CronExpression) -> timedelta:
    """How late a run may start after an outage, where its job doesn't say.

    Returns:
        One interval of the schedule: the shortest time by the wall clock between two firings of
        the years 2024 to 2027, at least a minute and at most a day.
    """
    if len(expression.seconds) > 1:
        return SHORTEST_CATCH_UP
    times = [hour * 60 + minute for hour in expression.hours for minute in expression.minutes]
    shortest = min((later - earlier for earlier, later in pairwise(times)), default=_DAY_IN_MINUTES)
    # Over midnight it may be shorter, if two days on end ever match; over a day without firings it
    # can't be shorter than a day.
    over_midnight = times[0] + _DAY_IN_MINUTES - times[-1]
    if over_midnight < shortest:
        days = _days(expression, _REFERENCE, _REFERENCE.year + 3)
        if any(later - earlier == _DAY for earlier, later in pairwise(days)):
            shortest = over_midnight
    return min(max(timedelta(minutes=shortest), SHORTEST_CATCH_UP), LONGEST_CATCH_UP)


def _firings(
    expression: CronExpression, zone: ZoneInfo, rule: SeamRule, after: datetime
) -> Iterator[datetime]:
    last = after
    for regime in regimes(zone, after):
        if rule.catches and regime.start > last:
            wall = _naive(regime.start + regime.offset)
            # Several times that fall into one gap become one firing at its end.
            if next(_wall_times(expression, wall - regime.gap, wall), None):
                last = regime.start
                yield last.astimezone(zone)
        first = max(regime.first_firing(rule), after)
        for wall in _wall_times(
            expression, _naive(first + regime.offset), _naive(regime.end + regime.offset)
        ):
            moment = wall.replace(tzinfo=UTC) - regime.offset
            if moment > last:
                yield moment.astimezone(zone)


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def _wall_times(expression: CronExpression, start: datetime, end: datetime) -> Iterator[datetime]:
    """The matching wall-clock times from `start` to before `end`; naive, for a zone matters not."""
    for day in _days(expression, start.date(), min(end.year, LAST_YEAR)):
        midnight = datetime.combine(day, time())
        if midnight >= end:
            return
        for since_midnight in _times(expression, start - midnight):
            wall = midnight + since_midnight
            if wall >= end:
                return
            yield wall


def _times(expression: CronExpression, start: timedelta = timedelta(0)) -> Iterator[timedelta]:
    """The times of a day that match, from `start` on, as distances from its midnight."""
    for hour in expression.hours:
        if timedelta(hours=hour + 1) <= start:
            continue
        for minute in expression.minutes:
            for second in expression.seconds:
                since_midnight = timedelta(hours=hour, minutes=minute, seconds=second)
                if since_midnight >= start:
                    yield since_midnight


def _days(expression: CronExpression, start: date, last_year: int) -> Iterator[date]:
    """The days that match, from `start` to the end of a year."""
    for year in range(start.year, last_year + 1):
        for month in expression.months:
            if (year, month) < (start.year, start.month):
                continue
            day = max(date(year, month, 1), start)
            while day.month == month:
                if expression.matches_day(day):
                    yield day
                day += _DAY
