"""Which firing a time means, and why a time is none."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from euryale.time.firing import Firing, NoFiring, find_firing, fires_at, is_missing, last_firing
from euryale.time.timetable import Timetable, parse_timetable
from euryale.why.why_no_firing import on_that_night, why_no_firing

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = "30 2 * * *"


def berlin(dst: str = "once", schedule: str = NIGHTLY) -> Timetable:
    return parse_timetable(schedule, zone="Europe/Berlin", dst=dst)  # type: ignore[arg-type]


def told(timetable: Timetable, asked: datetime) -> tuple[str, str]:
    """The kind and the words of the first reason why a time is no firing."""
    found = find_firing(timetable, asked)
    assert isinstance(found, NoFiring)
    reason = why_no_firing(timetable, found).reasons[0]
    return reason.kind, reason.told(str)


def test_a_time_that_matches_is_its_own_firing() -> None:
    found = find_firing(berlin(), datetime(2026, 1, 5, 2, 30, tzinfo=BERLIN))
    assert found == Firing(datetime(2026, 1, 5, 2, 30, tzinfo=BERLIN))


def test_a_time_that_the_clocks_left_out_means_the_firing_at_the_end_of_the_gap() -> None:
    timetable = berlin()
    found = find_firing(timetable, datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN))
    assert isinstance(found, Firing)
    assert found.fire_time.isoformat() == "2026-03-29T03:00:00+02:00"
    reason = on_that_night(timetable, found)
    assert reason is not None
    assert reason.told(str) == (
        "the clocks go forward from 02:00 to 03:00: 02:30 doesn't exist, runs at 03:00, by dst=once"
    )


def test_the_end_of_a_gap_says_what_it_stands_for() -> None:
    found = find_firing(berlin(), datetime(2026, 3, 29, 3, tzinfo=BERLIN))
    assert isinstance(found, Firing)
    assert found.effect is not None
    assert found.effect.words == "02:30 doesn't exist, runs at 03:00"


def test_a_time_that_the_clocks_left_out_is_no_firing_where_it_is_skipped() -> None:
    kind, words = told(berlin("skip"), datetime(2026, 3, 29, 2, 30, tzinfo=BERLIN))
    assert kind == "clocks_changed"
    assert words.endswith("02:30 doesn't exist, doesn't run, by dst=skip")


def test_the_second_pass_of_a_fold_is_no_firing_of_a_job_that_runs_once() -> None:
    first, second = (datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))
    assert isinstance(find_firing(berlin(), first), Firing)
    kind, words = told(berlin(), second)
    assert kind == "clocks_changed"
    assert words == (
        "the clocks go back from 03:00 to 02:00: 02:30 comes twice, runs the first time only, "
        "by dst=once"
    )
    assert isinstance(find_firing(berlin("twice"), second), Firing)


@pytest.mark.parametrize(
    ("asked", "kind", "words"),
    [
        ("2026-01-05T09:00", "no_match", "nothing in its schedule (0 4 * * *: At 04:00"),
        ("2026-12-25T04:00", "excepted", "its `except` takes that time out: 2026-12-25"),
        ("2025-01-05T04:00", "before_start", "it is before its start_at, 2026-01-01"),
        ("2028-01-05T04:00", "after_end", "it is after its end_at, 2027-01-01"),
    ],
)
def test_a_time_that_is_no_firing_says_why(asked: str, kind: str, words: str) -> None:
    timetable = parse_timetable(
        "0 4 * * *",
        start_at=datetime(2026, 1, 1, tzinfo=UTC),
        end_at=datetime(2027, 1, 1, tzinfo=UTC),
        exceptions=date(2026, 12, 25),
    )
    found = told(timetable, datetime.fromisoformat(asked).replace(tzinfo=UTC))
    assert found[0] == kind
    assert found[1].startswith(words)


def test_a_time_that_is_no_firing_tells_the_firings_around_it() -> None:
    timetable = parse_timetable("0 4 * * *", end_at=datetime(2027, 1, 1, tzinfo=UTC))
    found = find_firing(timetable, datetime(2026, 1, 5, 9, tzinfo=UTC))
    assert isinstance(found, NoFiring)
    assert found.before == datetime(2026, 1, 5, 4, tzinfo=UTC)
    assert found.after == datetime(2026, 1, 6, 4, tzinfo=UTC)
    last = find_firing(timetable, datetime(2028, 1, 5, 9, tzinfo=UTC))
    assert isinstance(last, NoFiring)
    assert last.before == datetime(2026, 12, 31, 4, tzinfo=UTC)
    assert last.after is None
    around = why_no_firing(timetable, last).reasons[1].told(str)
    assert around == f"the firing before was at {last.before}, and it never fires after"


@pytest.mark.parametrize(
    "schedule", ["* * * * * *", "* * * * *", "30 4 * * *", "0 0 1 1 *", "0 0 29 2 *", NIGHTLY]
)
def test_the_last_firing_is_the_one_after_which_the_next_is_too_late(schedule: str) -> None:
    timetable = parse_timetable(schedule, zone="Europe/Berlin")
    until = datetime(2026, 6, 3, 12, 0, 0, 500_000, tzinfo=UTC)
    last = last_firing(timetable, until)
    assert last is not None
    assert last <= until
    assert fires_at(timetable, last)
    following = find_firing(timetable, until)
    assert isinstance(following, NoFiring)
    assert following.before == last


def test_there_is_no_last_firing_before_the_start() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    timetable = parse_timetable("0 4 * * *", start_at=start)
    assert last_firing(timetable, start) is None
    assert last_firing(timetable, start + timedelta(hours=4)) == start + timedelta(hours=4)


def test_only_times_in_a_gap_are_missing() -> None:
    assert is_missing(datetime(2026, 3, 29, 2, 0, tzinfo=BERLIN))
    assert not is_missing(datetime(2026, 3, 29, 3, 0, tzinfo=BERLIN))
    assert not is_missing(datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1))
