"""Times and durations as people give them to a command."""

from datetime import UTC, date, timedelta
from zoneinfo import ZoneInfo

import pytest

from euryale.cli.given import given_date, given_duration, given_span, given_time
from euryale.errors import ScheduleInvalid

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("40m", 2_400), ("2h", 7_200), ("90s", 90), ("1h30m", 5_400), ("1d", 86_400), (" 0S ", 0)],
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert given_duration(text, "--duration") == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "40", "m", "40 m", "-5m", "1.5h", "30m1h", "5 minutes", "٣m", "9999999d", "1h" * 9]
)
def test_no_duration_is_guessed(text: str) -> None:
    with pytest.raises(ScheduleInvalid) as refused:
        given_duration(text, "--duration")
    assert refused.value.where == "--duration"
    assert refused.value.mend


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-07-01", "2026-07-01T00:00:00+02:00"),
        ("2026-07-01T09:30", "2026-07-01T09:30:00+02:00"),
        ("2026-07-01 09:30:15", "2026-07-01T09:30:15+02:00"),
        ("2026-07-01T09:30Z", "2026-07-01T11:30:00+02:00"),
        ("2026-01-01T09:30+05:30", "2026-01-01T05:00:00+01:00"),
        ("2026-10-25T02:30+02:00", "2026-10-25T02:30:00+02:00"),
        ("2026-10-25T02:30+01:00", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_times_are_in_the_zone_unless_they_name_an_offset(text: str, iso: str) -> None:
    assert given_time(text, BERLIN, "--from").isoformat() == iso


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tomorrow", "no time"),
        ("2026-13-01", "no time"),
        ("2026-02-30", "no time"),
        ("", "no time"),
        ("1999-12-31", "outside of the years"),
        ("9999-12-31T23:59:59", "outside of the years"),
        ("0001-01-01T00:00+14:00", "outside of the years"),
        ("2026-03-29T02:30", "does not exist"),
        ("2026-10-25T02:30", "comes twice"),
    ],
)
def test_a_time_that_means_nothing_or_two_things_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ScheduleInvalid, match=reason) as refused:
        given_time(text, BERLIN, "--from")
    assert refused.value.where == "--from"
    assert refused.value.mend


def test_the_offsets_of_a_time_that_comes_twice_are_offered_and_accepted() -> None:
    with pytest.raises(ScheduleInvalid) as refused:
        given_time("2026-10-25T02:30", BERLIN, "--from")
    offered = refused.value.mend.removeprefix("give the offset: ").split(" or ")
    first, second = (given_time(text, BERLIN, "--from").astimezone(UTC) for text in offered)
    assert second - first == timedelta(hours=1)


def test_a_span_is_two_times() -> None:
    start, end = given_span("2026-01-05T08:00..2026-01-05T10:30", BERLIN, "--outage")
    assert (start.isoformat(), end - start) == ("2026-01-05T08:00:00+01:00", timedelta(hours=2.5))


def test_a_span_over_a_fold_is_reckoned_in_elapsed_time() -> None:
    given_span("2026-10-25T02:45+02:00..2026-10-25T02:15+01:00", BERLIN, "--outage")
    with pytest.raises(ScheduleInvalid, match="not after"):
        given_span("2026-10-25T02:15+01:00..2026-10-25T02:45+02:00", BERLIN, "--outage")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2026-01-05", "no stretch"),
        ("2026-01-05..2026-01-06..2026-01-07", "no stretch"),
        ("..", "no time"),
        ("2026-01-06..2026-01-05", "not after"),
        ("2026-01-05..2026-01-05", "not after"),
    ],
)
def test_what_is_no_span_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ScheduleInvalid, match=reason):
        given_span(text, BERLIN, "--outage")


def test_a_date_is_a_date() -> None:
    assert given_date("2026-03-29", "--from") == date(2026, 3, 29)
    for text in ("2026-02-30", "today", "2026-03-29T10:00", "1999-01-01", "2101-01-01"):
        with pytest.raises(ScheduleInvalid, match="no date"):
            given_date(text, "--from")
