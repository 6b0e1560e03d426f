"""The policy clock, beside the seeds' examples, a minute-by-minute evaluation, and cronsim."""

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from dst_cases import POLICIES, ZONES, random_expression, walked
from hypothesis import given, settings
from hypothesis import strategies as st

from euryale.config import Dst
from euryale.errors import ScheduleInvalid
from euryale.time.clock import default_catch_up, firings, nominal
from euryale.time.cron import FIELDS, CronExpression, CronField
from euryale.time.regimes import regimes_in

MINUTE = timedelta(minutes=1)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC) - MINUTE


def first(
    text: str, count: int, zone: str = "UTC", after: datetime = NEW_YEAR, dst: Dst = "once"
) -> list[str]:
    expression = CronExpression.parse(text)
    times = islice(firings(expression, zone, after=after, dst=dst), count)
    return [time.strftime("%a %Y-%m-%d %H:%M %z") for time in times]


# --- fixed vectors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("* * * * *", ["Thu 2026-01-01 00:00", "Thu 2026-01-01 00:01"]),
        ("*/5 * * * *", ["Thu 2026-01-01 00:00", "Thu 2026-01-01 00:05"]),
        ("0 * * * *", ["Thu 2026-01-01 00:00", "Thu 2026-01-01 01:00"]),
        ("0 0 * * *", ["Thu 2026-01-01 00:00", "Fri 2026-01-02 00:00"]),
        ("30 2 * * *", ["Thu 2026-01-01 02:30", "Fri 2026-01-02 02:30"]),
        ("0 0 * * 0", ["Sun 2026-01-04 00:00", "Sun 2026-01-11 00:00"]),
        ("0 9 * * 1", ["Mon 2026-01-05 09:00", "Mon 2026-01-12 09:00"]),
        ("0 0 1 * *", ["Thu 2026-01-01 00:00", "Sun 2026-02-01 00:00"]),
        ("0 18 * * 1-5", ["Thu 2026-01-01 18:00", "Fri 2026-01-02 18:00", "Mon 2026-01-05 18:00"]),
        ("0 */6 * * *", ["Thu 2026-01-01 00:00", "Thu 2026-01-01 06:00"]),
    ],
)
def test_the_examples_of_medusas_guide_fire_as_it_says(text: str, expected: list[str]) -> None:
    assert first(text, len(expected)) == [f"{time} +0000" for time in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 0 29 2 *", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("0 0 29 2 */7", ["Sun 2032-02-29 00:00", "Sun 2060-02-29 00:00", "Sun 2088-02-29 00:00"]),
        ("0 0 31 * *", ["Sat 2026-01-31 00:00", "Tue 2026-03-31 00:00"]),
        ("0 22 * * 6,7", ["Sat 2026-01-03 22:00", "Sun 2026-01-04 22:00"]),
        ("5 4 * * sun", ["Sun 2026-01-04 04:05", "Sun 2026-01-11 04:05"]),
        ("0 0,12 1 */2 *", ["Thu 2026-01-01 00:00", "Thu 2026-01-01 12:00"]),
        ("23 0-20/2 * * *", ["Thu 2026-01-01 00:23", "Thu 2026-01-01 02:23"]),
        ("@yearly", ["Thu 2026-01-01 00:00", "Fri 2027-01-01 00:00"]),
    ],
)  # fmt: skip
def test_well_known_expressions_fire_when_they_should(text: str, expected: list[str]) -> None:
    assert first(text, len(expected)) == [f"{time} +0000" for time in expected]


def test_with_both_day_fields_restricted_either_is_enough() -> None:
    assert first("0 0 13 * 5", 4) == [
        "Fri 2026-01-02 00:00 +0000",
        "Fri 2026-01-09 00:00 +0000",
        "Tue 2026-01-13 00:00 +0000",
        "Fri 2026-01-16 00:00 +0000",
    ]


def test_with_a_day_field_that_begins_with_a_star_both_must_match() -> None:
    assert first("0 0 */2 * 5", 3) == [
        "Fri 2026-01-09 00:00 +0000",
        "Fri 2026-01-23 00:00 +0000",
        "Fri 2026-02-13 00:00 +0000",
    ]


