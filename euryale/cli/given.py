"""Times, stretches of time and durations as people give them to a command.

A time without an offset is meant in the zone of what is asked about. One that the zone's clocks
leave out or show twice is refused, since it may mean two moments.
"""

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from euryale.errors import ScheduleInvalid
from euryale.time.zones import LAST_YEAR

FIRST_YEAR = 2000
"""The first year that Temporal's calendars know."""

_UNITS = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_DURATION = re.compile(r"(?:([0-9]{1,7})d)?(?:([0-9]{1,7})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,7})s)?")
_LONGEST_DURATION = timedelta(days=36_525)
_TIME_EXAMPLE = "write it as 2026-03-29, 2026-03-29T02:30 or 2026-03-29T02:30+01:00"
_LONGEST_SHOWN = 60


def given_duration(text: str, option: str) -> timedelta:
    """Read a duration: days of 24 hours, hours, minutes and seconds.

    Args:
        text: Such as `40m`, `2h`, `90s` or `1h30m`.
        option: The option that it was given to, for the refusal.

    Raises:
        ScheduleInvalid: The text is no duration.

    Example:
        >>> given_duration("1h30m", "--duration")
        datetime.timedelta(seconds=5400)
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None or not any(match.groups()):
        raise ScheduleInvalid(
            f"'{text[:_LONGEST_SHOWN]}' is no duration",
            where=option,
            mend="write it as 40m, 2h, 90s or 1h30m",
        )
    counts = (int(count or 0) for count in match.groups())
    duration = sum(
        (count * unit for count, unit in zip(counts, _UNITS.values(), strict=True)), timedelta(0)
    )
    if duration > _LONGEST_DURATION:
        raise ScheduleInvalid(
            f"'{text[:_LONGEST_SHOWN]}' is longer than a century",
            where=option,
            mend="give a shorter one",
        )
    return duration


def given_time(text: str, zone: ZoneInfo, option: str) -> datetime:
    """Read a time in ISO 8601's form; a date alone is its midnight.

    Args:
        text: Such as `2026-03-29T02:30`, `2026-03-29T02:30+01:00` or `2026-03-29`.
        zone: The zone that a time without an offset is meant in.
        option: The option that it was given to, for the refusal.

    Returns:
        An aware time in the zone.

    Raises:
        ScheduleInvalid: The text is no time, one outside of the years that Temporal knows, or one
            that the zone's clocks leave out or show twice.

    Example:
        >>> given_time("2026-03-29T04:30", ZoneInfo("Europe/Berlin"), "--from").isoformat()
        '2026-03-29T04:30:00+02:00'
    """
    try:
        time = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ScheduleInvalid(
            f"'{text[:_LONGEST_SHOWN]}' is no time", where=option, mend=_TIME_EXAMPLE
        ) from None
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise ScheduleInvalid(
            f"'{text[:_LONGEST_SHOWN]}' is outside of the years that Temporal knows",
            where=option,
            mend=f"give a time from {FIRST_YEAR} to {LAST_YEAR}",
        )
    return _meant(time, text, zone, option) if time.tzinfo is None else time.astimezone(zone)


def given_span(text: str, zone: ZoneInfo, option: str) -> tuple[datetime, datetime]:
    """Read a stretch of time: two times with `..` between them.

    Raises:
        ScheduleInvalid: The text is no such thing, or it doesn't end after it starts.

    Example:
        >>> start, end = given_span("2026-01-05..2026-01-05T02:30", ZoneInfo("UTC"), "--outage")
        >>> end - start
        datetime.timedelta(seconds=9000)
    """
    parts = text.split("..")
    if len(parts) != len(("from", "to")):
        raise ScheduleInvalid(
            f"'{text[:_LONGEST_SHOWN]}' is no stretch of time",
            where=option,
            mend="write two times with .. between them, as 2026-01-05T08:00..2026-01-05T10:30",
        )
    start, end = (given_time(part, zone, option) for part in parts)
    refuse_backwards(start, end, option)
    return start, end


def given_date(text: str, option: str) -> date:
    """Read a date.

    Raises:
        ScheduleInvalid: The text is no date, or one outside of the years that Temporal knows.

    Example:
        >>> given_date("2026-03-29", "--from")
        datetime.date(2026, 3, 29)
    """
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        day = None
    if day is None or not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ScheduleInvalid(
            f"'{text[:_LONGEST_SHOWN]}' is no date from {FIRST_YEAR} to {LAST_YEAR}",
            where=option,
            mend="write it as 2026-03-29",
        )
    return day


def refuse_backwards(start: datetime, end: datetime, option: str) -> None:
    """Raise unless a stretch of time ends after it starts.

    Raises:
        ScheduleInvalid: It doesn't.
    """
    if end.astimezone(UTC) <= start.astimezone(UTC):
        raise ScheduleInvalid(
            f"{end.isoformat()} is not after {start.isoformat()}",
            where=option,
            mend="give the earlier time first",
        )


def _meant(wall: datetime, text: str, zone: ZoneInfo, option: str) -> datetime:
    first, second = (wall.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    missing = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != wall
    raise ScheduleInvalid(
        f"'{text}' {'does not exist' if missing else 'comes twice'} in {zone.key}, whose clocks "
        f"are changed then",
        where=option,
        mend=f"give the offset: {first.isoformat()} or {second.isoformat()}",
    )
