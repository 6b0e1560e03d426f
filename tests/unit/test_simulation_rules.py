"""The simulation, firing by firing: overlaps, pauses, outages and the end of executions."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from euryale.config import Overlap
from euryale.time.simulation import LONGEST_BUFFER, Outcome, Simulated, Span, simulate

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
POLICIES: tuple[Overlap, ...] = get_args(Overlap)
STARTS: tuple[Outcome, ...] = ("started", "buffered", "caught_up")


def at(hours: float) -> datetime:
    return MIDNIGHT + timedelta(hours=hours)


def hourly(count: int) -> list[datetime]:
    return [at(hour) for hour in range(count)]


def told(results: tuple[Simulated, ...]) -> list[str]:
    """Each outcome, with the hour of the start where there was one."""
    return [
        result.outcome
        if result.started is None
        else f"{result.outcome} {(result.started - MIDNIGHT) / timedelta(hours=1):g}"
        for result in results
    ]


# --- overlap --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("skip", ["started 0", "skipped", "skipped", "started 3", "skipped"]),
        ("buffer_one", ["started 0", "buffered 2.5", "skipped", "buffered 5", "skipped"]),
        ("buffer_all", ["started 0", "buffered 2.5", "buffered 5", "buffered 7.5", "buffered 10"]),
        ("cancel_other", ["started 0", "started 1", "started 2", "started 3", "started 4"]),
        ("terminate_other", ["started 0", "started 1", "started 2", "started 3", "started 4"]),
        ("allow_all", ["started 0", "started 1", "started 2", "started 3", "started 4"]),
    ],
)
def test_a_run_longer_than_the_interval_meets_the_overlap_policy(
    overlap: Overlap, expected: list[str]
) -> None:
    assert told(simulate(hourly(5), overlap=overlap, duration=timedelta(hours=2.5))) == expected


def test_a_run_is_cancelled_when_the_next_one_is_due_and_says_so() -> None:
    results = simulate(hourly(2), overlap="cancel_other", duration=timedelta(hours=2.5))
    assert [result.ended for result in results] == [at(1), at(3.5)]
    assert results[0].reason == "cancelled when the run of 2026-01-01 01:00 was due"
    (first, _) = simulate(hourly(2), overlap="terminate_other", duration=timedelta(hours=2.5))
    assert first.reason == "terminated when the run of 2026-01-01 01:00 was due"


def test_a_run_that_ends_in_the_moment_of_the_next_firing_is_over() -> None:
    assert told(simulate(hourly(3), duration=timedelta(hours=1))) == [
        "started 0",
        "started 1",
        "started 2",
    ]


def test_durations_may_differ_by_nominal_time() -> None:
    def duration(nominal: datetime) -> timedelta:
        return timedelta(hours=1.5 if nominal == at(1) else 0.5)

    assert told(simulate(hourly(4), duration=duration)) == [
        "started 0",
        "started 1",
        "skipped",
        "started 3",
    ]


# --- pauses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("overlap", POLICIES)
def test_what_is_due_in_a_pause_is_gone(overlap: Overlap) -> None:
    assert told(simulate(hourly(5), overlap=overlap, pauses=[(at(0.5), at(2.5))])) == [
        "started 0",
        "paused",
        "paused",
        "started 3",
        "started 4",
    ]


def test_a_buffered_run_whose_turn_comes_in_a_pause_is_gone_too() -> None:
    results = simulate(
        hourly(6),
        overlap="buffer_all",
        duration=timedelta(hours=3.5),
        pauses=[(at(2.25), at(4.5))],
    )
    assert told(results) == [
        "started 0",
        "paused",
        "paused",
        "paused",
        "paused",
        "started 5",
    ]


def test_a_buffered_run_whose_turn_comes_after_a_pause_still_starts() -> None:
    results = simulate(
        hourly(4),
        overlap="buffer_one",
        duration=timedelta(hours=2.75),
        pauses=[(at(1.5), at(2.5))],
    )
    assert told(results) == ["started 0", "buffered 2.75", "paused", "buffered 5.5"]


# --- outages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overlap", "starts"),
    [
        ("skip", [1]),
        ("buffer_one", [1, 2]),
        ("buffer_all", list(range(1, 16))),
        ("cancel_other", [15]),
        ("terminate_other", [15]),
        ("allow_all", list(range(1, 16))),
    ],
)
def test_fifteen_firings_of_an_outage_are_caught_up_as_measured(
    overlap: Overlap, starts: list[int]
) -> None:
    outage = (at(0.5), at(15.5))
    results = simulate(hourly(16), overlap=overlap, outages=[outage])
    caught_up = [result for result in results if result.outcome == "caught_up"]
    assert [result.nominal for result in caught_up] == [at(hour) for hour in starts]
    assert all(result.started == outage[1] for result in caught_up)
    assert {result.outcome for result in results} <= {"started", "caught_up", "skipped"}


def test_what_is_older_than_the_catch_up_window_is_missed() -> None:
    results = simulate(
        hourly(6), overlap="buffer_all", catch_up=timedelta(hours=2), outages=[(at(0.5), at(5))]
    )
    assert told(results) == [
        "started 0",
        "missed",
        "missed",
        "caught_up 5",
        "caught_up 5",
        "started 5",
    ]


def test_a_run_that_ends_in_an_outage_is_still_running_when_the_server_is_back() -> None:
    skipping = simulate(hourly(5), duration=timedelta(hours=1.5), outages=[(at(0.5), at(3.5))])
    assert told(skipping) == ["started 0", "skipped", "skipped", "skipped", "started 4"]
    assert skipping[0].ended == at(3.5)
    buffering = simulate(
        hourly(5), overlap="buffer_one", duration=timedelta(hours=1.5), outages=[(at(0.5), at(3.5))]
    )
    assert told(buffering) == ["started 0", "caught_up 3.5", "skipped", "skipped", "buffered 5"]


def test_a_pause_across_an_outage_takes_all_of_it() -> None:
    results = simulate(hourly(6), pauses=[(at(0.5), at(3))], outages=[(at(1.5), at(4.5))])
    assert told(results) == ["started 0", "paused", "paused", "paused", "paused", "started 5"]


def test_a_pause_within_an_outage_never_reached_the_server() -> None:
    results = simulate(hourly(5), pauses=[(at(1.5), at(2.5))], outages=[(at(0.5), at(3.5))])
    assert told(results) == ["started 0", "caught_up 3.5", "skipped", "skipped", "started 4"]


def test_outages_that_follow_each_other_at_once_are_one() -> None:
    outages = [(at(2), at(3.5)), (at(0.5), at(2))]
    assert told(simulate(hourly(4), overlap="buffer_all", outages=outages)) == [
        "started 0",
        "caught_up 3.5",
        "caught_up 3.5",
        "caught_up 3.5",
    ]


def test_no_more_are_held_than_temporal_holds() -> None:
    count = LONGEST_BUFFER + 3
    firings = [MIDNIGHT + timedelta(minutes=minute) for minute in range(count)]
    results = simulate(firings, overlap="allow_all", outages=[(MIDNIGHT, at(24))])
    assert [result.outcome for result in results] == ["caught_up"] * LONGEST_BUFFER + ["missed"] * 3


# --- number_of_executions -------------------------------------------------------------------------


def test_only_starts_are_counted() -> None:
    results = simulate(
        hourly(9),
        duration=timedelta(hours=1.5),
        pauses=[(at(1.5), at(3.5))],
        number_of_executions=3,
    )
    assert told(results) == [
        "started 0",
        "skipped",
        "paused",
        "paused",
        "started 4",
        "skipped",
        "started 6",
        "exhausted",
        "exhausted",
    ]


def test_what_waits_when_the_last_execution_starts_is_dropped() -> None:
    results = simulate(
        hourly(4), overlap="buffer_all", duration=timedelta(hours=9), number_of_executions=2
    )
    assert told(results) == ["started 0", "buffered 9", "exhausted", "exhausted"]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ((datetime(2026, 1, 1), at(1)), "must be aware"),  # noqa: DTZ001 - what is refused
        ((at(0), datetime(2026, 1, 2)), "must be aware"),  # noqa: DTZ001 - what is refused
        ((at(1), at(0)), "before it starts"),
    ],
)
@pytest.mark.parametrize("kind", ["outages", "pauses"])
def test_a_span_that_means_nothing_is_refused(
    kind: Literal["outages", "pauses"], span: Span, reason: str
) -> None:
    outages, pauses = ([span], []) if kind == "outages" else ([], [span])
    with pytest.raises(ValueError, match=reason):
        simulate([], outages=outages, pauses=pauses)


def test_starts_bear_the_zone_of_their_firings() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    firings = [datetime(2026, 3, 29, hour, tzinfo=berlin) for hour in (1, 3, 4)]
    results = simulate(
        firings, overlap="buffer_one", duration=timedelta(hours=1.5), outages=[(at(2090), at(2091))]
    )
    assert [f"{result.started:%H:%M %z}" for result in results] == [
        "01:00 +0100",
        "03:30 +0200",
        "05:00 +0200",
    ]


# --- what holds for all ---------------------------------------------------------------------------

minutes = st.integers(0, 600)
spans = st.tuples(minutes, minutes).map(
    lambda pair: (at(min(pair) / 60), at(max(pair) / 60 + 0.01))
)


@settings(max_examples=200, deadline=None)
@given(
    st.sets(minutes, max_size=40),
    st.sampled_from(POLICIES),
    st.integers(0, 200).map(lambda minute: timedelta(minutes=minute)),
    st.lists(spans, max_size=2),
    st.lists(spans, max_size=2),
    st.none() | st.integers(1, 10),
    st.integers(1, 300).map(lambda minute: timedelta(minutes=minute)),
)
def test_every_firing_has_one_outcome_that_keeps_the_policys_promise(  # noqa: PLR0917 - drawn
    due: set[int],
    overlap: Overlap,
    duration: timedelta,
    outages: list[Span],
    pauses: list[Span],
    limit: int | None,
    catch_up: timedelta,
) -> None:
    firings = [at(minute / 60) for minute in sorted(due)]
    results = simulate(
        firings,
        overlap=overlap,
        catch_up=catch_up,
        duration=duration,
        outages=outages,
        pauses=pauses,
        number_of_executions=limit,
    )
    assert [result.nominal for result in results] == firings
    starts = [result for result in results if result.started is not None]
    assert starts == [result for result in results if result.outcome in STARTS]
    assert limit is None or len(starts) <= limit
    for result in starts:
        assert result.started is not None
        assert result.ended is not None
        assert result.nominal <= result.started <= result.ended
        assert not any(start <= result.started < end for start, end in outages)
    if overlap != "allow_all":
        for earlier, later in pairwise(starts):
            assert earlier.ended is not None
            assert later.started is not None
            assert earlier.ended <= later.started
    if overlap in ("buffer_all", "allow_all"):
        assert all(result.outcome != "skipped" for result in results)
    if not outages:
        assert all(result.outcome not in ("missed", "caught_up") for result in results)
    if not pauses:
        assert all(result.outcome != "paused" for result in results)
