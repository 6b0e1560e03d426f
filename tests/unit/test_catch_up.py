"""Catch-up modes: their windows, what is refused, and what a late run is for."""

from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from euryale.config import Overlap, ScheduledJobConfig
from euryale.errors import ConfigInvalid
from euryale.time.catch_up import (
    LONGEST_WINDOW,
    SHORTEST_WINDOW,
    Turn,
    catch_up_window,
    latest_due,
    refuse_contradictions,
    turn_of,
)
from euryale.time.simulation import LONGEST_BUFFER, simulate, simulate_job
from euryale.time.spread import refuse_long_window
from euryale.time.timetable import firings, parse_timetable, timetable_of

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
POLICIES: tuple[Overlap, ...] = get_args(Overlap)


def config(**said: Any) -> ScheduledJobConfig:
    return ScheduledJobConfig(**{"name": "a", "schedule": "@hourly", **said})


def window(**said: Any) -> timedelta:
    said_all = config(**said)
    return catch_up_window(said_all, timetable_of(said_all))


# --- windows --------------------------------------------------------------------------------------


def test_each_mode_is_a_window_of_temporals() -> None:
    assert window() == HOUR
    assert window(schedule="*/5 * * * *") == timedelta(minutes=5)
    assert window(catch_up=timedelta(minutes=7)) == timedelta(minutes=7)
    assert window(catch_up="none") == SHORTEST_WINDOW == timedelta(seconds=10)
    assert window(catch_up="all", overlap="buffer_all") == LONGEST_WINDOW == timedelta(days=365)
    assert window(catch_up="latest") == LONGEST_WINDOW


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("@daily", LONGEST_WINDOW),
        ("@hourly", 900 * HOUR),
        ("* * * * *", 900 * MINUTE),
        ("* * * * * *", timedelta(seconds=900)),
        (timedelta(seconds=2), timedelta(seconds=1_800)),
        (["0 * * * *", "30 * * * *"], 450 * HOUR),
    ],
)
def test_where_each_firing_has_its_run_the_latest_fits_into_temporals_buffer(
    schedule: Any, expected: timedelta
) -> None:
    found = window(schedule=schedule, catch_up="latest", overlap="allow_all")
    assert found == expected
    since = datetime(2026, 10, 1, tzinfo=UTC)
    within = takewhile(
        lambda each: each <= since + found, firings(parse_timetable(schedule), after=since)
    )
    assert sum(1 for _ in within) <= LONGEST_BUFFER


# --- refusals -------------------------------------------------------------------------------------

FITTING: dict[Any, set[Any]] = {
    "all": {"buffer_all", "allow_all"},
    "latest": {"skip", "cancel_other", "terminate_other", "allow_all"},
    "none": set(POLICIES),
    None: set(POLICIES),
}


@pytest.mark.parametrize("overlap", POLICIES)
@pytest.mark.parametrize("mode", FITTING)
def test_what_the_overlap_policy_would_not_carry_out_is_refused(
    mode: Any, overlap: Overlap
) -> None:
    said = config(catch_up=mode, overlap=overlap)
    if overlap in FITTING[mode]:
        refuse_contradictions(said)
        return
    with pytest.raises(ConfigInvalid) as caught:
        refuse_contradictions(said, where="jobs/a.py:3")
    told = str(caught.value)
    assert told.startswith("jobs/a.py:3: ")
    assert "'catch_up'" in told
    assert f"'{overlap}'" in told


def test_runs_that_are_superseded_would_use_up_executions() -> None:
    said = {"catch_up": "latest", "number_of_executions": 3}
    refuse_contradictions(config(**said))
    with pytest.raises(ConfigInvalid, match="number_of_executions would count them all"):
        refuse_contradictions(config(**said, overlap="allow_all"))


def test_a_mode_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ValueError, match="'none', 'latest' or 'all'"):
        config(catch_up="last")


def test_a_window_beyond_the_next_firing_is_refused() -> None:
    said = config(window=HOUR)
    refuse_long_window(said, timetable_of(said))
    said = config(window=HOUR + MINUTE)
    with pytest.raises(ConfigInvalid, match=r"longer than the shortest time .* 1:00:00\. Make it"):
        refuse_long_window(said, timetable_of(said))


