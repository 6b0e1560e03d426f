"""The cron expression that means what another scheduler's fields mean.

Others say by sets of values, and by another rule for the two day fields, what our dialect says in a
text. Where both day fields have to match, the text is one in which they must: `MON#2` for the
Mondays among the days 8 to 14, a field that begins with `*`, or else an exception for the other
weekdays.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

from euryale.time.cron_fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    CronField,
)

_SHORTEST_RUN = 3

# Which weekday of its kind a day of the month is: the second Monday is one of the days 8 to 14.
_NTH = {frozenset(range(7 * n - 6, min(7 * n, 31) + 1)): n for n in range(1, 6)}


@dataclass(frozen=True)
class CronFields:
    """What an expression of another scheduler matches.

    Attributes:
        minutes: The minutes.
        hours: The hours.
        days: The days of the month; empty if `day_forms` alone say which.
        months: The months.
        weekdays: The days of the week, 0 for Sunday; empty if `weekday_forms` alone say which.
        seconds: The seconds.
        day_forms: Further days of the month in our dialect: `L`.
        weekday_forms: Further weekdays in our dialect: `MON#2`, `5L`. They match beside what the
            fields for days say, never instead.
        both_days: Whether both day fields have to match. Otherwise a day matches when either does,
            if both are restricted.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    seconds: frozenset[int] = frozenset({0})
    day_forms: tuple[str, ...] = ()
    weekday_forms: tuple[str, ...] = ()
    both_days: bool = True

    def configs(self) -> Iterator[dict[str, Any]]:
        """What a config may say to mean this, the plainest first.

        They differ in what happens on the nights when clocks are changed, where others follow
        other rules than ours: a time of day that begins with `*` runs by elapsed time.

        Example:
            >>> whole = {"months": frozenset(range(1, 13)), "minutes": frozenset({0})}
            >>> friday_13 = CronFields(
            ...     hours=frozenset({9}), days=frozenset({13}), weekdays=frozenset({5}), **whole
            ... )
            >>> next(friday_13.configs())
            {'schedule': '0 9 13 * *', 'except_': ('* * * * 0-4,6',)}
        """
        days, exceptions = self._days()
        texts = [
            " ".join([*self._second(), *time, *days])
            for time in dict.fromkeys(
                (
                    field_text(self.minutes, MINUTE, star=star),
                    field_text(self.hours, HOUR, star=star or len(self.hours) == len(HOUR.every)),
                )
                for star in (True, False)
            )
        ]
        # What begins with `*` only matters to the policy `once`.
        ways = [*product(texts, ["once"]), *product(texts[:1], ["skip", "twice"])]
        for text, dst in ways:
            config: dict[str, Any] = {"schedule": text}
            if dst != "once":
                config["dst"] = dst
            if exceptions:
                config["except_"] = exceptions
            yield config

    def _second(self) -> list[str]:
        return [] if self.seconds == {0} else [field_text(self.seconds, SECOND)]

    def _days(self) -> tuple[tuple[str, str, str], tuple[str, ...]]:
        """The texts of the last three fields, and the exceptions that they need."""
        month = field_text(self.months, MONTH)
        every_day = self.days == set(DAY_OF_MONTH.every)
        every_weekday = self.weekdays == set(DAY_OF_WEEK.every)
        if self.day_forms or self.weekday_forms:
            return self._with_forms(month, every_day=every_day, every_weekday=every_weekday)
        day = field_text(self.days, DAY_OF_MONTH)
        weekday = field_text(self.weekdays, DAY_OF_WEEK)
        if every_day or every_weekday:
            return (day, month, weekday), ()
        if not self.both_days:
            day = field_text(self.days, DAY_OF_MONTH, star=False)
            return (day, month, field_text(self.weekdays, DAY_OF_WEEK, star=False)), ()
        if nth := _NTH.get(self.days):
            return ("*", month, ",".join(f"{each}#{nth}" for each in sorted(self.weekdays))), ()
        if day.startswith("*") or weekday.startswith("*"):
            return (day, month, weekday), ()
        return (day, month, "*"), self._other_weekdays()

    def _with_forms(
        self, month: str, *, every_day: bool, every_weekday: bool
    ) -> tuple[tuple[str, str, str], tuple[str, ...]]:
        plain = self.days and not every_day
        day = [field_text(self.days, DAY_OF_MONTH, star=False)] if plain else []
        day += self.day_forms
        weekday = list(self.weekday_forms)
        if not self.both_days and self.weekdays and not every_weekday:
            weekday.insert(0, field_text(self.weekdays, DAY_OF_WEEK, star=False))
        exceptions = () if every_weekday or not self.both_days else self._other_weekdays()
        return (",".join(day) or "*", month, ",".join(weekday) or "*"), exceptions

    def _other_weekdays(self) -> tuple[str, ...]:
        others = frozenset(DAY_OF_WEEK.every) - self.weekdays
        return (f"* * * * {field_text(others, DAY_OF_WEEK, star=False)}",)


def field_text(values: Collection[int], field: CronField, *, star: bool = True) -> str:
    """The shortest text that means some values of a field.

    Args:
        values: The values; at least one.
        field: The field.
        star: Whether the text may begin with `*`, which also says that the field is a wildcard.

    Example:
        >>> [field_text(values, MINUTE) for values in (range(60), range(0, 60, 15), {1, 2, 3, 9})]
        ['*', '*/15', '1-3,9']
        >>> field_text(range(0, 60, 15), MINUTE, star=False)
        '0-59/15'
    """
    numbers = sorted(set(values))
    size = field.high - field.low + 1
    for step in range(1, size):
        told = len(numbers) >= _SHORTEST_RUN or size % step == 0
        if told and len(numbers) > 1 and numbers == list(range(field.low, field.high + 1, step)):
            whole = "*" if star else f"{field.low}-{field.high}"
            return whole if step == 1 else f"{whole}/{step}"
    steps = {later - earlier for earlier, later in pairwise(numbers)}
    if len(steps) == 1 and len(numbers) > _SHORTEST_RUN and (step := steps.pop()) > 1:
        return f"{numbers[0]}-{numbers[-1]}/{step}"
    return ",".join(_runs(numbers))


def _runs(numbers: list[int]) -> Iterator[str]:
    start = 0
    for end in range(1, len(numbers) + 1):
        if end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
            continue
        if end - start >= _SHORTEST_RUN:
            yield f"{numbers[start]}-{numbers[end - 1]}"
        else:
            yield from map(str, numbers[start:end])
        start = end
