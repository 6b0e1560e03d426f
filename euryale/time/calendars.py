"""Cron expressions as Temporal's structured calendars, never as cron strings.

Temporal's own cron dialect means something else without saying so (both day fields are ANDed, `#`
begins a comment); structured calendars say exactly which values match.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.config import Dst
from euryale.time.cron import CronExpression
from euryale.time.day_rules import EVERY_DAY_BEFORE_LAST, DayRule
from euryale.time.ranges import ranges
from euryale.time.utc_calendars import utc_calendars, written_years
from euryale.time.zones import next_transition, time_zone

_LONGEST_COMMENT = 200

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
        horizon: The time in UTC from which on nothing fires, because the calendars were written out
            up to there only; `None` if they go on for ever, as in zones without transitions.
    """

    calendars: tuple[ScheduleCalendarSpec, ...]
    time_zone_name: str
    horizon: datetime | None = None


def compile_calendars(
    expression: CronExpression,
    zone: str,
    *,
    dst: Dst = "once",
    since: datetime | None = None,
    where: str = "",
) -> CompiledSchedule:
    """Compile an expression to few calendars that match when it fires.

    One calendar says most expressions in a zone whose clocks stay as they are; the either-day rule
    takes two, one for each day field. A zone whose clocks will be changed takes some dozens, in
    UTC, up to the end of the tenth year after `since`: so the result changes once a year.

    Args:
        expression: The cron expression.
        zone: The IANA name of the zone whose wall clock the expression means, where it names none
            itself.
        dst: The policy for times that the zone's clocks leave out or show twice.
        since: The time from which on it is to be right; by default now.
        where: The file and line or the field that a refusal should name.

    Raises:
        ScheduleInvalid: No zone bears the name.

    Example:
        >>> compiled = compile_calendars(CronExpression.parse("0 9 1 * MON"), "UTC")
        >>> [calendar.day_of_month[0].end for calendar in compiled.calendars]
        [1, 31]
    """
    zone = expression.zone or zone
    rules = time_zone(zone, where=where)
    moment = (since or datetime.now(UTC)).astimezone(UTC)
    # Asked by the day, so that the walk through the years is done once for all jobs of a zone.
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if next_transition(rules, day) is None:
        return CompiledSchedule(wall_clock_calendars(expression), zone)
    years = written_years(moment)
    return CompiledSchedule(
        utc_calendars(expression, rules, dst=dst, years=years),
        "UTC",
        horizon=datetime(years.stop, 1, 1, tzinfo=UTC),
    )


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
            second=ranges(expression.seconds),
            minute=ranges(expression.minutes),
            hour=ranges(expression.hours),
            day_of_month=ranges(days),
            month=ranges(months),
            year=years,
            day_of_week=ranges(rule.days_of_week),
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


def _comment(expression: CronExpression) -> str:
    text = expression.text
    return text if len(text) <= _LONGEST_COMMENT else f"{text[: _LONGEST_COMMENT - 3]}..."
