"""Which days match: the forms that a day field may hold, and the rules that they come down to.

Every form (`L`, `15W`, `MON#2`, …) is put as rules of one kind, `DayRule`, which is also what a
Temporal calendar can say once the length of the month is known.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations, product

EVERY_DAY_OF_MONTH = tuple(range(1, 32))
EVERY_DAY_OF_WEEK = tuple(range(7))
EVERY_DAY_BEFORE_LAST = tuple(range(31))

_MONDAY = 1
_FRIDAY = 5
_MONDAY_TO_FRIDAY = (1, 2, 3, 4, 5)
_DAYS_IN_WEEK = 7
_SHORTEST_MONTH = 28
_LONGEST_MONTH = 31
_LENGTHS = ((31,), (28, 29), (31,), (30,), (31,), (30,), (31,), (31,), (30,), (31,), (30,), (31,))


@dataclass(frozen=True, slots=True)
class DayRule:
    """One way for a day to match: by all three of these at once.

    Attributes:
        days_of_month: The days of the month that match, 1 to 31, ascending.
        days_of_week: The days of the week that match, 0 (Sunday) to 6 (Saturday), ascending.
        days_before_last: How many days before the month's last the day may be, 0 to 30, ascending.

    Example:
        >>> last_friday = DayRule(days_of_week=(5,), days_before_last=(0, 1, 2, 3, 4, 5, 6))
        >>> last_friday.matches(date(2026, 1, 30))
        True
    """

    days_of_month: tuple[int, ...] = EVERY_DAY_OF_MONTH
    days_of_week: tuple[int, ...] = EVERY_DAY_OF_WEEK
    days_before_last: tuple[int, ...] = EVERY_DAY_BEFORE_LAST

    def matches(self, day: date) -> bool:
        """Whether a day matches, whatever its month is."""
        return (
            day.day in self.days_of_month
            and day.isoweekday() % _DAYS_IN_WEEK in self.days_of_week
            and (
                self.days_before_last == EVERY_DAY_BEFORE_LAST
                or calendar.monthrange(day.year, day.month)[1] - day.day in self.days_before_last
            )
        )

    def days_in(self, length: int) -> tuple[int, ...]:
        """The days of the month that match, weekdays aside, in a month of some length."""
        return tuple(
            day
            for day in self.days_of_month
            if day <= length and length - day in self.days_before_last
        )

    def ever_matches(self, months: tuple[int, ...]) -> bool:
        """Whether any day of the months matches in any year; each date meets every weekday."""
        lengths = {length for month in months for length in _LENGTHS[month - 1]}
        return bool(self.days_of_week) and any(self.days_in(length) for length in lengths)


@dataclass(frozen=True, slots=True)
class LastDay:
    """`L` and `L-3`: the last day of the month, or some days before it."""

    before: int

    def rules(self) -> tuple[DayRule, ...]:
        """The form as rules."""
        return (DayRule(days_before_last=(self.before,)),)


@dataclass(frozen=True, slots=True)
class LastWeekday:
    """`LW`: the last day of the month that is a Monday to Friday."""

    def rules(self) -> tuple[DayRule, ...]:
        """The form as rules: the last day, or a Friday with nothing but a weekend behind it."""
        return (
            DayRule(days_of_week=_MONDAY_TO_FRIDAY, days_before_last=(0,)),
            DayRule(days_of_week=(_FRIDAY,), days_before_last=(1, 2)),
        )


@dataclass(frozen=True, slots=True)
class NearestWeekday:
    """`15W`: the Monday to Friday nearest to a day, in the same month, by Quartz's rule.

    A Saturday gives way to the Friday before and a Sunday to the Monday after; where that would
    be another month, to the Monday after or the Friday before. A month that doesn't have the day
    has no such weekday.
    """

    day: int

    def rules(self) -> tuple[DayRule, ...]:
        """The form as rules."""
        itself = DayRule(days_of_month=(self.day,), days_of_week=_MONDAY_TO_FRIDAY)
        if self.day == 1:
            return (itself, DayRule(days_of_month=(2, 3), days_of_week=(_MONDAY,)))
        friday_before = DayRule(days_of_month=(self.day - 1,), days_of_week=(_FRIDAY,))
        rules = [itself, friday_before]
        if self.day > _SHORTEST_MONTH:
            # The day before matches only where the month goes on to the day itself.
            rules[1] = replace(friday_before, days_before_last=EVERY_DAY_BEFORE_LAST[1:])
        if self.day >= _SHORTEST_MONTH:
            # The day is a Sunday and the month's last.
            rules.append(DayRule((self.day - 2,), (_FRIDAY,), (2,)))
        if self.day < _LONGEST_MONTH:
            rules.append(DayRule(days_of_month=(self.day + 1,), days_of_week=(_MONDAY,)))
        return tuple(rules)


@dataclass(frozen=True, slots=True)
class NthWeekday:
    """`MON#2`: the second Monday of the month."""

    day_of_week: int
    nth: int

    def rules(self) -> tuple[DayRule, ...]:
        """The form as rules; a fifth weekday is one from the 29th on."""
        last = min(self.nth * _DAYS_IN_WEEK, _LONGEST_MONTH)
        days = tuple(range((self.nth - 1) * _DAYS_IN_WEEK + 1, last + 1))
        return (DayRule(days_of_month=days, days_of_week=(self.day_of_week,)),)


@dataclass(frozen=True, slots=True)
class LastOfWeekday:
    """`5L`: the last Friday of the month."""

    day_of_week: int

    def rules(self) -> tuple[DayRule, ...]:
        """The form as rules."""
        return (
            DayRule(
                days_of_week=(self.day_of_week,),
                days_before_last=EVERY_DAY_BEFORE_LAST[:_DAYS_IN_WEEK],
            ),
        )


DayForm = LastDay | LastWeekday | NearestWeekday | NthWeekday | LastOfWeekday


@dataclass(frozen=True, slots=True)
class DayField:
    """What one of the two day fields says.

    Attributes:
        values: The plain numbers, ascending.
        forms: The rest, in the order in which it was written.
        restricted: Whether the field begins with neither `*` nor `?`, which is how Debian's cron
            tells whether the either-day rule applies.
    """

    values: tuple[int, ...]
    forms: tuple[DayForm, ...]
    restricted: bool


def day_rules(
    day_of_month: DayField, day_of_week: DayField, months: tuple[int, ...]
) -> tuple[DayRule, ...]:
    """The fewest rules found for two day fields; none if no day of the months ever matches.

    Where both fields are restricted, a day matches when either does (crontab(5)), otherwise when
    both do.

    Example:
        >>> either = day_rules(DayField((13,), (), True), DayField((5,), (), True), (1,))
        >>> [rule.matches(date(2026, 1, 9)) for rule in either]
        [False, True]
    """
    in_month = list(_alternatives(day_of_month, DayRule(days_of_month=day_of_month.values)))
    in_week = list(_alternatives(day_of_week, DayRule(days_of_week=day_of_week.values)))
    if day_of_month.restricted and day_of_week.restricted:
        rules = [*in_month, *in_week]
    else:
        rules = [_both(one, other) for one, other in product(in_month, in_week)]
    return _merged([rule for rule in rules if rule.ever_matches(months)])


def _alternatives(field: DayField, plain: DayRule) -> Iterator[DayRule]:
    if field.values:
        yield plain
    for form in field.forms:
        yield from form.rules()


def _both(one: DayRule, other: DayRule) -> DayRule:
    return DayRule(
        *(
            tuple(value for value in mine if value in theirs)
            for mine, theirs in zip(_sides(one), _sides(other), strict=True)
        )
    )


def _merged(rules: list[DayRule]) -> tuple[DayRule, ...]:
    """The same days by fewer rules: none within another, none that two could say as one."""
    for one, other in combinations(rules, 2):
        merged = _as_one(one, other)
        if merged is not None:
            rest = [rule for rule in rules if rule not in (one, other)]
            place = min(rules.index(one), len(rest))
            return _merged([*rest[:place], merged, *rest[place:]])
    return tuple(rules)


def _as_one(one: DayRule, other: DayRule) -> DayRule | None:
    pairs = list(zip(_sides(one), _sides(other), strict=True))
    if all(set(theirs) <= set(mine) for mine, theirs in pairs):
        return one
    if all(set(mine) <= set(theirs) for mine, theirs in pairs):
        return other
    if sum(mine != theirs for mine, theirs in pairs) == 1:
        return DayRule(*(tuple(sorted({*mine, *theirs})) for mine, theirs in pairs))
    return None


def _sides(rule: DayRule) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    return rule.days_of_month, rule.days_of_week, rule.days_before_last
