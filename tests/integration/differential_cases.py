"""Expressions of the whole dialect made by chance, and a reading of calendars as Temporal says.

The reading is the reference between the compiler and the policy clock: it knows neither cron nor
changes of the clocks, and only does what Temporal documents that a calendar means.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import product, takewhile
from zoneinfo import ZoneInfo

from temporalio.client import ScheduleRange

from euryale.config import Dst
from euryale.errors import ScheduleInvalid
from euryale.time.calendars import CompiledSchedule
from euryale.time.clock import firings
from euryale.time.cron import CronExpression
from euryale.time.regimes import regimes_in

ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    "Europe/Berlin",
    "Europe/London",
    "Australia/Lord_Howe",  # by half an hour
    "America/Sao_Paulo",  # at midnight, up to 2019
    "Africa/Cairo",  # at midnight; not from 2015 to 2022
    "Africa/Casablanca",  # for Ramadan, and backwards
    "Pacific/Auckland",
    "Antarctica/Troll",  # by two hours
    "America/Santiago",  # at midnight, in the south
)

DAY = timedelta(days=1)
MANY_A_DAY = 9
"""From so many firings a day on, only days around the transitions and few others are compared."""

_FIRST_YEAR, _LAST_YEAR = 2008, 2086
_YEARS = 4
_MOST_A_DAY = 24 * 60
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_NICKNAMES = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"]

Window = tuple[datetime, datetime]
"""A stretch of time in UTC: from its first moment to before the second."""


@dataclass(frozen=True, slots=True)
class Case:
    """An expression in a zone, from some year on."""

    expression: CronExpression
    zone: str
    year: int

    @property
    def since(self) -> datetime:
        return _new_year(self.year)

    def __str__(self) -> str:
        return f"{self.expression.text} in {self.zone} from {self.year}"


def make_case(zone: str, number: int) -> tuple[Case, random.Random]:
    """The case of a number, always the same one, and what further chances are taken from."""
    chance = random.Random(f"{zone} {number}")  # noqa: S311 - no secret
    return Case(_expression(chance), zone, chance.randint(_FIRST_YEAR, _LAST_YEAR)), chance


def times_a_day(expression: CronExpression) -> int:
    return len(expression.seconds) * len(expression.minutes) * len(expression.hours)


def windows(case: Case, chance: random.Random) -> list[Window]:
    """Four years; or, of what fires often, the days around their transitions and ten others."""
    years = range(case.year, case.year + _YEARS)
    start, end = _new_year(years.start), _new_year(years.stop)
    if times_a_day(case.expression) < MANY_A_DAY:
        return [(start, end)]
    some_day = start + chance.randrange((end - start).days - 10) * DAY
    return [*around_transitions(case), (some_day, some_day + 10 * DAY)]


def around_transitions(case: Case) -> list[Window]:
    """The days before and after each transition of four years."""
    met = regimes_in(ZoneInfo(case.zone), range(case.year, case.year + _YEARS))[1:]
    return [(regime.start - 2 * DAY, regime.start + 2 * DAY) for regime in met]


def told(case: Case, dst: Dst, window: Window) -> list[int]:
    """When the policy clock fires, in seconds since 1970."""
    start, end = window
    after = start - timedelta(seconds=1)
    times = firings(case.expression, case.zone, after=after, dst=dst)
    return [round(time.timestamp()) for time in takewhile(lambda time: time < end, times)]


def read(compiled: CompiledSchedule, window: Window) -> list[int]:
    """When calendars match, in seconds since 1970, in a window without transitions of their zone.

    They are matched day by day, and not by the means of the compiler.
    """
    start, end = (round(moment.timestamp()) for moment in window)
    offset = window[0].astimezone(ZoneInfo(compiled.time_zone_name)).utcoffset()
    assert offset is not None
    ahead = round(offset.total_seconds())
    days = list(_days(window))
    times: set[int] = set()
    for calendar in compiled.calendars:
        years, months, days_of_month, days_of_week = (
            _values(part)
            for part in (
                calendar.year,
                calendar.month,
                calendar.day_of_month,
                calendar.day_of_week,
            )
        )
        clock = [
            3600 * hour + 60 * minute + second - ahead
            for hour, minute, second in product(
                _values(calendar.hour), _values(calendar.minute), _values(calendar.second)
            )
        ]
        for midnight, day in days:
            if (
                day.day in days_of_month
                and day.month in months
                and day.isoweekday() % 7 in days_of_week
                and (not years or day.year in years)
            ):
                times.update([midnight + time for time in clock])
    return sorted(time for time in times if start <= time < end)


def _days(window: Window) -> Iterator[tuple[int, date]]:
    """The days of a window and one more on each side, with their midnights in seconds."""
    midnight = window[0].replace(hour=0, minute=0, second=0) - DAY
    while midnight < window[1] + DAY:
        yield round(midnight.timestamp()), midnight.date()
        midnight += DAY


def _values(ranges: Sequence[ScheduleRange]) -> frozenset[int]:
    return frozenset(
        value
        for part in ranges
        for value in range(part.start, max(part.end, part.start) + 1, part.step or 1)
    )


def _new_year(year: int) -> datetime:
    return datetime(year, 1, 1, tzinfo=UTC)


# --- expressions by chance ----------------------------------------------------------------------


def _expression(chance: random.Random) -> CronExpression:
    while True:
        text = _text(chance)
        try:
            expression = CronExpression.parse(text, name=f"job-{chance.randint(0, 999)}")
        except ScheduleInvalid as refusal:
            # The only refusals that these texts can meet.
            assert "never" in refusal.what or "ambiguous" in refusal.what, refusal  # noqa: PT017
        else:
            if times_a_day(expression) <= _MOST_A_DAY:
                return expression


def _text(chance: random.Random) -> str:
    if chance.random() < 0.03:
        return chance.choice(_NICKNAMES)
    minute = _list(chance, _minute)
    hour = _list(chance, _hour)
    day_of_month = _list(chance, _day_of_month)
    month = "*" if chance.random() < 0.6 else _list(chance, _month)
    day_of_week = _list(chance, _day_of_week)
    if chance.random() < 0.05 and day_of_month != "?":
        day_of_week = "?"
    second = f"{_list(chance, _second)} " if chance.random() < 0.2 else ""
    return f"{second}{minute} {hour} {day_of_month} {month} {day_of_week}"


def _list(chance: random.Random, item: Callable[[random.Random], str]) -> str:
    count = chance.choices((1, 2, 3), (7, 2, 1))[0]
    return ",".join(item(chance) for _ in range(count))


def _second(chance: random.Random) -> str:
    return chance.choice(["0", "30", "*/20", "*/30", "15-45/15", str(chance.randint(0, 59)), "H"])


def _minute(chance: random.Random) -> str:
    usual = ["0", "0", "30", "*/15", "*/30", "*", "*/5", "59", "H", "H/20", "H(0-29)/10"]
    return chance.choice([*usual, _numbers(chance, 0, 59), _numbers(chance, 0, 59)])


def _hour(chance: random.Random) -> str:
    night = [str(chance.randint(0, 4)), f"0-{chance.randint(1, 4)}", "1-3", "2", "1", "0", "23"]
    usual = [*night, "*", "*/2", "*/6", "22-3", "H", "H(0-4)", "0-23"]
    return chance.choice([*usual, _numbers(chance, 0, 23), _numbers(chance, 0, 23)])


def _day_of_month(chance: random.Random) -> str:
    day = chance.randint(1, 31)
    forms = ["L", "LW", f"L-{chance.randint(1, 30)}", f"{day}W", "1W", "31W", "H"]
    every = ["*"] * 8
    return chance.choice([*every, *forms, f"*/{chance.randint(2, 9)}", _numbers(chance, 1, 31)])


def _month(chance: random.Random) -> str:
    first, last = chance.choice(_MONTHS), chance.choice(_MONTHS).lower()
    named = [first, f"{first}-{last}"]
    return chance.choice([*named, "3,10", "2", "*/3", _numbers(chance, 1, 12)])


def _day_of_week(chance: random.Random) -> str:
    first, last = chance.choice(_WEEKDAYS), chance.choice(_WEEKDAYS).lower()
    nth = f"{chance.randint(0, 7)}#{chance.randint(1, 5)}"
    forms = [nth, f"{first}#{chance.randint(1, 5)}", f"{chance.randint(0, 7)}L", f"L{first}"]
    named = [first, f"{first}-{last}", "MON-FRI", "0", "7", "5-7", "*/2"]
    return chance.choice([*["*"] * 8, *forms, *named, _numbers(chance, 0, 6)])


def _numbers(chance: random.Random, low: int, high: int) -> str:
    """A value, a range, which may run over the field's end, or one of them with a step."""
    first, last, step = chance.randint(low, high), chance.randint(low, high), chance.randint(2, 9)
    lower, upper = sorted((first, last))
    kinds = [f"{first}", f"{lower}-{upper}", f"{lower}-{upper}/{step}", f"{first}-{last}"]
    return chance.choice([*kinds, f"{first}/{step}", f"{first}-{last}/{step}"])
