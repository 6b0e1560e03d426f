"""Zones whose clocks are changed in every way, expressions to try in them, and two references."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.config import Dst
from euryale.errors import ScheduleInvalid
from euryale.time.cron import CronExpression

MINUTE = timedelta(minutes=1)

ZONES = (
    "UTC",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    "Europe/Berlin",
    "Europe/London",
    "Australia/Lord_Howe",  # by half an hour
    "America/Sao_Paulo",  # at midnight, up to 2019
    "Africa/Cairo",  # at midnight
    "Africa/Casablanca",  # for Ramadan, and backwards
    "Pacific/Auckland",
    "Antarctica/Troll",  # by two hours
    "Europe/Dublin",  # winter is the exception
    "Pacific/Chatham",  # 12:45 ahead
    "Pacific/Apia",  # left out 30 December 2011
    "America/Nuuk",  # on Saturday before midnight
    "America/St_Johns",  # at 00:01, up to 2011
)

POLICIES: tuple[Dst, ...] = ("once", "skip", "twice")


def random_expression(chance: random.Random) -> CronExpression:
    """An expression of few firings a day, most of them at night, on any kind of days."""
    while True:
        minute = chance.choice(["0", "30", "15,45", "*/30", "*/20", "5", "0,59", "1-3"])
        hour = chance.choice(
            [
                "*",
                "*/6",
                "23",
                f"{chance.randint(0, 4)}",
                f"0-{chance.randint(1, 5)}",
                f"{chance.randint(0, 3)},{chance.randint(4, 23)}",
            ]
        )
        second = chance.choice(["", "", "", "", "30 ", "0,20 ", "*/30 "])
        day_of_month = _field(chance, 1, 31, ("L", "LW", "15W", "1W", "31W", "L-3"))
        month = _field(chance, 1, 12, ("3,10", "2"))
        day_of_week = _field(chance, 0, 6, ("MON#2", "0L", "6#5", "MON-FRI"))
        try:
            return CronExpression.parse(
                f"{second}{minute} {hour} {day_of_month} {month} {day_of_week}"
            )
        except ScheduleInvalid as refusal:
            assert "never" in refusal.what, refusal  # noqa: PT017 - the one refusal to be met


def _field(chance: random.Random, low: int, high: int, more: Sequence[str]) -> str:
    first, last = sorted((chance.randint(low, high), chance.randint(low, high)))
    step = chance.randint(2, 9)
    return chance.choice(
        ["*", "*", "*", "*", f"{first}", f"{first}-{last}", f"{first}-{last}/{step}", f"*/{step}"]
        + ([chance.choice(more)] * 2)
    )


def values(ranges: Sequence[ScheduleRange]) -> list[int]:
    """The values of ranges, as Temporal documents them."""
    return [
        value
        for part in ranges
        for value in range(part.start, max(part.end, part.start) + 1, part.step or 1)
    ]


def read(
    calendars: Sequence[ScheduleCalendarSpec], start: datetime, end: datetime
) -> list[datetime]:
    """When calendars in UTC match, from `start` to before `end`, as Temporal documents them."""
    times: set[datetime] = set()
    for calendar in calendars:
        clock = [
            timedelta(hours=hour, minutes=minute, seconds=second)
            for hour, minute, second in product(
                values(calendar.hour), values(calendar.minute), values(calendar.second)
            )
        ]
        days_of_week = values(calendar.day_of_week)
        days_of_month = values(calendar.day_of_month)
        for year, month in product(values(calendar.year), values(calendar.month)):
            if not (start.year, start.month) <= (year, month) <= (end.year, end.month):
                continue
            for day_of_month in days_of_month:
                try:
                    day = datetime(year, month, day_of_month, tzinfo=UTC)
                except ValueError:  # The month is shorter.
                    continue
                if day.isoweekday() % 7 in days_of_week:
                    times.update(day + time for time in clock)
    return sorted(time for time in times if start <= time < end)


def walked(
    expression: CronExpression, zone: str, dst: Dst, start: datetime, end: datetime
) -> Iterator[datetime]:
    """When an expression fires by its policy: a walk through each second, by zoneinfo alone."""
    rules = ZoneInfo(zone)
    by_elapsed_time = dst == "once" and expression.hour_is_wildcard
    reached = None
    moment = start
    while moment < end:
        shown = moment.astimezone(rules)
        wall = shown.replace(tzinfo=None, fold=0)
        fires = False
        if reached is not None and wall > reached and dst != "skip" and not by_elapsed_time:
            fires = any(
                matches(expression, reached + minute * MINUTE)
                for minute in range((wall - reached) // MINUTE)
            )
        if shown.fold == 0 or dst == "twice" or by_elapsed_time:
            fires_at = [second for second in expression.seconds if matches(expression, wall)]
        else:
            fires_at = []
        yield from (
            moment + timedelta(seconds=second)
            for second in sorted({*fires_at, *([0] if fires else [])})
        )
        reached = wall + MINUTE
        moment += MINUTE


def matches(expression: CronExpression, wall: datetime) -> bool:
    """Whether a minute of wall-clock time matches, its seconds aside."""
    return (
        wall.minute in expression.minutes
        and wall.hour in expression.hours
        and expression.matches_day(wall.date())
    )
