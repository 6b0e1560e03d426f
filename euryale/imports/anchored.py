"""Intervals that are counted from a moment, as cron expressions.

Our own intervals are counted from the Unix epoch. One that divides a day and begins elsewhere fires
at the same times of each day in UTC, and an expression can name these, or some together.
"""

from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from euryale.imports.cron_text import field_text
from euryale.time.cron_fields import HOUR, MINUTE, SECOND

_Key = TypeVar("_Key", bound=Hashable)

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_MOST_EXPRESSIONS = 24


def anchored_expressions(interval: timedelta, anchor: datetime) -> tuple[str, ...]:
    """Expressions that fire at equal distances from a moment.

    Args:
        interval: The distance.
        anchor: One of the moments, in UTC.

    Returns:
        Expressions in UTC; none if none say it, or very many would be needed.

    Example:
        >>> anchored_expressions(timedelta(minutes=90), datetime(2026, 1, 1, 0, 20))
        ('20 */3 * * *', '50 1-22/3 * * *')
    """
    if interval == _WEEK:
        times, weekday = [anchor], str(anchor.isoweekday() % 7)
    elif _DAY % interval:
        return ()
    else:
        times, weekday = [anchor + count * interval for count in range(_DAY // interval)], "*"
    hours = _grouped(((time.second, time.minute), time.hour) for time in times)
    minutes = _grouped(((second, at), minute) for (second, minute), at in hours.items())
    seconds = _grouped(((at, minute), second) for (second, at), minute in minutes.items())
    if len(seconds) > _MOST_EXPRESSIONS:
        return ()
    return tuple(
        " ".join(
            [
                *([] if second == (0,) else [field_text(second, SECOND)]),
                field_text(minute, MINUTE),
                f"{field_text(hour, HOUR)} * * {weekday}",
            ]
        )
        for (hour, minute), second in seconds.items()
    )


def _grouped(pairs: Iterable[tuple[_Key, int]]) -> dict[_Key, tuple[int, ...]]:
    groups: dict[_Key, list[int]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(sorted(values)) for key, values in groups.items()}
