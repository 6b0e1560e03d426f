"""A stable spread: calendars put off by any time match that much later, and never else."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from temporalio.client import ScheduleCalendarSpec, ScheduleRange

from euryale.time.moved_calendars import put_off
from euryale.time.ranges import ranges
from euryale.time.spread import spread_of
from euryale.time.timetable import firings, parse_timetable
from euryale.time.timetable_calendars import compile_timetable

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def values(field: Sequence[ScheduleRange]) -> set[int]:
    return {
        value
        for part in field
        for value in range(part.start, max(part.start, part.end) + 1, max(1, part.step))
    }


def matches(calendars: Iterable[ScheduleCalendarSpec], first: date, days: int) -> set[datetime]:
    """Every moment at which any of the calendars matches, from a day on."""
    found = set()
    for calendar in calendars:
        years = values(calendar.year)
        for number in range(days):
            day = first + number * DAY
            if (
                (not years or day.year in years)
                and day.month in values(calendar.month)
                and day.day in values(calendar.day_of_month)
                and day.isoweekday() % 7 in values(calendar.day_of_week)
            ):
                found |= {
                    datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC)
                    for hour in values(calendar.hour)
                    for minute in values(calendar.minute)
                    for second in values(calendar.second)
                }
    return found


def some(low: int, high: int, most: int = 4) -> st.SearchStrategy[tuple[ScheduleRange, ...]]:
    chosen = st.lists(st.integers(low, high), min_size=1, max_size=most, unique=True)
    return chosen.map(lambda each: ranges(sorted(each)))


def or_all(low: int, high: int, most: int = 4) -> st.SearchStrategy[tuple[ScheduleRange, ...]]:
    return st.one_of(st.just((ScheduleRange(low, high),)), some(low, high, most))


CALENDARS = st.builds(
    ScheduleCalendarSpec,
    second=some(0, 59, 3),
    minute=some(0, 59, 3),
    hour=some(0, 23, 3),
    day_of_month=st.one_of(or_all(1, 31), some(28, 31)),
    month=or_all(1, 12),
    year=st.one_of(st.just(()), some(2027, 2029)),
    day_of_week=or_all(0, 6),
    comment=st.text(max_size=200),
)


@settings(max_examples=150, deadline=None)
@given(CALENDARS, st.integers(0, 86_399))
def test_a_calendar_put_off_matches_that_much_later_and_never_else(
    calendar: ScheduleCalendarSpec, seconds: int
) -> None:
    spread = seconds * SECOND
    first = date(2027, 12, 1)
    days = 1_000  # with a leap day, and two turns of the year
    moved = put_off([calendar], spread)
    whole = datetime(2027, 12, 2, tzinfo=UTC), datetime(2027, 12, 1, tzinfo=UTC) + days * DAY
    expected = {moment + spread for moment in matches([calendar], first, days)}
    assert {each for each in matches(moved, first, days) if whole[0] <= each < whole[1]} == {
        each for each in expected if whole[0] <= each < whole[1]
    }
    assert all(len(each.comment or "") <= 200 for each in moved)


def test_a_plain_schedule_stays_one_calendar() -> None:
    for spread in (timedelta(minutes=3, seconds=27), timedelta(hours=23, minutes=59)):
        for expression in ("0 0 * * *", "30 4 * * 1-5", "*/15 * * * *"):
            (calendar,) = compile_timetable(parse_timetable(expression)).calendars
            moved = put_off([calendar], min(spread, timedelta(minutes=14)))
            assert len(moved) == 1, expression
            assert moved[0].comment is not None
            assert moved[0].comment.startswith(f"{expression} put off by 0:")


def test_no_spread_leaves_the_calendars_as_they_are() -> None:
    calendars = compile_timetable(parse_timetable("0 9 1 * MON")).calendars
    assert put_off(calendars, timedelta(0)) == calendars


@pytest.mark.parametrize(
    "schedule",
    ["0 0 L * *", "30 23 * * 5L", "0 23 28-31 2 *", "59 59 23 31 12 *", "0 23 15W * *"],
)
def test_what_is_put_off_beyond_midnight_falls_on_the_next_day(schedule: str) -> None:
    timetable = parse_timetable(schedule)
    spread = timedelta(hours=23, minutes=59, seconds=59)
    since = datetime(2026, 1, 1, tzinfo=UTC)
    until = datetime(2028, 12, 31, tzinfo=UTC)
    due = takewhile(lambda each: each + spread < until, firings(timetable, after=since))
    compiled = compile_timetable(timetable, since=since)
    moved = matches(put_off(compiled.calendars, spread), since.date(), 3 * 365)
    assert sorted(each for each in moved if since + spread < each) == [
        each + spread for each in due
    ]


def test_a_jobs_spread_is_stable_whole_seconds_and_within_its_window() -> None:
    window = timedelta(minutes=10)
    assert spread_of("shop/publish-once-a-day", window) == timedelta(minutes=1, seconds=39)
    assert spread_of("shop/publish-once-a-day", timedelta(0)) == timedelta(0)
    assert spread_of("other/publish-once-a-day", window) != timedelta(minutes=1, seconds=39)
    spreads = [spread_of(f"shop/job-{number}", window) for number in range(600)]
    assert all(timedelta(0) <= each < window and each % SECOND == timedelta(0) for each in spreads)
    # Six hundred jobs of one second, of which Temporal would start thirty.
    assert max(Counter(spreads).values()) <= 10