# --- the latest firing ----------------------------------------------------------------------------

SCHEDULES: tuple[Any, ...] = (
    "@hourly",
    "30 2 * * *",
    "0 9 1 1 *",
    "*/20 * * * * *",
    timedelta(minutes=50),
    ["0 9 * * MON", timedelta(hours=7), datetime(2026, 3, 29, 1, 30, tzinfo=UTC)],
)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(SCHEDULES),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    st.integers(0, 200_000),
    st.integers(0, 200_000),
)
def test_the_latest_firing_is_the_last_that_the_policy_clock_tells(
    schedule: Any, zone: str, begin: int, length: int
) -> None:
    timetable = parse_timetable(schedule, zone=zone, exceptions=date(2026, 3, 28))
    after = datetime(2026, 3, 27, tzinfo=UTC) + timedelta(seconds=begin)
    until = after + timedelta(seconds=length)
    told = list(
        takewhile(
            lambda each: each.timestamp() <= until.timestamp(), firings(timetable, after=after)
        )
    )
    assert latest_due(timetable, after=after, until=until) == (told[-1] if told else None)


def test_a_run_that_is_not_late_is_for_its_own_firing() -> None:
    hourly = parse_timetable("@hourly")
    for late in (timedelta(0), MINUTE, HOUR - timedelta(seconds=1)):
        assert turn_of(hourly, NOON, due_until=NOON + late, overlap="skip") == Turn(NOON)


@pytest.mark.parametrize("overlap", ["skip", "cancel_other", "terminate_other", "allow_all"])
def test_a_late_run_takes_the_latest_firing_or_is_superseded_by_its_run(overlap: Overlap) -> None:
    hourly = parse_timetable("@hourly")
    turn = turn_of(hourly, NOON, due_until=NOON + 5 * HOUR, overlap=overlap)
    assert turn == Turn(NOON + 5 * HOUR, superseded=overlap == "allow_all")


# --- the simulation -------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", ["skip", "cancel_other", "terminate_other", "allow_all"])
def test_of_an_outage_the_latest_firing_alone_is_simulated_to_run(overlap: Overlap) -> None:
    results = simulate_job(
        config(catch_up="latest", overlap=overlap),
        start=NOON,
        end=NOON + 6 * HOUR,
        outages=[(NOON + MINUTE, NOON + 5 * HOUR - MINUTE)],
    )
    assert [each.outcome for each in results] == [
        "started", "skipped", "skipped", "skipped", "caught_up", "started", "started",
    ]  # fmt: skip
    assert {each.reason for each in results[1:4]} == {"the run of 2026-03-28 16:00 took its place"}


def test_the_latest_firing_runs_though_more_were_missed_than_temporal_holds() -> None:
    minutely = [NOON + number * MINUTE for number in range(LONGEST_BUFFER + 500)]
    results = simulate(minutely, latest=True, outages=[(NOON, minutely[-1] + timedelta(seconds=1))])
    assert [each.nominal for each in results if each.started] == [minutely[-1]]
    assert results[-1].outcome == "caught_up"


def test_while_a_run_goes_on_over_an_outage_nothing_is_caught_up_under_skip() -> None:
    hourly = [NOON + number * HOUR for number in range(5)]
    results = simulate(
        hourly,
        latest=True,
        duration=3 * HOUR,
        outages=[(NOON + MINUTE, NOON + 2 * HOUR + MINUTE)],
    )
    assert [each.outcome for each in results] == [
        "started", "skipped", "skipped", "started", "skipped",
    ]  # fmt: skip


def test_a_spread_job_starts_that_much_later_and_is_missed_by_its_later_time() -> None:
    spread = 10 * MINUTE
    down, back = NOON + 5 * MINUTE, NOON + HOUR + 5 * MINUTE
    results = simulate_job(
        config(window=HOUR),
        start=NOON,
        end=NOON + 2 * HOUR,
        spread=spread,
        outages=[(down, back)],
    )
    assert [(each.nominal, each.started) for each in results] == [
        (NOON, back),
        (NOON + HOUR, NOON + HOUR + spread),
        (NOON + 2 * HOUR, NOON + 2 * HOUR + spread),
    ]
    assert [each.outcome for each in results] == ["caught_up", "started", "started"]
