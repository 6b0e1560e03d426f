"""Cron expressions: text in, a frozen value out, or a refusal that names the field.

The dialect is Debian's cron, and what Medusa's users, Quartz and Jenkins add to it; the page
`docs/reference/cron.md` defines it. `cron_fields` reads one field; here the fields become an
expression.
"""

import difflib
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from euryale.errors import ScheduleInvalid
from euryale.time.cron_fields import (
    FIELDS,
    MONTH,
    SECOND,
    CronField,
    FieldReading,
    FieldText,
    read_field,
    shortened,
)
from euryale.time.day_rules import DayField, DayRule, day_rules
from euryale.time.interval import parse_interval
from euryale.time.zones import time_zone

__all__ = ["FIELDS", "CronExpression", "CronField", "DayRule", "Every", "parse_schedule"]

_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_ZONE = re.compile(r"(?P<key>(?:CRON_)?TZ)=(?P<zone>\S*)\s*(?P<rest>.*)", re.IGNORECASE)
_ORDER = "minute, hour, day of month, month, day of week"


@dataclass(frozen=True, slots=True)
class Every:
    """A schedule that fires at equal distances of elapsed time.

    Attributes:
        interval: The distance, whole seconds.
    """

    interval: timedelta


@dataclass(frozen=True, slots=True)
class CronExpression:
    """What a cron expression means: the values that each field matches.

    Attributes:
        text: The expression as it was written, with single spaces.
        seconds: The seconds that match, ascending, as all values below; 0 where none are written.
        minutes: The minutes.
        hours: The hours, 0 to 23.
        day_of_month: What the day-of-month field says.
        months: The months, 1 to 12.
        day_of_week: What the day-of-week field says.
        day_rules: A day of one of the months matches when any of these does.
        hour_is_wildcard: Whether the time of day is left open, so that the job runs by elapsed
            time on days when the clocks are changed. It is where the minute or the hour field
            begins with `*`, which is what Debian's cron asks.
        zone: The zone that the expression names itself, by `CRON_TZ=`.
    """

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    day_of_month: DayField
    months: tuple[int, ...]
    day_of_week: DayField
    day_rules: tuple[DayRule, ...]
    hour_is_wildcard: bool
    zone: str | None = None

    @classmethod
    def parse(cls, text: str, *, where: str = "", name: str = "") -> Self:
        """Read a cron expression.

        Args:
            text: Five fields, or six with the second first, or one of `@yearly @annually @monthly
                @weekly @daily @midnight @hourly`; before them, `CRON_TZ=` and a zone.
            where: The file and line or the field that a refusal should name.
            name: The job's name, which `H` is spread by.

        Raises:
            ScheduleInvalid: The text is no expression of the dialect, or can be read in more ways
                than one, or never matches.

        Example:
            >>> CronExpression.parse("*/20 9-11 * * MON-FRI").minutes
            (0, 20, 40)
        """
        shown = " ".join(text.split())
        zone, written = _without_zone(shown, where)
        texts = _split(written, shown, where)
        second, minute, hour, in_month, month, in_week = (
            read_field(FieldText(field_text, field, shown, where, name))
            for field, field_text in zip((SECOND, *FIELDS), texts, strict=True)
        )
        if texts[3] == texts[5] == "?":
            raise ScheduleInvalid(
                f"both day fields of schedule '{shortened(shown)}' are ?, which leaves the day to"
                " the other one",
                where=where,
                mend="write * in one of them",
            )
        day_of_month, day_of_week = _day_field(in_month), _day_field(in_week)
        rules = day_rules(day_of_month, day_of_week, month.values)
        if not rules:
            raise _never_matches(shown, where, day_of_month, month.values)
        return cls(
            text=shown,
            seconds=second.values,
            minutes=minute.values,
            hours=hour.values,
            day_of_month=day_of_month,
            months=month.values,
            day_of_week=day_of_week,
            day_rules=rules,
            hour_is_wildcard=minute.wildcard or hour.wildcard,
            zone=zone,
        )

    @property
    def either_day(self) -> bool:
        """Whether a day matches when either day field does: both are restricted (crontab(5))."""
        return self.day_of_month.restricted and self.day_of_week.restricted

    def matches_day(self, day: date) -> bool:
        """Whether the expression matches on a day.

        Example:
            >>> CronExpression.parse("0 9 LW * *").matches_day(date(2026, 1, 30))
            True
        """
        return day.month in self.months and any(rule.matches(day) for rule in self.day_rules)

    def in_zone(self, given: str | None, *, where: str = "") -> str:
        """The zone whose wall clock the expression means: its own, or the one given, or UTC.

        Args:
            given: The IANA name of the zone that is given beside the expression; None if none is.
            where: The file and line or the field that a refusal should name.

        Raises:
            ScheduleInvalid: The expression names another zone than the one given.

        Example:
            >>> CronExpression.parse("CRON_TZ=Asia/Kolkata 0 9 * * *").in_zone(None)
            'Asia/Kolkata'
        """
        if given is not None and self.zone is not None and given != self.zone:
            raise ScheduleInvalid(
                f"schedule '{shortened(self.text)}' names another zone than time_zone '{given}'",
                where=where,
                mend="name the zone once",
            )
        return self.zone or given or "UTC"


