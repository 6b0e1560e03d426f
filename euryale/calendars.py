"""Cron expressions as Temporal's structured calendars, never as cron strings.

Temporal's own cron dialect means something else without saying so (both day fields are ANDed, `#`
begins a comment); structured calendars say exactly which values match.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.cron import DAY_OF_MONTH, DAY_OF_WEEK, CronExpression
from euryale.errors import ScheduleInvalid
from euryale.zones import next_transition, time_zone

_LONGEST_COMMENT = 200
_SHORTEST_PROGRESSION = 3


@dataclass(frozen=True, slots=True)
class CompiledSchedule:
    """What Temporal needs to know to fire a job.

    Attributes:
        calendars: The schedule fires when any of them matches; once, if several do.
        time_zone_name: The zone whose wall clock the calendars mean.
    """

    calendars: tuple[ScheduleCalendarSpec, ...]
    time_zone_name: str


def compile_calendars(
    expression: CronExpression, zone: str, *, since: datetime | None = None, where: str = ""
) -> CompiledSchedule:
    """Compile an expression to the fewest calendars that mean the same in its zone.

    One calendar says an expression; the either-day rule takes two, one for each day field.

    Args:
        expression: The cron expression.
        zone: The IANA name of the zone whose wall clock the expression means.
        since: The zone's clocks may not be changed after this time; by default now. On the days
            when they are, Temporal's calendars misfire.
        where: The file and line or the field that a refusal should name.

    Raises:
        ScheduleInvalid: No zone bears the name, or its clocks will be changed.

    Example:
        >>> compiled = compile_calendars(CronExpression.parse("0 9 1 * MON"), "UTC")
        >>> [calendar.day_of_month[0].end for calendar in compiled.calendars]
        [1, 31]
    """
    refuse_transitions(zone, since=since, where=where)
    days_of_month, days_of_week = expression.days_of_month, expression.days_of_week
    if expression.either_day:
        days = [(days_of_month, DAY_OF_WEEK.every), (DAY_OF_MONTH.every, days_of_week)]
    else:
        days = [(days_of_month, days_of_week)]
    calendars = tuple(
        ScheduleCalendarSpec(
            minute=_ranges(expression.minutes),
            hour=_ranges(expression.hours),
            day_of_month=_ranges(in_month),
            month=_ranges(expression.months),
            day_of_week=_ranges(in_week),
            comment=_comment(expression),
        )
        for in_month, in_week in days
    )
    return CompiledSchedule(calendars=calendars, time_zone_name=zone)


def refuse_transitions(zone: str, *, since: datetime | None = None, where: str = "") -> None:
    """Refuse a zone whose clocks will be changed; see `compile_calendars`.

    Raises:
        ScheduleInvalid: No zone bears the name, or its clocks will be changed.
    """
    # Asked by the day, so that the walk through the years is done once for all jobs of a zone.
    moment = (since or datetime.now(UTC)).astimezone(UTC)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    transition = next_transition(time_zone(zone, where=where), day)
    if transition is not None:
        raise ScheduleInvalid(
            f"time_zone '{zone}' changes its clocks (next on {transition:%Y-%m-%d}), and time"
            " zones with daylight saving time are not supported yet",
            where=where,
            mend="use time_zone='UTC' and write the schedule in UTC",
        )


def _ranges(values: tuple[int, ...]) -> tuple[ScheduleRange, ...]:
    """Fold ascending values into ranges with steps, from the left, the longest first."""
    ranges = []
    rest = values
    while rest:
        length = _progression(rest)
        if length >= _SHORTEST_PROGRESSION:
            ranges.append(ScheduleRange(rest[0], rest[length - 1], rest[1] - rest[0]))
        else:
            length = 1
            ranges.append(ScheduleRange(rest[0]))
        rest = rest[length:]
    return tuple(ranges)


def _progression(values: tuple[int, ...]) -> int:
    """How many of the values, from the first on, lie at equal distances."""
    distances = [later - earlier for earlier, later in pairwise(values)]
    length = 0
    while length < len(distances) and distances[length] == distances[0]:
        length += 1
    return length + 1


def _comment(expression: CronExpression) -> str:
    text = expression.text
    return text if len(text) <= _LONGEST_COMMENT else f"{text[: _LONGEST_COMMENT - 3]}..."