def test_an_impossible_date_beside_a_weekday_fires_on_the_weekday() -> None:
    assert first("0 0 30 2 1", 2) == ["Mon 2026-02-02 00:00 +0000", "Mon 2026-02-09 00:00 +0000"]


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("Asia/Kolkata", "+0530"), ("Etc/GMT+5", "-0500"), ("Africa/Nairobi", "+0300")],
)
def test_the_wall_clock_is_that_of_the_zone(zone: str, offset: str) -> None:
    assert first("0 9 * * *", 1, zone) == [f"Thu 2026-01-01 09:00 {offset}"]


def test_firings_are_strictly_after_the_given_time() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert first("0 12 * * *", 1, after=noon) == ["Fri 2026-01-02 12:00 +0000"]
    just_before = noon - timedelta(microseconds=1)
    assert first("0 12 * * *", 1, after=just_before) == ["Thu 2026-01-01 12:00 +0000"]


def test_firings_end_with_the_year_2100() -> None:
    times = list(firings(CronExpression.parse("0 0 29 2 *"), "UTC", after=NEW_YEAR))
    assert times[-1] == datetime(2096, 2, 29, tzinfo=UTC)
    late = datetime(2100, 12, 31, 23, 59, tzinfo=UTC)
    assert first("* * * * *", 1, after=late) == []


def test_a_naive_start_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="must be aware"):
        firings(CronExpression.parse("@daily"), "UTC", after=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_an_unknown_zone_is_refused_at_once() -> None:
    with pytest.raises(ScheduleInvalid, match="no name of the IANA time zone database"):
        firings(CronExpression.parse("@daily"), "Mars/Olympus", after=NEW_YEAR)


# --- nights when the clocks are changed: Debian's rule ------------------------------------------


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC),
         ["Sun 2026-03-29 03:00 +0200", "Mon 2026-03-30 02:30 +0200"]),
        ("0,30 2,3 * * *", "Europe/Berlin", datetime(2026, 3, 28, 12, tzinfo=UTC),
         ["Sun 2026-03-29 03:00 +0200", "Sun 2026-03-29 03:30 +0200"]),
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 12, tzinfo=UTC),
         ["Sun 2026-10-25 02:30 +0200", "Mon 2026-10-26 02:30 +0100"]),
        ("0 * * * *", "Europe/Berlin", datetime(2026, 3, 29, 0, 0, tzinfo=UTC),
         ["Sun 2026-03-29 03:00 +0200", "Sun 2026-03-29 04:00 +0200"]),
        ("0 * * * *", "Europe/Berlin", datetime(2026, 10, 24, 23, 59, tzinfo=UTC),
         ["Sun 2026-10-25 02:00 +0200", "Sun 2026-10-25 02:00 +0100"]),
        ("*/30 1-2 * * *", "Australia/Lord_Howe", datetime(2026, 4, 4, 12, tzinfo=UTC),
         ["Sun 2026-04-05 01:00 +1100", "Sun 2026-04-05 01:30 +1100", "Sun 2026-04-05 01:30 +1030",
          "Sun 2026-04-05 02:00 +1030"]),
        ("0 2 * * *", "Australia/Lord_Howe", datetime(2026, 10, 3, 12, tzinfo=UTC),
         ["Sun 2026-10-04 02:30 +1100", "Mon 2026-10-05 02:00 +1100"]),
        ("0 0 * * *", "Africa/Cairo", datetime(2026, 4, 23, 12, tzinfo=UTC),
         ["Fri 2026-04-24 01:00 +0300", "Sat 2026-04-25 00:00 +0300"]),
        ("30 23 * * SAT", "America/Nuuk", datetime(2026, 10, 24, 12, tzinfo=UTC),
         ["Sat 2026-10-24 23:30 -0100", "Sat 2026-10-31 23:30 -0200"]),
        ("30 * * * SAT", "America/Nuuk", datetime(2026, 10, 24, 23, 59, tzinfo=UTC),
         ["Sat 2026-10-24 23:30 -0100", "Sat 2026-10-24 23:30 -0200"]),
        ("0 12 30 12 *", "Pacific/Apia", datetime(2011, 12, 1, tzinfo=UTC),
         ["Sat 2011-12-31 00:00 +1400", "Sun 2012-12-30 12:00 +1400"]),
    ],
)  # fmt: skip
def test_a_changed_clock_is_met_by_debians_rule(
    text: str, zone: str, after: datetime, expected: list[str]
) -> None:
    assert first(text, len(expected), zone, after) == expected


