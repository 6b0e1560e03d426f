"""Compiled calendars: how few, how plain, and the same days and times as their expression."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.errors import ScheduleInvalid
from euryale.time.calendars import compile_calendars
from euryale.time.clock import firings
from euryale.time.cron import CronExpression

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


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0 0 1-31 * 5", 1),
        ("0 0 30 2 MON", 1),
        ("0 0 * * 5#2", 1),
        ("0 0 * * MON#1,MON#3", 1),
        ("0 0 L * *", 4),
        ("0 0 L-3 * *", 4),
        ("0 0 L 1-6 *", 4),
        ("0 0 L JAN,MAR *", 1),
        ("0 0 * * 5L", 4),
        ("0 0 1W * *", 2),
        ("0 0 15W * *", 3),
        ("0 0 31W * *", 3),
        ("0 0 LW * *", 8),
        ("*/10 * * * * *", 1),
    ],
)
def test_the_calendars_are_few(text: str, count: int) -> None:
    assert len(compiled(text)) == count


def test_the_last_day_is_told_by_the_length_of_the_month() -> None:
    of_31, of_30, leap, common = compiled("0 0 L * *")
    assert of_31.day_of_month == (ScheduleRange(31),)
    assert of_31.month == (ScheduleRange(1, 7, 2), ScheduleRange(8, 12, 2))
    assert of_30.day_of_month == (ScheduleRange(30),)
    assert not of_30.year
    assert (leap.day_of_month, leap.month) == ((ScheduleRange(29),), (ScheduleRange(2),))
    assert leap.year == (ScheduleRange(2000, 2096, 4),)
    assert common.day_of_month == (ScheduleRange(28),)
    assert values(common.year) == set(range(2000, 2101)) - set(range(2000, 2100, 4))


def test_a_zone_that_the_expression_names_is_the_one_that_counts() -> None:
    expression = CronExpression.parse("CRON_TZ=Asia/Kolkata 0 9 * * *")
    assert compile_calendars(expression, "UTC").time_zone_name == "Asia/Kolkata"


def test_the_comment_is_the_expression_as_it_was_written() -> None:
    (calendar,) = compiled("@hourly")
    assert calendar.comment == "@hourly"


def test_an_unchanged_expression_compiles_to_the_same_calendars_on_any_day() -> None:
    expression = CronExpression.parse("0 0 13 * 5")
    today = compile_calendars(expression, "Asia/Kolkata", since=NEW_YEAR)
    later = compile_calendars(expression, "Asia/Kolkata", since=NEW_YEAR + timedelta(days=1_000))
    assert today == later


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
        days_of_week, years = values(calendar.day_of_week), values(calendar.year)
        clock = [
            timedelta(hours=hour, minutes=minute, seconds=second)
            for hour, minute, second in product(
                values(calendar.hour), values(calendar.minute), values(calendar.second)
            )
        ]
        for moment in (midnight + timedelta(days=day) for day in range(days)):
            weekday = moment.isoweekday() % 7
            if (
                moment.day in days_of_month
                and moment.month in months
                and weekday in days_of_week
                and (not years or moment.year in years)
            ):
                times.update(moment + time for time in clock)
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


forms_in_month = st.one_of(
    st.sampled_from(["*", "?", "*/2", "L", "LW", "1W", "28W", "31W", "13"]),
    st.integers(1, 30).map("L-{}".format),
    st.integers(1, 31).map("{}W".format),
    st.tuples(st.integers(1, 31), st.integers(1, 31)).map(lambda ends: f"{ends[0]}-{ends[1]},L"),
)
forms_in_week = st.one_of(
    st.sampled_from(["*", "*/2", "FRI-MON", "5", "MON,5L"]),
    st.tuples(st.integers(0, 6), st.integers(1, 5)).map(lambda parts: f"{parts[0]}#{parts[1]}"),
    st.integers(0, 6).map("{}L".format),
)


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(field(0, 59), field(0, 59), field(0, 23)).map(" ".join),
    forms_in_month,
    st.sampled_from(["*", "2", "NOV-FEB", "1,4,7,10"]),
    forms_in_week,
    st.dates(datetime(2024, 1, 1).date(), datetime(2096, 1, 1).date()),  # noqa: DTZ001 - only the dates are taken
)
def test_the_forms_match_on_the_days_that_the_expression_matches(
    clock: str, in_month: str, month: str, in_week: str, start: date
) -> None:
    text = f"{clock} {in_month} {month} {in_week}"
    try:
        expression = CronExpression.parse(text)
    except ScheduleInvalid as refusal:
        assert "never meet" in refusal.what  # noqa: PT017 - the one refusal these texts can meet
        return
    calendars = compile_calendars(expression, "UTC").calendars
    days = [start + timedelta(days=number) for number in range(366)]
    assert [day for day in days if expression.matches_day(day)] == [
        day
        for day in days
        if any(
            day.day in values(calendar.day_of_month)
            and day.month in values(calendar.month)
            and day.isoweekday() % 7 in values(calendar.day_of_week)
            and (not calendar.year or day.year in values(calendar.year))
            for calendar in calendars
        )
    ]
    for calendar in calendars:
        assert values(calendar.second) == set(expression.seconds)
        assert values(calendar.minute) == set(expression.minutes)
        assert values(calendar.hour) == set(expression.hours)
