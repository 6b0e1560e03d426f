"""Times and durations as people say them."""

from datetime import date, datetime, timedelta

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


def distance(duration: timedelta) -> str:
    """A duration in its two largest units.

    Example:
        >>> distance(timedelta(hours=3, minutes=20, seconds=5)), distance(timedelta(days=40))
        ('3 h 20 min', '40 d')
    """
    seconds = max(0, round(duration.total_seconds()))
    days, hours = seconds // _DAY, seconds % _DAY // _HOUR
    minutes, rest = seconds % _HOUR // _MINUTE, seconds % _MINUTE
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (amount, _) in enumerate(units) if amount), len(units) - 1)
    return " ".join(
        f"{amount} {unit}"
        for i, (amount, unit) in enumerate(units[first : first + 2])
        if amount or not i
    )


def took(duration: timedelta) -> str:
    """How long something took, to the tenth of a second while that matters.

    Example:
        >>> took(timedelta(seconds=4.21)), took(timedelta(seconds=75))
        ('4.2 s', '1 min 15 s')
    """
    seconds = duration.total_seconds()
    return f"{max(0.0, seconds):.1f} s" if seconds < _MINUTE else distance(duration)


def moment(time: datetime) -> str:
    """A time with its weekday and zone, to the minute, or to the second where it has any.

    Example:
        >>> from datetime import UTC
        >>> moment(datetime(2026, 1, 5, 9, 30, tzinfo=UTC))
        'Mon 2026-01-05 09:30 UTC'
    """
    seconds = f":{time:%S}" if time.second else ""
    return f"{day(time)} {time:%H:%M}{seconds} {time.tzname()}"


def day(of: date) -> str:
    """A date with its weekday.

    Example:
        >>> day(date(2026, 1, 5))
        'Mon 2026-01-05'
    """
    return f"{_WEEKDAYS[of.weekday()]} {of:%Y-%m-%d}"


def offset(time: datetime) -> str:
    """What a time's clock is ahead of UTC.

    Example:
        >>> from datetime import UTC
        >>> offset(datetime(2026, 1, 5, tzinfo=UTC))
        'UTC+00:00'
    """
    return f"UTC{time.isoformat(timespec='minutes')[16:]}"


# Not `%a`, which speaks the machine's language.
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