# --- the other policies, and the time that was meant ---------------------------------------------

SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)  # Berlin: 02:00 becomes 03:00 on the 29th
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)  # Berlin: 03:00 becomes 02:00 on the 25th


@pytest.mark.parametrize(
    ("text", "dst", "after", "expected"),
    [
        ("30 2 * * *", "skip", SPRING, ["Mon 2026-03-30 02:30 +0200"]),
        (
            "30 2 * * *",
            "skip",
            AUTUMN,
            ["Sun 2026-10-25 02:30 +0200", "Mon 2026-10-26 02:30 +0100"],
        ),
        (
            "30 2 * * *",
            "twice",
            SPRING,
            ["Sun 2026-03-29 03:00 +0200", "Mon 2026-03-30 02:30 +0200"],
        ),
        (
            "30 2 * * *",
            "twice",
            AUTUMN,
            [
                "Sun 2026-10-25 02:30 +0200",
                "Sun 2026-10-25 02:30 +0100",
                "Mon 2026-10-26 02:30 +0100",
            ],
        ),
        # Whole hours are shown again after the fold only under `once` and `twice`.
        (
            "0 * 25 10 *",
            "skip",
            datetime(2026, 10, 24, 23, 30, tzinfo=UTC),
            ["Sun 2026-10-25 02:00 +0200", "Sun 2026-10-25 03:00 +0100"],
        ),
        (
            "0 * 25 10 *",
            "twice",
            datetime(2026, 10, 24, 23, 30, tzinfo=UTC),
            [
                "Sun 2026-10-25 02:00 +0200",
                "Sun 2026-10-25 02:00 +0100",
                "Sun 2026-10-25 03:00 +0100",
            ],
        ),
        (
            "30 * 29 3 *",
            "twice",
            datetime(2026, 3, 29, 0, 0, tzinfo=UTC),
            [
                "Sun 2026-03-29 01:30 +0100",
                "Sun 2026-03-29 03:00 +0200",
                "Sun 2026-03-29 03:30 +0200",
            ],
        ),
        (
            "30 * 29 3 *",
            "skip",
            datetime(2026, 3, 29, 0, 0, tzinfo=UTC),
            ["Sun 2026-03-29 01:30 +0100", "Sun 2026-03-29 03:30 +0200"],
        ),
    ],
)
def test_a_policy_decides_about_times_left_out_and_shown_twice(
    text: str, dst: Dst, after: datetime, expected: list[str]
) -> None:
    assert first(text, len(expected), "Europe/Berlin", after, dst) == expected


@pytest.mark.parametrize(
    ("text", "zone", "fired_at", "dst", "meant"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T03:00+02:00", "once", "2026-03-29 02:30"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T03:00+02:00", "twice", "2026-03-29 02:30"),
        # One run for several times left out is meant for the last of them.
        ("0,30 2 * * *", "Europe/Berlin", "2026-03-29T03:00+02:00", "once", "2026-03-29 02:30"),
        ("0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T03:00+02:00", "once", "2026-03-29 03:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-30T02:30+02:00", "once", "2026-03-30 02:30"),
        # Elapsed time and `skip` make up for nothing: this is a run that somebody started by hand.
        ("30 * * * *", "Europe/Berlin", "2026-03-29T03:00+02:00", "once", "2026-03-29 03:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T03:00+02:00", "skip", "2026-03-29 03:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-29T11:17+02:00", "once", "2026-03-29 11:17"),
        ("0 0 * * *", "Africa/Cairo", "2026-04-24T01:00+03:00", "once", "2026-04-24 00:00"),
        ("0 12 30 12 *", "Pacific/Apia", "2011-12-31T00:00+14:00", "once", "2011-12-30 12:00"),
    ],
)  # fmt: skip
def test_the_nominal_time_is_the_wall_clock_time_that_was_meant(
    text: str, zone: str, fired_at: str, dst: Dst, meant: str
) -> None:
    expression = CronExpression.parse(text)
    time = nominal(expression, zone, datetime.fromisoformat(fired_at), dst)
    assert f"{time:%Y-%m-%d %H:%M}" == meant
    assert time.tzinfo == ZoneInfo(zone)


