"""Calendars in UTC for zones whose clocks are changed, since only in UTC is the server exact.

Around a change of the clocks Temporal's wall-clock calendars lose firings and double others. So the
wall-clock times are written out as UTC times, for the years up to a horizon: the tenth after the
present one. After its end nothing fires; every apply moves the horizon on, once a year. The year
before is written out too, so that late and backfilled runs of December are found in January.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from temporalio.client import ScheduleCalendarSpec

from euryale.config import Dst
from euryale.time.boxes import clock_boxes, day_boxes
from euryale.time.cron import CronExpression
from euryale.time.ranges import ranges
from euryale.time.regimes import seam_rule
from euryale.time.utc_days import firing_times
from euryale.time.zones import LAST_YEAR

_YEARS_AHEAD = 10
_LONGEST_COMMENT = 200


def written_years(since: datetime) -> range:
    """The UTC years that calendars are written out for.

    Args:
        since: An aware time, the present one.

    Example:
        >>> written_years(datetime(2026, 5, 1, tzinfo=UTC))
        range(2025, 2037)
    """
    year = since.astimezone(UTC).year
    return range(year - 1, min(year + _YEARS_AHEAD, LAST_YEAR) + 1)


def utc_calendars(
    expression: CronExpression, zone: ZoneInfo, *, dst: Dst, years: range
) -> tuple[ScheduleCalendarSpec, ...]:
    """Compile an expression to few calendars in UTC.

    Args:
        expression: The cron expression.
        zone: The time zone that it is meant in.
        dst: The policy for times that the zone's clocks leave out or show twice.
        years: The UTC years that it fires in.

    Returns:
        Calendars that match when the policy clock fires; more than one may match a moment.
    """
    comment = _comment(expression, f" {zone.key} dst={dst}")
    return tuple(
        ScheduleCalendarSpec(
            second=ranges(times.seconds),
            minute=ranges(minutes),
            hour=ranges(hours),
            day_of_month=ranges(box.days_of_month),
            month=ranges(box.months),
            year=ranges(box.years),
            day_of_week=ranges(box.days_of_week),
            comment=comment,
        )
        # Each rule is compiled by itself, because two kinds of days have no list in common.
        for day_rule in expression.day_rules
        for times in firing_times(expression, day_rule, zone, seam_rule(expression, dst), years)
        for box in day_boxes(times.days, years)
        for hours, minutes in clock_boxes(times.minutes)
    )


def _comment(expression: CronExpression, suffix: str) -> str:
    text = expression.text
    longest = _LONGEST_COMMENT - len(suffix)
    return (text if len(text) <= longest else f"{text[: longest - 3]}...") + suffix
