"""The UTC calendars of zones whose clocks are changed: the same firings as the clock's, and few."""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from dst_cases import POLICIES, ZONES, random_expression, read
from hypothesis import given, settings
from hypothesis import strategies as st

from euryale.config import Dst
from euryale.time.boxes import clock_boxes, day_boxes
from euryale.time.calendars import compile_calendars
from euryale.time.clock import firings
from euryale.time.cron import CronExpression
from euryale.time.regimes import regimes_in
from euryale.time.utc_calendars import utc_calendars, written_years

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CASES = int(os.environ.get("EURYALE_DST_CASES", "100"))  # more of them find more


def told(
    expression: CronExpression, zone: str, dst: Dst, start: datetime, end: datetime
) -> list[datetime]:
    """When the policy clock fires, from `start` to before `end`, in UTC."""
    times = firings(expression, zone, after=start - SECOND, dst=dst)
    return [time.astimezone(UTC) for time in takewhile(lambda time: time < end, times)]


@pytest.fixture(scope="module")
def compared() -> Iterator[list[int]]:
    """How many firings each example compared."""
    counts: list[int] = []
    yield counts
    print(f"{len(counts)} expressions, {sum(counts)} firings compared")  # noqa: T201 - read with -s


policies: st.SearchStrategy[Dst] = st.sampled_from(POLICIES)


@pytest.mark.timeout(max(60, CASES))
@settings(max_examples=CASES, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(ZONES), policies, st.integers(2007, 2060))
def test_the_calendars_match_at_every_firing_of_four_years_and_at_no_other_time(
    compared: list[int], chance: random.Random, zone: str, dst: Dst, year: int
) -> None:
    expression = random_expression(chance)
    years = range(year, year + 4)
    calendars = utc_calendars(expression, ZoneInfo(zone), dst=dst, years=years)
    start, end = (datetime(at, 1, 1, tzinfo=UTC) for at in (years.start, years.stop))
    expected = told(expression, zone, dst, start, end)
    assert read(calendars, start, end) == expected
    compared.append(len(expected))


@pytest.mark.parametrize("dst", POLICIES)
@pytest.mark.parametrize("zone", ZONES)
def test_an_expression_that_fires_often_is_right_around_each_transition(
    zone: str, dst: Dst
) -> None:
    years = range(2009, 2013)
    for text in ("*/10 * * * *", "1-59/12 0-23 * * *", "0 0-23 1,31 * 6"):
        expression = CronExpression.parse(text)
        calendars = utc_calendars(expression, ZoneInfo(zone), dst=dst, years=years)
        for regime in regimes_in(ZoneInfo(zone), years)[1:4]:
            start, end = regime.start - timedelta(days=1), regime.start + timedelta(days=1)
            assert read(calendars, start, end) == told(expression, zone, dst, start, end)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("* * * * *", 1),
        ("*/5 * * * *", 1),
        ("0 * * * *", 1),
        ("30 2 * * *", 40),
        ("0 0 * * *", 40),
        ("0 9 * * 1-5", 20),
        ("*/15 9-17 * * MON-FRI", 25),
        ("0 0 31 * *", 10),
        ("0 0 1 3 *", 3),
        ("*/15 1-2 * * *", 40),
        ("0 9 1 * MON", 20),
        ("0 9 LW * *", 40),
        ("0 9 * * MON#2", 10),
    ],
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_few_calendars_are_enough(text: str, most: int, zone: str) -> None:
    compiled = compile_calendars(CronExpression.parse(text), zone, since=NOW)
    assert 0 < len(compiled.calendars) <= most


@pytest.mark.parametrize("zone", ZONES)
def test_a_job_never_takes_hundreds_of_calendars(zone: str) -> None:
    for text in ("30 2 * * *", "*/5 * * * *", "*/15 9-17 * * MON-FRI", "0 0 1,15 * FRI"):
        compiled = compile_calendars(CronExpression.parse(text), zone, since=NOW)
        assert len(compiled.calendars) < 100, text


