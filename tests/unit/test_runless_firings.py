"""Firings that have no run, held against runs that are made up."""

from datetime import UTC, datetime, timedelta

import pytest

from euryale.config import Overlap
from euryale.runs.runless import MOST_FIRINGS, Reason, RunlessFirings, runless_firings
from euryale.runs.runs import Run, Status
from euryale.time.timetable import Timetable, parse_timetable
from euryale.time.zones import time_zone

HOURLY = parse_timetable("0 * * * *")
DAY = datetime(2026, 1, 5, tzinfo=UTC)


def hour(number: float) -> datetime:
    return DAY + timedelta(hours=number)


def run(
    number: float,
    hours: float | None = 0.1,
    *,
    late: float = 0,
    by_hand: bool = False,
    spread: timedelta = timedelta(0),
) -> Run:
    """The run of an hour's firing, and how many hours it took; None while it runs."""
    started = hour(number) + timedelta(hours=late) + spread
    status: Status = "running" if hours is None else "completed"
    return Run(
        job="a",
        workflow_id=f"shop/a-{number:g}",
        run_id=f"run-{number:g}",
        status=status,
        started=started,
        ended=None if hours is None else started + timedelta(hours=hours),
        fire_time=None if by_hand else hour(number) + spread,
    )


def runless(
    *runs: Run,
    until: float,
    overlap: Overlap = "skip",
    timetable: Timetable = HOURLY,
    paused: bool = False,
    spread: timedelta = timedelta(0),
) -> tuple[RunlessFirings, ...]:
    return runless_firings(
        timetable,
        runs,
        since=hour(0),
        until=hour(until),
        overlap=overlap,
        paused=paused,
        spread=spread,
    )


def told(found: tuple[RunlessFirings, ...]) -> list[tuple[float, int, Reason, str]]:
    return [
        ((each.first - DAY) / timedelta(hours=1), each.count, each.reason, each.run)
        for each in found
    ]


def test_where_each_firing_has_a_run_there_is_nothing_to_tell() -> None:
    assert runless(run(0), run(1), run(2), until=3) == ()


def test_a_firing_while_a_run_was_under_way_was_skipped_for_it() -> None:
    found = runless(run(0, 2.5), run(3), until=4)
    assert told(found) == [(1, 2, "overlap", "shop/a-0")]
    assert found[0].last == hour(2)


def test_firings_in_a_row_are_told_together_and_a_run_parts_them() -> None:
    found = runless(run(0), run(3), until=6)
    assert told(found) == [(1, 2, "unknown", ""), (4, 2, "unknown", "")]


def test_a_run_by_hand_holds_no_firing_up() -> None:
    assert told(runless(run(0.5, 5, by_hand=True), run(0), until=2)) == [(1, 1, "unknown", "")]


def test_a_run_that_started_late_held_up_no_firing_before_its_start() -> None:
    assert told(runless(run(0, 1, late=1.5), until=3)) == [
        (1, 1, "unknown", ""),
        (2, 1, "overlap", "shop/a-0"),
    ]


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("buffer_one", [(1, 1, "waiting", "shop/a-0"), (2, 2, "overlap", "shop/a-0")]),
        ("buffer_all", [(1, 3, "waiting", "shop/a-0")]),
        ("allow_all", [(1, 3, "unknown", "")]),
    ],
)
def test_what_waits_for_a_run_under_way_follows_from_the_policy(
    overlap: Overlap, expected: list[tuple[float, int, Reason, str]]
) -> None:
    assert told(runless(run(0, None), until=4, overlap=overlap)) == expected


def test_of_those_that_waited_the_one_that_gave_way_was_skipped() -> None:
    found = runless(run(0, 2.5), run(1, 0.1, late=1.6), until=3, overlap="buffer_one")
    assert told(found) == [(2, 1, "overlap", "shop/a-0")]


def test_what_follows_the_last_run_of_a_paused_schedule_is_paused() -> None:
    assert told(runless(run(0), run(2), until=5, paused=True)) == [
        (1, 1, "unknown", ""),
        (3, 2, "paused", ""),
    ]


def test_of_missed_firings_of_which_the_latest_is_caught_up_the_others_name_its_run() -> None:
    found = runless_firings(
        HOURLY,
        [run(1, late=4.2)],
        since=hour(0),
        until=hour(7),
        overlap="skip",
        caught_up={"shop/a-1": hour(5)},
    )
    assert told(found) == [
        (0, 1, "unknown", ""),
        (2, 4, "caught up", "shop/a-1"),
        (6, 1, "unknown", ""),
    ]


def test_a_spread_schedule_fires_later_than_its_nominal_times() -> None:
    spread = timedelta(seconds=99)
    found = runless(run(0, spread=spread), run(2, spread=spread), until=3, spread=spread)
    assert told(found) == [(1, 1, "unknown", "")]


def test_nominal_times_are_those_of_the_zone_also_in_the_night_when_clocks_go_forward() -> None:
    zone = time_zone("Europe/Berlin")
    nightly = parse_timetable("30 2 * * *", zone="Europe/Berlin")
    since = datetime(2026, 3, 28, 12, tzinfo=zone)
    (found,) = runless_firings(
        nightly, (), since=since, until=since + timedelta(days=1), overlap="skip"
    )
    assert f"{found.first:%Y-%m-%d %H:%M}" == "2026-03-29 02:30"


def test_a_job_that_fires_each_second_is_told_up_to_a_bound() -> None:
    found = runless(until=24, timetable=parse_timetable("* * * * * *"))
    assert [each.count for each in found] == [MOST_FIRINGS]
