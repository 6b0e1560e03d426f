"""Cron expressions in words, with the either-day rule said as it is.

cron-descriptor tells the time of day; days and months are told here, because it says of
`0 0 */2 * 1` "every 2 days, or on Monday", which is neither the days nor the rule.
"""

from collections.abc import Sequence
from itertools import pairwise

# cron-descriptor doesn't mark its type hints as meant for others.
from cron_descriptor import ExpressionDescriptor, Options  # type: ignore[import-untyped]

from euryale.time.cron import CronExpression, Every
from euryale.time.cron_fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    CronField,
)
from euryale.time.day_rules import (
    DayForm,
    LastDay,
    LastOfWeekday,
    LastWeekday,
    NearestWeekday,
    NthWeekday,
)

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


def in_words(schedule: CronExpression | Every) -> str:
    """What a schedule means, in English and by the 24-hour clock.

    Example:
        >>> in_words(CronExpression.parse("0 0 1,15 * FRI"))
        'At 00:00, on day 1 and 15 of the month or on Friday'
    """
    if isinstance(schedule, Every):
        return _interval(schedule)
    parts = [_time_of_day(schedule), _days(schedule)]
    if schedule.months != MONTH.every:
        parts.append(f"in {_listed(tuple(month - 1 for month in schedule.months), _MONTHS)}")
    return ", ".join(part for part in parts if part)


def _interval(every: Every) -> str:
    rest = int(every.interval.total_seconds())
    parts = []
    for unit, length in (("hour", 3_600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(unit if count == 1 else f"{count} {unit}s")
    if len(parts) > 1:
        parts = [part if part[0].isdigit() else f"1 {part}" for part in parts]
    return f"Every {_joined(parts)}"


def _time_of_day(expression: CronExpression) -> str:
    fields = f"{_field(MINUTE, expression.minutes)} {_field(HOUR, expression.hours)} * * *"
    if expression.seconds != (0,):
        fields = f"{_field(SECOND, expression.seconds)} {fields}"
    # The language is named because cron-descriptor would otherwise ask the machine for its own.
    options = Options(locale_code="en_US", use_24hour_time_format=True)
    return str(ExpressionDescriptor(fields, options).get_full_description())


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
    in_month, in_week = _in_month(expression), _in_week(expression)
    if expression.either_day:
        return f"{in_month} or {in_week}" if in_month and in_week else ""
    return " and only ".join(part for part in (in_month, in_week) if part)


def _in_month(expression: CronExpression) -> str:
    """What the day-of-month field says; nothing where it leaves every day."""
    field = expression.day_of_month
    if field.values == DAY_OF_MONTH.every:
        return ""
    parts = [_days_of_month(field.values)] if field.values else []
    parts += [f"on {_form(form)}" for form in field.forms]
    return f"{_joined(parts)} of the month"


def _in_week(expression: CronExpression) -> str:
    """What the day-of-week field says; nothing where it leaves every day."""
    field = expression.day_of_week
    if field.values == DAY_OF_WEEK.every:
        return ""
    parts = [f"on {_listed(_from_monday(field.values), _WEEKDAYS)}"] if field.values else []
    if field.forms:
        parts.append(f"on {_joined([_form(form) for form in field.forms])} of the month")
    return _joined(parts)


def _form(form: DayForm) -> str:
    match form:
        case LastDay():
            near = ("the last day", "the last day but one")
            return (*near, f"the {_ordinal(form.before)} day before the last")[min(form.before, 2)]
        case LastWeekday():
            return "the last working day (Monday to Friday)"
        case NearestWeekday():
            return f"the working day (Monday to Friday) nearest to day {form.day}"
        case NthWeekday():
            return f"the {_ordinal(form.nth)} {_WEEKDAYS[form.day_of_week - 1]}"
        case LastOfWeekday():
            return f"the last {_WEEKDAYS[form.day_of_week - 1]}"


def _days_of_month(days: tuple[int, ...]) -> str:
    step = _step(days)
    if step > 1 and len(days) >= _SHORTEST_RUN:
        return f"on every {_ordinal(step)} day from {days[0]} to {days[-1]}"
    names = tuple(str(day) for day in range(DAY_OF_MONTH.high + 1))
    return f"on day {_listed(days, names)}"


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
    return _joined(parts)


def _joined(parts: Sequence[str]) -> str:
    """The parts as `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _ordinal(number: int) -> str:
    return (
        f"{number}{ {1: 'st', 2: 'nd', 3: 'rd', 21: 'st', 22: 'nd', 23: 'rd'}.get(number, 'th') }"
    )
