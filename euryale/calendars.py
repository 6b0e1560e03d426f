"""Cron expressions as Temporal's structured calendars, never as cron strings.

Temporal's own cron dialect means something else without saying so (both day fields are ANDed, `#`
begins a comment); structured calendars say exactly which values match.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.cron import CronExpression
from euryale.day_rules import EVERY_DAY_BEFORE_LAST, DayRule
from euryale.errors import ScheduleInvalid
from euryale.zones import next_transition, time_zone

_LONGEST_COMMENT = 200
_SHORTEST_PROGRESSION = 3

# The months of each length, and the years in which they have it; no years are all years.
_LENGTHS: tuple[tuple[int, tuple[int, ...], tuple[ScheduleRange, ...]], ...] = (
    (31, (1, 3, 5, 7, 8, 10, 12), ()),
    (30, (4, 6, 9, 11), ()),
    (29, (2,), (ScheduleRange(2000, 2096, 4),)),
    (28, (2,), (*(ScheduleRange(2000 + n, 2096 + n, 4) for n in (1, 2, 3)), ScheduleRange(2100))),
)


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

    One calendar says most expressions; the either-day rule takes two, one for each day field.

    Args:
        expression: The cron expression.
        zone: The IANA name of the zone whose wall clock the expression means, where it names none
            itself.
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
    zone = expression.zone or zone
    refuse_transitions(zone, since=since, where=where)
    calendars = wall_clock_calendars(expression)
    return CompiledSchedule(calendars=calendars, time_zone_name=zone)


def wall_clock_calendars(expression: CronExpression) -> tuple[ScheduleCalendarSpec, ...]:
    """The calendars that mean an expression on a wall clock that is never changed.

    Each rule for days takes one calendar; one that counts from the month's end takes one for
    each length that months have, up to four.

    Example:
        >>> len(wall_clock_calendars(CronExpression.parse("0 9 LW * *")))
        8
    """
    return tuple(
        ScheduleCalendarSpec(
            second=_ranges(expression.seconds),
            minute=_ranges(expression.minutes),
            hour=_ranges(expression.hours),
            day_of_month=_ranges(days),
            month=_ranges(months),
            year=years,
            day_of_week=_ranges(rule.days_of_week),
            comment=_comment(expression),
        )
        for rule in expression.day_rules
        for days, months, years in _by_length(rule, expression.months)
    )


def _by_length(
    rule: DayRule, months: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], tuple[ScheduleRange, ...]]]:
    """The rule's days of the month, and the months and years in which they mean the rule."""
    if rule.days_before_last == EVERY_DAY_BEFORE_LAST:
        yield rule.days_of_month, months, ()
        return
    alike: dict[tuple[tuple[int, ...], tuple[ScheduleRange, ...]], list[int]] = {}
    for length, of_this_length, years in _LENGTHS:
        matching = [month for month in months if month in of_this_length]
        days = rule.days_in(length)
        if days and matching:
            alike.setdefault((days, years), []).extend(matching)
    for (days, years), matching in alike.items():
        yield days, tuple(sorted(matching)), years


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
