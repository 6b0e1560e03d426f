"""Which UTC days each time of day fires on: the arithmetic behind the calendars of a DST zone.

In UTC a job of such a zone fires at other times in summer than in winter, and at yet others on the
days between. Seen the other way round it is simple: each time of day, in UTC, fires on a set of
days, and many times share theirs. Nothing is simulated: within a regime the UTC times follow from
the offset, and where two meet only the firing at the end of a gap is added.

A set of days is an `int`: bit 0 stands for the day before the first year that is asked for, bit 1
for its 1 January, and so on. A set of minutes of a day is one too: bit 0 stands for 00:00.
"""

import calendar
import functools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from euryale.time.cron import CronExpression
from euryale.time.day_rules import DayRule
from euryale.time.regimes import Regime, SeamRule, regimes_in

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_DAY_IN_MINUTES = _DAY // _MINUTE
_ALL_MINUTES = (1 << _DAY_IN_MINUTES) - 1

# An offset, the first moment that may fire under it, and the first that no longer does.
_Stretch = tuple[timedelta, datetime, datetime]


@dataclass(frozen=True, slots=True)
class FiringTimes:
    """Times of day that fire on the same days, all in UTC.

    Attributes:
        minutes: The set of minutes of the day.
        seconds: The seconds of each of these minutes.
        days: The set of days.
    """

    minutes: int
    seconds: tuple[int, ...]
    days: int


def origin(years: range) -> date:
    """The day that bit 0 of a set of days stands for."""
    return date(years.start - 1, 12, 31)


def firing_times(
    expression: CronExpression, day_rule: DayRule, zone: ZoneInfo, seam: SeamRule, years: range
) -> Iterator[FiringTimes]:
    """When an expression fires on the days of one of its rules.

    Args:
        expression: The cron expression.
        day_rule: One of its rules for days.
        zone: The time zone that the expression is meant in.
        seam: What it does where two regimes meet.
        years: The UTC years that are asked for.

    Yields:
        Times of day with their days. A moment may come more than once.
    """
    local_days = _local_days(day_rule, expression.months, years)
    hours = sum(1 << 60 * hour for hour in expression.hours)
    # Times of day in wall-clock time; there is no carry, for a minute is less than an hour.
    wanted = hours * sum(1 << minute for minute in expression.minutes)
    met = regimes_in(zone, years)
    stretches = [(each.offset, each.first_firing(seam), each.end) for each in met]
    minutes_by_days: dict[int, int] = defaultdict(int)
    for minutes, offsets in _alike(wanted, stretches):
        days = _days(minutes, offsets, local_days, stretches, years)
        minutes_by_days[days] |= minutes
    for days, minutes in minutes_by_days.items():
        if days:
            yield FiringTimes(minutes, expression.seconds, days)
    if seam.catches:
        yield from _caught(expression, wanted, local_days, met, years)


@functools.lru_cache(maxsize=1_000)
def _local_days(day_rule: DayRule, months: tuple[int, ...], years: range) -> int:
    """The set of days that match by the calendar on the wall, with one more day at each end."""
    first = origin(years)
    days = 0
    # A rule looks at a day's place in its month only, and there are but 28 kinds of months.
    by_kind: dict[tuple[int, int], int] = {}
    for year in range(first.year, years.stop + 1):
        for month in months:
            _, length = kind = calendar.monthrange(year, month)
            if kind not in by_kind:
                by_kind[kind] = sum(
                    1 << day
                    for day in range(length)
                    if day_rule.matches(date(year, month, day + 1))
                )
            place = (date(year, month, 1) - first).days
            days |= by_kind[kind] << place if place >= 0 else by_kind[kind] >> -place
    return days & ((4 << _length(years)) - 1)


def _length(years: range) -> int:
    return (date(years.stop, 1, 1) - date(years.start, 1, 1)).days