def test_the_nominal_time_is_the_same_for_a_firing_in_any_zone() -> None:
    night = CronExpression.parse("30 2 * * *")
    fired_at = next(firings(night, "Europe/Berlin", after=datetime(2026, 3, 29, tzinfo=UTC)))
    for zone in ("Europe/Berlin", "UTC", "America/New_York"):
        time = nominal(night, "Europe/Berlin", fired_at.astimezone(ZoneInfo(zone)))
        assert f"{time:%H:%M}" == "02:30", zone


def test_the_nominal_time_in_a_fold_tells_the_two_passes_apart() -> None:
    night = CronExpression.parse("30 2 25 10 *")
    both = list(islice(firings(night, "Europe/Berlin", after=AUTUMN, dst="twice"), 2))
    times = [nominal(night, "Europe/Berlin", time.astimezone(UTC), "twice") for time in both]
    assert [time.isoformat() for time in times] == [
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
    ]


def test_the_zone_that_an_expression_names_goes_first() -> None:
    assert first("CRON_TZ=Asia/Kolkata 0 9 * * *", 1) == ["Thu 2026-01-01 09:00 +0530"]
    named = CronExpression.parse("CRON_TZ=Asia/Kolkata 0 9 * * *")
    assert nominal(named, "UTC", NEW_YEAR).tzinfo == ZoneInfo("Asia/Kolkata")


@settings(max_examples=150, deadline=None)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from(ZONES),
    st.sampled_from(POLICIES),
    st.integers(2007, 2036),
    st.integers(0, 3),
)
def test_a_walk_through_each_minute_of_the_nights_fires_at_the_same_times(
    chance: random.Random, zone: str, dst: Dst, year: int, which: int
) -> None:
    expression = random_expression(chance)
    seams = [regime.start for regime in regimes_in(ZoneInfo(zone), range(year, year + 2))[1:]]
    seam = seams[which % len(seams)] if seams else datetime(year, 3, 1, tzinfo=UTC)
    start, end = seam - timedelta(days=1), seam + timedelta(days=2)
    times = firings(expression, zone, after=start - timedelta(seconds=1), dst=dst)
    actual = [time.astimezone(UTC) for time in takewhile(lambda time: time < end, times)]
    assert actual == list(walked(expression, zone, dst, start, end))


# --- differential -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """A field's text and the values that it was made from, without any parser."""

    text: str
    values: frozenset[int]


@st.composite
def items(draw: st.DrawFn, field: CronField) -> Written:
    kind = draw(st.sampled_from(["value", "range", "stepped range", "stepped star", "open step"]))
    low = draw(st.integers(field.low, field.high))
    high = draw(st.integers(low, field.high))
    step = draw(st.integers(1, 20))
    named = draw(st.booleans())
    if named and field.names:
        lower, upper = field.names[low - field.low].title(), field.names[high - field.low]
    else:
        lower, upper = str(low), str(high)
    match kind:
        case "value":
            return Written(lower, frozenset([low]))
        case "range":
            return Written(f"{lower}-{upper}", frozenset(range(low, high + 1)))
        case "stepped range":
            return Written(f"{lower}-{upper}/{step}", frozenset(range(low, high + 1, step)))
        case "stepped star":
            return Written(f"*/{step}", frozenset(range(field.low, field.high + 1, step)))
        case _ if field.name == "day of week":  # the open step is refused as ambiguous
            return Written(f"{lower}-7", frozenset(day % 7 for day in range(low, 8)))
        case _:
            return Written(f"{lower}/{step}", frozenset(range(low, field.high + 1, step)))


@st.composite
def fields(draw: st.DrawFn, field: CronField) -> Written:
    if draw(st.booleans()):
        return Written("*", frozenset(field.every))
    parts = draw(st.lists(items(field), min_size=1, max_size=3))
    return Written(
        ",".join(part.text for part in parts), frozenset().union(*(part.values for part in parts))
    )