def test_the_calendars_reach_from_last_year_to_the_end_of_the_tenth_year() -> None:
    expression = CronExpression.parse("30 2 * * *")
    compiled = compile_calendars(expression, "Europe/Berlin", since=NOW)
    assert compiled.time_zone_name == "UTC"
    assert compiled.horizon == datetime(2037, 1, 1, tzinfo=UTC)
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
    assert read(compiled.calendars, start, end) == told(
        expression, "Europe/Berlin", "once", datetime(2025, 1, 1, tzinfo=UTC), compiled.horizon
    )


def test_the_calendars_stay_the_same_until_the_year_ends() -> None:
    expression = CronExpression.parse("30 2 * * *")
    year_end = datetime(2027, 1, 1, tzinfo=UTC)
    in_may, in_december, in_january = (
        compile_calendars(expression, "Europe/Berlin", since=since)
        for since in (NOW, year_end - SECOND, year_end)
    )
    assert in_may == in_december
    assert in_january.horizon == datetime(2038, 1, 1, tzinfo=UTC)


def test_the_last_year_that_temporal_knows_is_the_last_that_is_written() -> None:
    assert written_years(datetime(2095, 1, 1, tzinfo=UTC)) == range(2094, 2101)


def test_a_zone_whose_clocks_were_changed_for_the_last_time_has_no_horizon() -> None:
    daily = CronExpression.parse("@daily")
    before = compile_calendars(daily, "Asia/Almaty", since=datetime(2024, 1, 1, tzinfo=UTC))
    assert before.horizon == datetime(2035, 1, 1, tzinfo=UTC)
    after = compile_calendars(daily, "Asia/Almaty", since=NOW)
    assert (after.time_zone_name, after.horizon) == ("Asia/Almaty", None)


def test_the_zone_that_an_expression_names_goes_first() -> None:
    named = CronExpression.parse("CRON_TZ=Europe/Berlin 30 2 * * *")
    plain = CronExpression.parse("30 2 * * *")
    one = compile_calendars(named, "UTC", since=NOW)
    other = compile_calendars(plain, "Europe/Berlin", since=NOW)
    assert one.horizon == other.horizon
    assert [calendar.hour for calendar in one.calendars] == [
        calendar.hour for calendar in other.calendars
    ]


def test_the_comment_says_the_expression_the_zone_and_the_policy() -> None:
    (calendar,) = compile_calendars(
        CronExpression.parse("@hourly"), "Europe/Berlin", since=NOW
    ).calendars
    assert calendar.comment == "@hourly Europe/Berlin dst=once"
    text = f"{','.join(str(minute) for minute in range(60))} {','.join(['0'] * 100)} * * *"
    zone = "America/Argentina/ComodRivadavia"  # The longest name; its clocks stay as they are.
    (calendar, *_) = utc_calendars(
        CronExpression.parse(text), ZoneInfo(zone), dst="twice", years=range(2026, 2030)
    )
    assert calendar.comment is not None
    assert len(calendar.comment.encode()) == 200
    assert calendar.comment.endswith(f"... {zone} dst=twice")


# --- boxes --------------------------------------------------------------------------------------


def test_the_last_sundays_of_march_are_one_box() -> None:
    days = [datetime(2026, 3, 29), datetime(2027, 3, 28), datetime(2028, 3, 26)]  # noqa: DTZ001 - only dates
    bits = sum(1 << (day - datetime(2025, 12, 31)).days for day in days)  # noqa: DTZ001
    (box,) = day_boxes(bits, range(2026, 2029))
    assert (box.years, box.months, box.days_of_week) == ((2026, 2027, 2028), (3,), (0,))
    assert set(box.days_of_month) <= set(range(25, 32))


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(0, 1439), max_size=60))
def test_clock_boxes_hold_the_minutes_of_a_set_and_no_others(minutes: set[int]) -> None:
    boxes = clock_boxes(sum(1 << minute for minute in minutes))
    held = [60 * hour + minute for hours, parts in boxes for hour in hours for minute in parts]
    assert sorted(held) == sorted(minutes)
