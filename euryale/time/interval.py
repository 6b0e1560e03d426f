"""Intervals in words: `every 15 minutes`, `@every 1h30m`."""

import re
from datetime import timedelta

from euryale.errors import ScheduleInvalid

_EVERY = re.compile(r"@?every\b\s*(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_PART = re.compile(r"\s*(?P<count>[0-9]{0,9})\s*(?P<unit>[a-z]+)", re.IGNORECASE | re.ASCII)
_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), timedelta(hours=1)),
}
_OF_THE_CALENDAR = ("d", "day", "days", "w", "week", "weeks", "month", "months", "year", "years")
_LONGEST = timedelta(days=366)
_LONGEST_SHOWN = 120
_EXAMPLE = "write hours, minutes and seconds, such as 'every 15 minutes' or '@every 1h30m'"


def parse_interval(text: str, *, where: str = "") -> timedelta | None:
    """Read an interval in words.

    Args:
        text: `every` or `@every`, and then whole hours, minutes and seconds: `every 15 minutes`,
            `@every 1h30m`, `every hour`.
        where: The file and line or the field that a refusal should name.

    Returns:
        The interval; None if the text doesn't begin with `every`, so that it is something else.

    Raises:
        ScheduleInvalid: The text begins with `every`, and goes on as no interval.

    Example:
        >>> parse_interval("@every 1h30m")
        datetime.timedelta(seconds=5400)
    """
    match = _EVERY.fullmatch(text.strip())
    if match is None:
        return None
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    interval = timedelta()
    seen: list[timedelta] = []
    rest = match["rest"].lower()
    while rest:
        part = _PART.match(rest)
        if part is not None and part["unit"] in _OF_THE_CALENDAR:
            raise ScheduleInvalid(
                f"schedule '{shown}' is ambiguous: a {part['unit'].rstrip('s')} may be elapsed"
                " time, or end at midnight",
                where=where,
                mend="write '@daily' or cron fields to run by the calendar, 'every 24 hours' to"
                " run by elapsed time",
            )
        if (
            part is None
            or part["unit"] not in _UNITS
            or (not part["count"] and (seen or part["unit"] != rest))
        ):
            raise ScheduleInvalid(f"schedule '{shown}' is no interval", where=where, mend=_EXAMPLE)
        unit = _UNITS[part["unit"]]
        if seen and unit >= seen[-1]:
            raise ScheduleInvalid(
                f"schedule '{shown}' names a unit twice or after a shorter one",
                where=where,
                mend=_EXAMPLE,
            )
        seen.append(unit)
        interval += int(part["count"] or 1) * unit
        rest = rest[part.end() :].strip()
    if not timedelta(seconds=1) <= interval <= _LONGEST:
        raise ScheduleInvalid(
            f"schedule '{shown}' is an interval of {interval}"
            if seen
            else f"schedule '{shown}' says no interval",
            where=where,
            mend=f"use at least a second and at most {_LONGEST.days} days" if seen else _EXAMPLE,
        )
    return interval
