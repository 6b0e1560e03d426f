"""Compiled calendars: how few, how plain, and the same days and times as their expression."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.calendars import compile_calendars
from euryale.clock import firings
from euryale.cron import CronExpression
from euryale.errors import ScheduleInvalid

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def compiled(text: str, zone: str = "UTC") -> tuple[ScheduleCalendarSpec, ...]:
    return compile_calendars(CronExpression.parse(text), zone).calendars


@pytest.mark.parametrize(
    ("field", "ranges"),
    [
        ("*", [ScheduleRange(0, 59)]),
        ("5", [ScheduleRange(5)]),
        ("0,30", [ScheduleRange(0), ScheduleRange(30)]),
        ("*/15", [ScheduleRange(0, 45, 15)]),
        ("10-20", [ScheduleRange(10, 20)]),
        ("0-10,20-40/5,59", [ScheduleRange(0, 10), ScheduleRange(20, 40, 5), ScheduleRange(59)]),
    ],
)
def test_ranges_and_steps_stay_ranges_and_steps(field: str, ranges: list[ScheduleRange]) -> None:
    (calendar,) = compiled(f"{field} * * * *")
    assert list(calendar.minute) == ranges


def test_one_calendar_says_an_expression_and_two_the_either_day_rule() -> None:
    assert len(compiled("0 0 13 * *")) == 1
    assert len(compiled("0 0 */2 * 5")) == 1
    in_month, in_week = compiled("0 0 13 * 5")
    assert in_month.day_of_month == (ScheduleRange(13),)
    assert in_month.day_of_week == (ScheduleRange(0, 6),)
    assert in_week.day_of_month == (ScheduleRange(1, 31),)
    assert in_week.day_of_week == (ScheduleRange(5),)


def test_the_comment_is_the_expression_as_it_was_written() -> None:
    (calendar,) = compiled("@hourly")
    assert calendar.comment == "@hourly"


def test_an_unchanged_expression_compiles_to_the_same_calendars_on_any_day() -> None:
    expression = CronExpression.parse("0 0 13 * 5")
    today = compile_calendars(expression, "Asia/Kolkata", since=NEW_YEAR)
    later = compile_calendars(expression, "Asia/Kolkata", since=NEW_YEAR + timedelta(days=1_000))
    assert today == later


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Africa/Casablanca"])
def test_a_zone_whose_clocks_will_be_changed_is_refused_with_the_way_out(zone: str) -> None:
    with pytest.raises(ScheduleInvalid) as caught:
        compile_calendars(
            CronExpression.parse("@daily"), zone, since=NEW_YEAR, where="jobs/report.py:3"
        )
    assert caught.value.where == "jobs/report.py:3"
    assert f"time_zone '{zone}' changes its clocks (next on 2026-" in caught.value.what
    assert "daylight saving time are not supported yet" in caught.value.what
    assert "time_zone='UTC'" in caught.value.mend


def test_a_zone_that_changed_its_clocks_in_the_past_only_is_served() -> None:
    daily = CronExpression.parse("@daily")
    with pytest.raises(ScheduleInvalid, match="next on 2024-02-29"):
        compile_calendars(daily, "Asia/Almaty", since=datetime(2024, 1, 1, tzinfo=UTC))
    assert compile_calendars(daily, "Asia/Almaty", since=NEW_YEAR).time_zone_name == "Asia/Almaty"


def test_an_unknown_zone_is_refused_where_it_stands() -> None:
    with pytest.raises(ScheduleInvalid, match="'Asia/Calcuta' is no name") as caught:
        compile_calendars(CronExpression.parse("@daily"), "Asia/Calcuta", where="jobs/report.py:3")
    assert caught.value.where == "jobs/report.py:3"


# --- differential: the calendars, read as Temporal documents them, beside the clock ---------------


def values(ranges: Sequence[ScheduleRange]) -> set[int]:
    return {value for part in ranges for value in range(part.start, part.end + 1, part.step)}


def calendar_times(
    calendars: Sequence[ScheduleCalendarSpec], start: datetime, days: int
) -> list[datetime]:
    midnight = start.replace(hour=0, minute=0)
    times: set[datetime] = set()
    for calendar in calendars:
        days_of_month, months = values(calendar.day_of_month), values(calendar.month)
        days_of_week = values(calendar.day_of_week)
        clock = [
            timedelta(hours=hour, minutes=minute)
            for hour, minute in product(values(calendar.hour), values(calendar.minute))
        ]
        for date in (midnight + timedelta(days=day) for day in range(days)):
            weekday = date.isoweekday() % 7
            if date.day in days_of_month and date.month in months and weekday in days_of_week:
                times.update(date + time for time in clock)
    return sorted(time for time in times if time > start)


def field(low: int, high: int) -> st.SearchStrategy[str]:
    value = st.integers(low, high)
    item = st.one_of(
        st.just("*"),
        value.map(str),
        st.integers(1, 15).map("*/{}".format),
        st.tuples(value, value, st.integers(1, 15)).map(
            lambda parts: f"{min(parts[:2])}-{max(parts[:2])}/{parts[2]}"
        ),
    )
    return st.lists(item, min_size=1, max_size=4).map(",".join)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 7)).map(" ".join),
    st.datetimes(datetime(2024, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis adds the zone
)
def test_the_calendars_match_exactly_when_the_clock_fires(text: str, start: datetime) -> None:
    start = start.replace(second=0, microsecond=0)
    expected = calendar_times(compiled(text), start, days=10)
    end = start.replace(hour=0, minute=0) + timedelta(days=10)
    actual = []
    for time in firings(CronExpression.parse(text), "UTC", after=start):
        if time >= end:
            break
        actual.append(time)
    assert actual == expected
