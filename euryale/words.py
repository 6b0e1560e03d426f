"""Cron expressions in words, with the either-day rule said as it is.

cron-descriptor tells the time of day; days and months are told here, because it says of
`0 0 */2 * 1` "every 2 days, or on Monday", which is neither the days nor the rule.
"""

from collections.abc import Sequence
from itertools import pairwise

# cron-descriptor doesn't mark its type hints as meant for others.
from cron_descriptor import ExpressionDescriptor, Options  # type: ignore[import-untyped]

from euryale.cron import DAY_OF_MONTH, DAY_OF_WEEK, HOUR, MINUTE, MONTH, CronExpression, CronField

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SHORTEST_RUN = 3
_LONGEST_LIST = 8


def in_words(expression: CronExpression) -> str:
    """What an expression means, in English and by the 24-hour clock.

    Example:
        >>> in_words(CronExpression.parse("0 0 1,15 * FRI"))
        'At 00:00, on day 1 and 15 of the month or on Friday'
    """
    parts = [_time_of_day(expression), _days(expression)]
    if expression.months != MONTH.every:
        parts.append(f"in {_listed(tuple(month - 1 for month in expression.months), _MONTHS)}")
    return ", ".join(part for part in parts if part)


def _time_of_day(expression: CronExpression) -> str:
    fields = f"{_field(MINUTE, expression.minutes)} {_field(HOUR, expression.hours)}"
    # The language is named because cron-descriptor would otherwise ask the machine for its own.
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    return str(ExpressionDescriptor(f"{fields} * * *", options).get_full_description())


def _field(field: CronField, values: tuple[int, ...]) -> str:
    """The values as the plainest text, so that `*/40` is told as the minutes 0 and 40."""
    cycle = len(field.every)
    step = _step(values)
    if values == field.every:
        return "*"
    if step and cycle % step == 0 and len(values) == cycle // step:
        return f"*/{step}" if values[0] == field.low else f"{values[0]}/{step}"
    if step == 1 and len(values) >= _SHORTEST_RUN:
        return f"{values[0]}-{values[-1]}"
    if step and len(values) > _LONGEST_LIST:
        return f"{values[0]}-{values[-1]}/{step}"
    return ",".join(str(value) for value in values)


def _days(expression: CronExpression) -> str:
    in_month = _days_of_month(expression.days_of_month)
    in_week = f"on {_listed(_from_monday(expression.days_of_week), _WEEKDAYS)}"
    any_in_month = expression.days_of_month == DAY_OF_MONTH.every
    any_in_week = expression.days_of_week == DAY_OF_WEEK.every
    if expression.either_day:
        return "" if any_in_month or any_in_week else f"{in_month} or {in_week}"
    if any_in_month:
        return "" if any_in_week else in_week
    return in_month if any_in_week else f"{in_month} and only {in_week}"


def _days_of_month(days: tuple[int, ...]) -> str:
    step = _step(days)
    if step > 1 and len(days) >= _SHORTEST_RUN:
        return f"on every {_ordinal(step)} day from {days[0]} to {days[-1]} of the month"
    names = tuple(str(day) for day in range(DAY_OF_MONTH.high + 1))
    return f"on day {_listed(days, names)} of the month"


def _from_monday(days_of_week: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted((day - 1) % 7 for day in days_of_week))


def _step(values: tuple[int, ...]) -> int:
    """The distance of values that lie at equal distances; 0 if they don't, or there is one."""
    distances = {later - earlier for earlier, later in pairwise(values)}
    return distances.pop() if len(distances) == 1 else 0


def _listed(values: tuple[int, ...], names: Sequence[str]) -> str:
    """The names of ascending values, runs of three or more as `a to b`."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    parts: list[str] = []
    for run in runs:
        if len(run) >= _SHORTEST_RUN:
            parts.append(f"{names[run[0]]} to {names[run[-1]]}")
        else:
            parts.extend(names[value] for value in run)
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd', 22: 'nd', 23: 'rd', 21: 'st'}.get(number, 'th') }"
