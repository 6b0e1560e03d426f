"""Cron expressions: text in, a frozen value out, or a refusal that names the field.

The dialect is that of Debian's cron: five fields (minute, hour, day of month, month, day of week)
of numbers, names, lists, ranges and steps, or one of the `@` names. croniter expands the fields.
What it would read wrongly or too kindly (`15W` as 15, `1-1` as every day, `FRI-2`, a sixth field)
is refused or put in plainer terms before it sees them.
"""

import calendar
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

# croniter ships no type hints.
from croniter import croniter  # type: ignore[import-untyped]

from euryale.errors import ScheduleInvalid

_LONGEST_SHOWN = 120
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class CronField:
    """One of the five fields: its name, its range, and the names of its values.

    Attributes:
        name: What people call it.
        low: The lowest value.
        high: The highest value; 6 for the day of week, where 7 is another word for 0.
        names: Names of values, the first standing for `low`.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[int, ...]:
        """All of the field's values."""
        return tuple(range(self.low, self.high + 1))


MINUTE = CronField("minute", 0, 59)
HOUR = CronField("hour", 0, 23)
DAY_OF_MONTH = CronField("day of month", 1, 31)
MONTH = CronField(
    "month",
    1,
    12,
    ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)
DAY_OF_WEEK = CronField("day of week", 0, 6, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
DAYS_BEFORE_LAST = tuple(range(31))
FIELDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_SUNDAY_AS_SEVEN = 7

_ITEM = re.compile(
    r"(?P<first>\*|[0-9A-Z]+)(?:-(?P<last>[0-9A-Z]+))?(?:/(?P<step>[0-9]{1,9}))?",
    re.IGNORECASE | re.ASCII,
)

# What other dialects add, why it is refused, and what to write instead.
_FOREIGN = (
    (
        re.compile(r".*\?.*"),
        "uses ?, which Unix cron doesn't have",
        "write * in its place",
    ),
    (
        re.compile(r".*#.*"),
        "uses #, and an nth weekday of the month is not supported yet",
        "name the weekday alone, and let the handler return unless the day is 1 to 7, 8 to 14, …",
    ),
    (
        re.compile(r"L?W|W[0-9]+|[0-9]+W", re.IGNORECASE),
        "uses W, and the nearest working day is not supported yet",
        "list the days that it may fall on, and let the handler decide whether today is the one",
    ),
    (
        re.compile(r"L(-?[0-9]+)?|[0-9]+L|[0-9]+-L|[A-Z]{3}L", re.IGNORECASE),
        "uses L, and the last day is not supported yet",
        "list the days that it may fall on, and let the handler return unless today is the last",
    ),
    (
        re.compile(r"[HR](\(.*)?(/.*)?", re.IGNORECASE),
        "leaves the value to chance, which is not supported yet",
        "write a number",
    ),
)


@dataclass(frozen=True, slots=True)
class DayRule:
    """One way for a day to match: by all three of these at once.

    Attributes:
        days_of_month: The days of the month that match, 1 to 31, ascending.
        days_of_week: The days of the week that match, 0 (Sunday) to 6 (Saturday), ascending.
        days_before_last: How many days before the month's last the day may be, 0 to 30, ascending.
    """

    days_of_month: tuple[int, ...] = DAY_OF_MONTH.every
    days_of_week: tuple[int, ...] = DAY_OF_WEEK.every
    days_before_last: tuple[int, ...] = DAYS_BEFORE_LAST

    def matches(self, day: date) -> bool:
        """Whether a day matches, whatever its month is."""
        return (
            day.day in self.days_of_month
            and day.isoweekday() % 7 in self.days_of_week
            and (
                self.days_before_last == DAYS_BEFORE_LAST
                or calendar.monthrange(day.year, day.month)[1] - day.day in self.days_before_last
            )
        )


@dataclass(frozen=True, slots=True)
class CronExpression:
    """What a cron expression means: the values that each field matches.

    Attributes:
        text: The expression as it was written, with single spaces.
        seconds: The seconds that match, ascending; as all the fields below.
        minutes: The minutes.
        hours: The hours, 0 to 23.
        months: The months, 1 to 12.
        day_rules: A day of one of the months matches when any of these does.
        hour_is_wildcard: Whether the hour is left open, so that the job runs by elapsed time on
            days when the clocks are changed: the minute or the hour field begins with `*`, which
            is what Debian's cron asks.
        zone: The zone that the expression names itself.
    """

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days_of_month: tuple[int, ...]
    months: tuple[int, ...]
    days_of_week: tuple[int, ...]
    wildcards: frozenset[str]
    seconds: tuple[int, ...] = (0,)
    zone: str | None = None

    @classmethod
    def parse(cls, text: str, *, where: str = "", name: str = "") -> Self:  # noqa: ARG003 -- H will
        """Read a cron expression.

        Args:
            text: Five fields, or one of `@yearly @annually @monthly @weekly @daily @midnight
                @hourly`.
            where: The file and line or the field that a refusal should name.
            name: The job's name, which `H` is spread by.

        Raises:
            ScheduleInvalid: The text is no expression of the dialect, or never matches.

        Example:
            >>> CronExpression.parse("*/20 9-11 * * MON-FRI").minutes
            (0, 20, 40)
        """
        shown = " ".join(text.split())
        items = _split(shown, where)
        plain = [
            [_plain(_Item(item, field, shown, where)) for item in field_items]
            for field, field_items in zip(FIELDS, items, strict=True)
        ]
        expanded, _ = croniter.expand(" ".join(",".join(field) for field in plain))
        minutes, hours, days_of_month, months, days_of_week = (
            field.every if "*" in values else tuple(sorted(set(values)))
            for field, values in zip(FIELDS, expanded, strict=True)
        )
        expression = cls(
            text=shown,
            minutes=minutes,
            hours=hours,
            days_of_month=days_of_month,
            months=months,
            days_of_week=days_of_week,
            wildcards=frozenset(
                field.name
                for field, field_items in zip(FIELDS, items, strict=True)
                if field_items[0].startswith("*")
            ),
        )
        _refuse_impossible_date(expression, where)
        return expression

    @property
    def day_rules(self) -> tuple[DayRule, ...]:
        """The ways for a day to match; two by the either-day rule."""
        if self.either_day:
            return (
                DayRule(days_of_month=self.days_of_month),
                DayRule(days_of_week=self.days_of_week),
            )
        return (DayRule(self.days_of_month, self.days_of_week),)

    @property
    def hour_is_wildcard(self) -> bool:
        """Whether the job runs by elapsed time on days when the clocks are changed."""
        return not self.wildcards.isdisjoint((MINUTE.name, HOUR.name))

    def matches_day(self, day: date) -> bool:
        """Whether the expression matches on a day."""
        return day.month in self.months and any(rule.matches(day) for rule in self.day_rules)

    @property
    def day_of_month_restricted(self) -> bool:
        """Whether the day-of-month field doesn't begin with `*`."""
        return DAY_OF_MONTH.name not in self.wildcards

    @property
    def day_of_week_restricted(self) -> bool:
        """Whether the day-of-week field doesn't begin with `*`."""
        return DAY_OF_WEEK.name not in self.wildcards

    @property
    def either_day(self) -> bool:
        """Whether a day matches when either day field does: both are restricted (crontab(5))."""
        return self.day_of_month_restricted and self.day_of_week_restricted


def _split(shown: str, where: str) -> list[list[str]]:
    """The items of the five fields; refuses what isn't five fields."""
    lowered = shown.lower()
    if shown.startswith("@") and lowered not in _NICKNAMES:
        word = lowered.split()[0]
        near = difflib.get_close_matches(word, _NICKNAMES, n=1, cutoff=0.8)
        raise ScheduleInvalid(
            f"schedule '{_short(shown)}' is none of {' '.join(_NICKNAMES)}",
            where=where,
            mend=f"did you mean {near[0]}?"
            if near
            else "write five fields, such as '*/10 * * * *'",
        )
    if re.match(r"(CRON_)?TZ=", shown, re.IGNORECASE):
        raise ScheduleInvalid(
            f"schedule '{_short(shown)}' names a time zone",
            where=where,
            mend="give the zone as the config's time_zone, and only the five fields as schedule",
        )
    fields = _NICKNAMES.get(lowered, shown).split()
    if len(fields) != len(FIELDS):
        raise ScheduleInvalid(
            f"schedule '{_short(shown)}' has {len(fields)} field{'s' * (len(fields) != 1)}, not 5",
            where=where,
            mend=_mend_count(fields),
        )
    return [field.split(",") for field in fields]


def _mend_count(fields: Sequence[str]) -> str:
    order = "minute, hour, day of month, month, day of week"
    if len(fields) == len(FIELDS) + 1:
        return f"seconds and years are not supported yet: write {order}"
    if 0 < len(fields) < len(FIELDS) and not fields[0][0].isalpha():
        return f"write {order}, perhaps '{' '.join([*fields, *'****'][: len(FIELDS)])}'"
    return f"write {order}, such as '0 9 * * MON-FRI'"


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of a field's list, and where it stands."""

    text: str
    field: CronField
    shown: str
    where: str

    def refusal(self, reason: str, mend: str) -> ScheduleInvalid:
        """The error that names the item and says why it is refused."""
        return ScheduleInvalid(
            f"{self.field.name} '{_short(self.text)}' in schedule '{_short(self.shown)}' {reason}",
            where=self.where,
            mend=mend,
        )


def _plain(item: _Item) -> str:
    """The item in terms that croniter reads as Debian's cron does: numbers, no 7, no `a-a`."""
    for pattern, reason, mend in _FOREIGN:
        if pattern.fullmatch(item.text):
            raise item.refusal(reason, mend)
    match = _ITEM.fullmatch(item.text)
    if match is None or (match["first"] == "*" and match["last"] is not None):
        raise item.refusal(
            "can't be read" if item.text else "has an empty place in its list",
            "write *, a value, a range a-b, or one of these with a step such as */5, joined by"
            " commas",
        )
    step = int(match["step"] or 1)
    if step == 0:
        raise item.refusal("has a step of 0", "use a step of 1 or more")
    if match["first"] == "*":
        return item.text

    first, last = _bounds(item, match, step)
    if item.field is DAY_OF_WEEK and last == _SUNDAY_AS_SEVEN:
        # croniter turns 7 into 0 before it looks at the range, and then sees one that wraps.
        return ",".join(str(value % 7) for value in range(first, last + 1, step))
    if first == last:
        # croniter reads 1-1 as the whole cycle.
        return str(first)
    return f"{first}-{last}/{step}"


def _bounds(item: _Item, match: re.Match[str], step: int) -> tuple[int, int]:
    """The first and the last value of `a`, `a-b` or `a/n`."""
    first = _value(item, match["first"])
    if match["last"] is not None:
        last = _value(item, match["last"])
    elif match["step"] is not None:
        last = _open_end(item, first, step)
    else:
        last = first
    if last < first:
        raise item.refusal(
            "is a range that runs backwards, and wrap-around ranges are not supported yet",
            f"write {_unwrapped(item.field, first, last, step)}",
        )
    return first, last


def _value(item: _Item, text: str) -> int:
    """A number or a name as its number; 7 stays 7, so that a range may end with it."""
    field = item.field
    limit = _SUNDAY_AS_SEVEN if field is DAY_OF_WEEK else field.high
    allowed = f"use {field.low} to {limit}"
    if field.names:
        allowed += f", or {field.names[0]} to {field.names[-1]}"
    if not text.isdigit():
        if text.upper() in field.names:
            return field.low + field.names.index(text.upper())
        near = difflib.get_close_matches(text[:3].upper(), field.names, n=1)
        raise item.refusal(
            "names no value of the field" if field.names else "is no number",
            f"did you mean {near[0]}?" if near else allowed,
        )
    if len(text) > len(str(limit)) + 2 or not field.low <= int(text) <= limit:
        raise item.refusal(
            f"is out of range: {_short(text)} is not {field.low} to {limit}", allowed
        )
    return int(text)


def _open_end(item: _Item, first: int, step: int) -> int:
    """Where `a/n`, which names no end, ends: with the field, if that has one reading."""
    if item.field is DAY_OF_WEEK:
        to_saturday = {value % 7 for value in range(first, 7, step)}
        to_sunday = {value % 7 for value in range(first, 8, step)}
        if to_saturday != to_sunday:
            raise item.refusal(
                "is ambiguous: some crons count to Saturday, some to Sunday",
                f"write {first}-6/{step} or {first}-7/{step}"
                if first < _SUNDAY_AS_SEVEN
                else "write 0",
            )
    return item.field.high


def _unwrapped(field: CronField, first: int, last: int, step: int) -> str:
    """The same values as a range that runs backwards seems to mean, as a list."""
    if field is DAY_OF_WEEK and first == _SUNDAY_AS_SEVEN:
        return f"0-{last}" if step == 1 else f"0-{last}/{step}"
    if step > 1:
        cycle = len(field.every)
        values = range(first, last + cycle + 1, step)
        return ",".join(str((value - field.low) % cycle + field.low) for value in values)
    if field is DAY_OF_WEEK and last == 0:
        return f"{first}-{_SUNDAY_AS_SEVEN}"
    parts = [(first, field.high), (field.low, last)]
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in parts)


def _refuse_impossible_date(expression: CronExpression, where: str) -> None:
    """Refuse what asks for a day that none of its months has, such as 30 February.

    With the either-day rule the weekday still matches, so the expression means something.
    """
    longest = max(_DAYS_IN_MONTH[month - 1] for month in expression.months)
    if expression.days_of_month[0] > longest and not expression.either_day:
        months = " or ".join(MONTH.names[month - 1] for month in expression.months)
        raise ScheduleInvalid(
            f"day of month and month in schedule '{_short(expression.text)}' never meet:"
            f" {months} has no day {expression.days_of_month[0]}",
            where=where,
            mend=f"use a day up to {longest}, or another month",
        )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