def _alike(wanted: int, stretches: Sequence[_Stretch]) -> Iterator[tuple[int, list[timedelta]]]:
    """Sets of minutes of the UTC day that fire on the same days, and under which offsets they do.

    Such minutes show wanted times under the same offsets, and between them no stretch begins or
    ends and no local day begins.
    """
    offsets = sorted({offset for offset, _, _ in stretches})
    cuts = {0, _DAY_IN_MINUTES, *(-_minutes(offset) % _DAY_IN_MINUTES for offset in offsets)}
    for _, first, end in stretches:
        cuts |= {_minute_of_day(first), _minute_of_day(end)}
    for start, stop in pairwise(sorted(cuts)):
        pieces: list[tuple[int, list[timedelta]]] = [((1 << stop) - (1 << start), [])]
        for offset in offsets:
            shown = _in_utc(wanted, offset)
            pieces = [
                piece
                for minutes, under in pieces
                for piece in ((minutes & shown, [*under, offset]), (minutes & ~shown, under))
                if piece[0]
            ]
        yield from ((minutes, under) for minutes, under in pieces if under)


def _days(
    minutes: int,
    offsets: Sequence[timedelta],
    local_days: int,
    stretches: Sequence[_Stretch],
    years: range,
) -> int:
    """The set of UTC days that such minutes fire on."""
    minute = (minutes & -minutes).bit_length() - 1
    # Under each offset the local day is the UTC day, the one before or the one after.
    ahead = {offset: (minute + _minutes(offset)) // _DAY_IN_MINUTES for offset in offsets}
    shifted = {
        offset: local_days >> days if days >= 0 else local_days << -days
        for offset, days in ahead.items()
    }
    days = 0
    for offset, first, end in stretches:
        if offset in shifted:
            first_day, last_day = (_first_day(each, minute, years) for each in (first, end))
            if first_day < last_day:
                days |= shifted[offset] & ((1 << last_day) - (1 << first_day))
    return days & ((2 << _length(years)) - 2)


def _first_day(moment: datetime, minute: int, years: range) -> int:
    """The first day, as the number of its bit, whose `minute` isn't before a moment."""
    day = (moment.date() - origin(years)).days
    return max(day + (minute < _minute_of_day(moment)), 0)


def _caught(
    expression: CronExpression, wanted: int, local_days: int, met: Sequence[Regime], years: range
) -> Iterator[FiringTimes]:
    """The firings at the ends of gaps, but for those that are due anyway."""
    days_by_minute: dict[int, int] = defaultdict(int)
    for regime in met:
        if regime.gap <= timedelta(0):
            continue
        wall = regime.start + regime.offset
        skipped = _matches(wanted, local_days, wall - regime.gap, wall, years)
        due = 0 in expression.seconds and _matches(wanted, local_days, wall, wall + _MINUTE, years)
        day = (regime.start.date() - origin(years)).days
        if skipped and not due and day > 0:
            days_by_minute[_minute_of_day(regime.start)] |= 1 << day
    for minute, days in days_by_minute.items():
        yield FiringTimes(1 << minute, (0,), days)


def _matches(wanted: int, local_days: int, start: datetime, end: datetime, years: range) -> bool:
    """Whether any minute from `start` to before `end`, both wall-clock times, is wanted."""
    day = start.replace(hour=0, minute=0)
    while day < end:
        number = (day.date() - origin(years)).days
        first = max((start - day) // _MINUTE, 0)
        last = min((end - day) // _MINUTE, _DAY_IN_MINUTES)
        if number >= 0 and local_days >> number & 1 and wanted & ((1 << last) - (1 << first)):
            return True
        day += _DAY
    return False


def _in_utc(wanted: int, offset: timedelta) -> int:
    """A set of minutes of the local day as the minutes of the UTC day that show them."""
    back = _minutes(offset) % _DAY_IN_MINUTES
    return wanted >> back | wanted << (_DAY_IN_MINUTES - back) & _ALL_MINUTES


def _minutes(offset: timedelta) -> int:
    return offset // _MINUTE


def _minute_of_day(moment: datetime) -> int:
    return 60 * moment.hour + moment.minute
