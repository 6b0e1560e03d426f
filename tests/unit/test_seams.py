"""What becomes of a timetable where clocks are changed, in zones of every kind."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from euryale.config import Dst
from euryale.time.seams import Seam, seam_effects, seams
from euryale.time.timetable import Timetable, firings, parse_timetable

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN_GAP, BERLIN_FOLD = seams("Europe/Berlin", NEW_YEAR, days=365)


def told(expression: str, seam: Seam, dst: Dst = "once", **more: Any) -> list[tuple[str, str]]:
    timetable = parse_timetable(expression, zone=seam.zone, dst=dst, **more)
    return [(effect.outcome, effect.words) for effect in seam_effects(timetable, seam)]


def test_a_zone_whose_clocks_stay_has_no_seams() -> None:
    assert seams("UTC", NEW_YEAR, days=3_650) == ()
    assert seams("Asia/Kolkata", NEW_YEAR, days=3_650) == ()


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", ["gap 03-29 02:00-03:00", "fold 10-25 02:00-03:00"]),
        ("Australia/Lord_Howe", ["fold 04-05 01:30-02:00", "gap 10-04 02:00-02:30"]),
        ("Africa/Cairo", ["gap 04-24 00:00-01:00", "fold 10-29 23:00-00:00"]),
        ("Antarctica/Troll", ["gap 03-29 01:00-03:00", "fold 10-25 01:00-03:00"]),
    ],
)
def test_seams_have_the_wall_clock_times_that_the_tz_database_has(
    zone: str, expected: list[str]
) -> None:
    found = seams(zone, NEW_YEAR, days=365)
    assert [f"{s.kind} {s.start:%m-%d %H:%M}-{s.end:%H:%M}" for s in found] == expected


def test_a_seam_belongs_to_the_days_asked_for_from_its_very_moment_on() -> None:
    assert seams("Europe/Berlin", BERLIN_GAP.at, days=1) == (BERLIN_GAP,)
    assert seams("Europe/Berlin", BERLIN_GAP.at + timedelta(seconds=1), days=1) == ()
    assert seams("Europe/Berlin", BERLIN_GAP.at - timedelta(days=1), days=1) == ()


@pytest.mark.parametrize(
    ("expression", "dst", "expected"),
    [
        ("30 2 * * *", "once", ("moved", "02:30 doesn't exist, runs at 03:00")),
        ("30 2 * * *", "twice", ("moved", "02:30 doesn't exist, runs at 03:00")),
        ("30 2 * * *", "skip", ("left_out", "02:30 doesn't exist, doesn't run")),
        ("0,30 2 * * *", "once", ("moved", "02:00 and 02:30 don't exist, run once, at 03:00")),
        ("0,30 2 * * *", "skip", ("left_out", "02:00 and 02:30 don't exist, don't run")),
        (
            "*/15 * * * *",
            "once",
            (
                "left_out",
                "02:00 to 02:45 (4 times) don't exist, and the job runs on by elapsed time",
            ),
        ),
        ("5 30 2 * * *", "once", ("moved", "02:30:05 doesn't exist, runs at 03:00")),
    ],
)
def test_a_gap_is_told_by_the_policy(expression: str, dst: Dst, expected: tuple[str, str]) -> None:
    assert told(expression, BERLIN_GAP, dst) == [expected]


@pytest.mark.parametrize(
    ("expression", "dst", "expected"),
    [
        ("30 2 * * *", "once", ("once", "02:30 comes twice, runs the first time only")),
        ("30 2 * * *", "skip", ("once", "02:30 comes twice, runs the first time only")),
        ("30 2 * * *", "twice", ("twice", "02:30 comes twice, runs both times")),
        ("0 * * * *", "once", ("twice", "02:00 comes twice, runs both times")),
        ("0 * * * *", "skip", ("once", "02:00 comes twice, runs the first time only")),
    ],
)
def test_a_fold_is_told_by_the_policy(expression: str, dst: Dst, expected: tuple[str, str]) -> None:
    assert told(expression, BERLIN_FOLD, dst) == [expected]


@pytest.mark.parametrize("expression", ["30 3 * * *", "0 9 * * *", "30 2 * * MON", "30 2 1 1 *"])
def test_what_is_not_touched_is_not_told(expression: str) -> None:
    assert told(expression, BERLIN_GAP) == []
    assert told(expression, BERLIN_FOLD) == []


def test_intervals_and_moments_are_not_touched() -> None:
    assert told("every 15 minutes", BERLIN_GAP) == []
    once = Timetable((BERLIN_FOLD.at,), zone="Europe/Berlin")
    assert seam_effects(once, BERLIN_FOLD) == ()


def test_what_an_exception_leaves_out_is_told_as_left_out() -> None:
    gap = told("30 2 * * *", BERLIN_GAP, exceptions=[date(2026, 3, 29)])
    assert gap[0][0] == "left_out"
    assert "except" in gap[0][1]
    fold = told("30 2 * * *", BERLIN_FOLD, exceptions=[date(2026, 10, 25)])
    assert fold[0] == ("left_out", "02:30 comes twice, is left out by except, start_at or end_at")


def test_a_start_between_the_two_passes_leaves_the_second() -> None:
    assert told("30 2 * * *", BERLIN_FOLD, "twice", start_at=BERLIN_FOLD.at) == [
        ("once", "02:30 comes twice, runs the second time only")
    ]


def test_each_expression_of_a_list_is_told_of() -> None:
    timetable = parse_timetable(["30 2 * * *", "0 9 * * *", "15 2 * * *"], zone="Europe/Berlin")
    effects = seam_effects(timetable, BERLIN_GAP)
    assert [effect.meant[0].minute for effect in effects] == [30, 15]


def test_a_gap_of_a_whole_day_is_told_of() -> None:
    (dateline,) = seams("Pacific/Apia", datetime(2011, 12, 25, tzinfo=UTC), days=10)
    assert dateline.end - dateline.start == timedelta(days=1)
    assert told("0 9 * * *", dateline) == [("moved", "09:00 doesn't exist, runs at 00:00")]


EXPRESSIONS = st.builds(
    "{} {} * * {}".format,
    st.sampled_from(["0", "30", "*/20", "0,45", "7"]),
    st.sampled_from(["*", "0", "1", "2", "1-3", "23", "*/2"]),
    st.sampled_from(["*", "SUN", "FRI-SUN"]),
)
ZONES = ("Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "Antarctica/Troll")


@settings(max_examples=150, deadline=None)
@given(
    expression=EXPRESSIONS,
    zone=st.sampled_from(ZONES),
    dst=st.sampled_from(["once", "skip", "twice"]),
)
def test_what_is_told_is_what_fires(expression: str, zone: str, dst: Dst) -> None:
    timetable = parse_timetable(expression, zone=zone, dst=dst)
    for seam in seams(zone, NEW_YEAR, days=365):
        told_of = {
            time.astimezone(UTC)
            for effect in seam_effects(timetable, seam)
            for time in effect.fires
        }
        if seam.kind == "gap":
            # What fires at the gap's end beside its own times is what was moved there.
            plain = replace(timetable, dst="skip")
            moved = around(timetable, seam, timedelta(0)) - around(plain, seam, timedelta(0))
            assert moved <= told_of <= {seam.at}
        else:
            length = seam.before - seam.after
            assert told_of == around(timetable, seam, length)


def around(timetable: Timetable, seam: Seam, length: timedelta) -> set[datetime]:
    """The firings from so long before a seam to so long after it, or at it."""
    start = seam.at - length - timedelta(microseconds=1)
    end = max(seam.at + length, seam.at + timedelta(microseconds=1))
    times = (time.astimezone(UTC) for time in firings(timetable, after=start))
    return set(takewhile(lambda time: time < end, times))