def parse_schedule(text: str, *, where: str = "", name: str = "") -> CronExpression | Every:
    """Read what a schedule may say in words: a cron expression, or an interval.

    Args:
        text: A cron expression, or an interval such as `every 15 minutes` or `@every 1h30m`.
        where: The file and line or the field that a refusal should name.
        name: The job's name, which `H` is spread by.

    Raises:
        ScheduleInvalid: The text is neither.

    Example:
        >>> parse_schedule("every 15 minutes")
        Every(interval=datetime.timedelta(seconds=900))
    """
    interval = parse_interval(text, where=where)
    return (
        CronExpression.parse(text, where=where, name=name) if interval is None else Every(interval)
    )


def _without_zone(shown: str, where: str) -> tuple[str | None, str]:
    """The zone that an expression names, and the rest of it."""
    match = _ZONE.match(shown)
    if match is None:
        return None, shown
    if match["key"] != "CRON_TZ":
        raise ScheduleInvalid(
            f"schedule '{shortened(shown)}' begins with {match['key']}=",
            where=where,
            mend=f"write CRON_TZ={shortened(match['zone'])}, or give the config's time_zone",
        )
    return time_zone(match["zone"], where=where).key, match["rest"]


def _split(written: str, shown: str, where: str) -> list[str]:
    """The texts of the six fields; refuses what isn't five or six fields."""
    lowered = written.lower()
    if parse_interval(written, where=where) is not None:
        raise ScheduleInvalid(
            f"schedule '{shortened(shown)}' is an interval, where a cron expression is asked for",
            where=where,
            mend="write cron fields, such as '*/15 * * * *'",
        )
    if written.startswith("@") and lowered not in _NICKNAMES:
        word = lowered.split()[0]
        near = difflib.get_close_matches(word, _NICKNAMES, n=1, cutoff=0.8)
        raise ScheduleInvalid(
            f"schedule '{shortened(shown)}' is none of {' '.join(_NICKNAMES)}",
            where=where,
            mend=f"did you mean {near[0]}?"
            if near
            else "write five fields, such as '*/10 * * * *'",
        )
    fields = _NICKNAMES.get(lowered, written).split()
    if len(fields) == len(FIELDS):
        return ["0", *fields]
    if len(fields) == len(FIELDS) + 1:
        if re.fullmatch(r"(19|20)[0-9]{2}.*", fields[-1]):
            raise ScheduleInvalid(
                f"schedule '{shortened(shown)}' ends with a year, and of six fields the first is"
                " the second",
                where=where,
                mend="leave the year out, and end the schedule by its date",
            )
        return fields
    raise ScheduleInvalid(
        f"schedule '{shortened(shown)}' has {len(fields)} field{'s' * (len(fields) != 1)}, not 5,"
        " or 6 with the second first",
        where=where,
        mend=_mend_count(fields),
    )


def _mend_count(fields: list[str]) -> str:
    if len(fields) > len(FIELDS) + 1:
        return f"write (second,) {_ORDER}; a year can't be given"
    if fields and not fields[0][0].isalpha():
        return f"write {_ORDER}, perhaps '{' '.join([*fields, *'****'][: len(FIELDS)])}'"
    return f"write {_ORDER}, such as '0 9 * * MON-FRI', or 'every 15 minutes'"


def _day_field(reading: FieldReading) -> DayField:
    return DayField(reading.values, reading.forms, restricted=not reading.wildcard)


def _never_matches(
    shown: str, where: str, day_of_month: DayField, months: tuple[int, ...]
) -> ScheduleInvalid:
    """The refusal of days that no year has, such as 30 February."""
    longest = max(_DAYS_IN_MONTH[month - 1] for month in months)
    if day_of_month.values and not day_of_month.forms and day_of_month.values[0] > longest:
        names = " or ".join(MONTH.names[month - 1] for month in months)
        return ScheduleInvalid(
            f"day of month and month in schedule '{shortened(shown)}' never meet:"
            f" {names} has no day {day_of_month.values[0]}",
            where=where,
            mend=f"use a day up to {longest}, or another month",
        )
    return ScheduleInvalid(
        f"day of month, month and day of week in schedule '{shortened(shown)}' never meet",
        where=where,
        mend="use other days, or other months",
    )
