"""Boxes: sets of days and of minutes as few products of lists of values, as calendars say them.

A calendar matches what is in a list of years, in a list of months, in a list of days of the month
and in a list of days of the week. Few such boxes cover a set if they may be generous: 31 June, or a
Monday where only Sundays count, can be named without harm. So each list is known by what it must
hold and what it may hold, and lists are merged as long as what one must hold the others may.

Lists are sets of bits here: bit 1 of days of the month stands for the first.
"""

import calendar
import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from euryale.time.utc_days import origin

Key = TypeVar("Key")

_MINUTES_OF_HOUR = (1 << 60) - 1
_DAYS_OF_MONTH = (2 << 31) - 2
_MONTHS_OF_YEAR = (1 << 12) - 1
_EVERY_WEEKDAY = tuple(range(7))


@dataclass(frozen=True, slots=True)
class DayBox:
    """The days of some years, months, days of the month and days of the week (0 is Sunday)."""

    years: tuple[int, ...]
    months: tuple[int, ...]
    days_of_month: tuple[int, ...]
    days_of_week: tuple[int, ...]


@functools.lru_cache(maxsize=1_000)
def day_boxes(days: int, years: range) -> tuple[DayBox, ...]:
    """Few boxes that hold the days of a set and no other days of the years.

    Args:
        days: A set of days of the years; see `utc_days`.
        years: The years, which are also all that the boxes name.
    """
    boxes = tuple(_boxes(days, years, _EVERY_WEEKDAY))
    weekdays = tuple(weekday for weekday in _EVERY_WEEKDAY if days & _weekday(weekday, years))
    if weekdays == _EVERY_WEEKDAY or len(boxes) == 1:
        return boxes
    return min(boxes, tuple(_boxes(days, years, weekdays)), key=len)


def clock_boxes(minutes: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Hours and minutes whose products together are a set of minutes of a day; see `utc_days`."""
    by_hour = ((hour, minutes >> 60 * hour & _MINUTES_OF_HOUR) for hour in range(24))
    rows = [(hour, part, part) for hour, part in by_hour if part]
    return [(tuple(hours), _values(part)) for hours, part, _ in _merged(rows)]


def _boxes(days: int, years: range, weekdays: tuple[int, ...]) -> Iterator[DayBox]:
    """The boxes with these days of the week; the months that they are for are a set of bits too."""
    kinds = _kinds(days, years, weekdays)
    left = sum(places for (must, _), places in kinds.items() if must)
    lists = _merged([(places, must, may) for (must, may), places in kinds.items() if must])
    # The lists that most months have in common come first, for they may cover others' months.
    for members, must, may in sorted(lists, key=lambda row: -sum(row[0]).bit_count()):
        needed = left & sum(members)
        if not needed:
            continue
        named = _between(must, may, _DAYS_OF_MONTH)
        harmless = sum(places for (_, may), places in kinds.items() if not named & ~may)
        for in_years, in_months in _products(needed, harmless, len(years)):
            yield DayBox(
                tuple(years[year] for year in in_years),
                tuple(month + 1 for month in in_months),
                _values(named),
                weekdays,
            )
        # Months of other lists that happen to be covered are left alone; they are seldom.
        left &= ~needed


def _kinds(days: int, years: range, weekdays: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """The months by what their list of days must hold and may hold.

    Returns:
        For each such pair a set of months, whose bit 0 stands for the first year's January.
    """
    counted = sum(_weekday(weekday, years) for weekday in weekdays) & ~days
    kinds: dict[tuple[int, int], int] = defaultdict(int)
    for place, (first, in_month) in enumerate(_months(years)):
        must = days >> first & in_month
        harmful = counted >> first & in_month
        kinds[must, _DAYS_OF_MONTH & ~harmful] |= 1 << place
    return kinds


@functools.lru_cache(maxsize=100)
def _months(years: range) -> tuple[tuple[int, int], ...]:
    """For each month, how far to shift a set of days so that bit 1 is its first, and its bits."""
    return tuple(
        (
            (date(year, month, 1) - origin(years)).days - 1,
            (2 << calendar.monthrange(year, month)[1]) - 2,
        )
        for year in years
        for month in range(1, 13)
    )


@functools.lru_cache(maxsize=100)
def _weekday(weekday: int, years: range) -> int:
    """The set of days that are a day of the week."""
    first = origin(years)
    length = (date(years.stop, 1, 1) - first).days
    return sum(1 << day for day in range((weekday - first.isoweekday()) % 7, length, 7))


def _products(
    needed: int, harmless: int, years: int
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Years and months whose products hold all months that are needed and none but harmless ones.

    Args:
        needed: A set of months, as `_kinds` has them.
        harmless: Another, which holds it.
        years: How many years there are.

    Returns:
        Numbers of years and of months, both from 0.
    """
    by_year = [[place >> 12 * year & _MONTHS_OF_YEAR for year in range(years)]
               for place in (needed, harmless)]  # fmt: skip
    products = _pairs(*by_year)
    if len(products) > 1:
        by_month = [_turned(rows, 12) for rows in by_year]
        turned = [(firsts, seconds) for seconds, firsts in _pairs(*by_month)]
        products = min(products, turned, key=len)
    return products


def _pairs(
    needed: Sequence[int], harmless: Sequence[int]
) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Numbers of rows with what they have in common, merged where that is harmless."""
    every = functools.reduce(int.__or__, needed, 0)
    merged = _merged([(n, row, harmless[n]) for n, row in enumerate(needed) if row])
    return [
        (tuple(sorted(rows)), _values(_between(must, may, every))) for rows, must, may in merged
    ]


def _turned(rows: Sequence[int], width: int) -> list[int]:
    """Columns for rows."""
    return [sum((row >> column & 1) << n for n, row in enumerate(rows)) for column in range(width)]


def _merged(rows: Iterable[tuple[Key, int, int]]) -> list[tuple[list[Key], int, int]]:
    """Join rows as long as what one must hold all others may; the most demanding come first."""
    alike: dict[tuple[int, int], list[Key]] = defaultdict(list)
    for key, must, may in rows:
        alike[must, may].append(key)
    merged: list[tuple[list[Key], int, int]] = []
    for (must, may), keys in sorted(alike.items(), key=lambda row: -row[0][0].bit_count()):
        for place, (others, their_must, their_may) in enumerate(merged):
            if not (must | their_must) & ~(may & their_may):
                merged[place] = ([*others, *keys], must | their_must, may & their_may)
                break
        else:
            merged.append((keys, must, may))
    return merged


def _between(must: int, may: int, every: int) -> int:
    """What to name: all if one may, else what one must, with the holes filled that one may fill."""
    if not every & ~may:
        return every
    named = must
    hole = 0
    for value in range((must & -must).bit_length(), must.bit_length()):
        hole |= 1 << value
        if must >> value & 1:
            if not hole & ~may:
                named |= hole
            hole = 0
    return named


def _values(bits: int) -> tuple[int, ...]:
    return tuple(value for value in range(bits.bit_length()) if bits >> value & 1)