expressions = st.tuples(*(fields(field) for field in FIELDS))


def parsed(written: tuple[Written, ...]) -> CronExpression | None:
    try:
        return CronExpression.parse(" ".join(field.text for field in written))
    except ScheduleInvalid as refusal:
        assert "never meet" in refusal.what  # noqa: PT017 - the one refusal these texts can meet
        return None


def matches(written: tuple[Written, ...], wall: datetime) -> bool:
    minutes, hours, days_of_month, months, days_of_week = written
    in_month = wall.day in days_of_month.values
    in_week = wall.isoweekday() % 7 in days_of_week.values
    starred = days_of_month.text[0] == "*" or days_of_week.text[0] == "*"
    day = (in_month and in_week) if starred else (in_month or in_week)
    return (
        day
        and wall.minute in minutes.values
        and wall.hour in hours.values
        and wall.month in months.values
    )


zones = st.sampled_from(["UTC", "Asia/Kolkata", "Asia/Kathmandu", "Etc/GMT+5", "Africa/Lagos"])
starts = st.datetimes(datetime(2024, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone


@settings(max_examples=150, deadline=None)
@given(expressions, zones, starts)
def test_every_minute_that_matches_fires_and_no_other(
    written: tuple[Written, ...], zone: str, start: datetime
) -> None:
    expression = parsed(written)
    if expression is None:
        return
    start = start.replace(second=0, microsecond=0)
    end = start + timedelta(days=3)
    expected = []
    moment = start + MINUTE
    while moment <= end:
        wall = moment.astimezone(ZoneInfo(zone))
        if matches(written, wall):
            expected.append(wall)
        moment += MINUTE
    actual = []
    for time in firings(expression, zone, after=start):
        if time > end:
            break
        actual.append(time)
    assert actual == expected


@settings(max_examples=100, deadline=None)
@given(expressions, starts)
def test_every_day_of_four_years_that_matches_fires_and_no_other(
    written: tuple[Written, ...], start: datetime
) -> None:
    daily = (Written("0", frozenset([0])), Written("0", frozenset([0])), *written[2:])
    expression = parsed(daily)
    if expression is None:
        return
    midnights = (start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=day)
                 for day in range(1, 1462))  # fmt: skip
    expected = [midnight for midnight in midnights if matches(daily, midnight)]
    assert list(islice(firings(expression, "UTC", after=start), len(expected))) == expected


@settings(max_examples=150, deadline=None)
@given(
    expressions,
    st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Africa/Cairo"]),
    st.dates(datetime(2026, 1, 1).date(), datetime(2029, 12, 31).date()),  # noqa: DTZ001 - only the dates are taken
)
def test_cronsim_says_the_same_also_where_clocks_are_changed(
    written: tuple[Written, ...], zone: str, day: datetime
) -> None:
    expression = parsed(written)
    if expression is None:
        return
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))
    # cronsim reads `5-5/2` as `5/2`; Debian's cron doesn't.
    plain = re.sub(r"(?i)\b(\w+)-\1\b(/[0-9]+)?", r"\1", expression.text)
    reference = list(islice(CronSim(plain, noon), 200))
    in_range = [time for time in reference if time.year <= 2100]
    actual = list(islice(firings(expression, zone, after=noon), len(in_range)))
    assert [time.isoformat() for time in actual] == [time.isoformat() for time in in_range]


# --- the default catch-up window ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("* * * * *", timedelta(minutes=1)),
        ("*/7 * * * *", timedelta(minutes=4)),
        ("*/15 * * * *", timedelta(minutes=15)),
        ("0 9-17 * * 1-5", timedelta(hours=1)),
        ("10 0,23 * * *", timedelta(hours=1)),
        ("10 0,23 1,31 * *", timedelta(hours=1)),
        ("10 0,23 1,15 * *", timedelta(hours=23)),
        ("0 0 * * *", timedelta(days=1)),
        ("0 0 * * 1", timedelta(days=1)),
        ("@yearly", timedelta(days=1)),
    ],
)
def test_the_default_catch_up_window_is_one_interval_but_at_most_a_day(
    text: str, window: timedelta
) -> None:
    assert default_catch_up(CronExpression.parse(text)) == window
