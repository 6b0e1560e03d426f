from datetime import UTC, datetime, timedelta

import pytest

from euryale.errors import ExpectationInvalid
from euryale.time.cron import CronExpression
from euryale.watchdog.expectation import Overdue, overdue, parse_expectation

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


def at(day: int, hour: int = 0, minute: int = 0) -> datetime:
    """A time in January 2026, whose fifth day is a Monday."""
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("every day by 09:30", "30 9 * * *"),
        ("Every  DAY by 9:30", "30 9 * * *"),
        ("every day by 00:00", "0 0 * * *"),
        ("every weekday by 18:00", "0 18 * * 1-5"),
        ("every monday by 07:00", "0 7 * * 1"),
        ("every sunday by 23:59", "59 23 * * 0"),
        ("every month by 12:00 on day 1", "0 12 1 * *"),
        ("every month by 12:00 on the last day", "0 12 L * *"),
    ],
)
def test_days_and_times_become_deadlines(text: str, cron: str) -> None:
    deadlines = parse_expectation(text).deadlines
    assert isinstance(deadlines, CronExpression)
    assert deadlines.text == cron


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("every 15 minutes", timedelta(minutes=15)),
        ("every minute", timedelta(minutes=1)),
        ("every hour", timedelta(hours=1)),
        ("every 36 hours", timedelta(hours=36)),
    ],
)
def test_minutes_and_hours_become_an_interval(text: str, interval: timedelta) -> None:
    assert parse_expectation(text).deadlines == interval


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "means nothing"),
        ("daily", "means nothing"),
        ("every day", "means nothing"),
        ("every day by 9am", "means nothing"),
        ("every day by 24:00", "hours go from 00 to 23"),
        ("every day by 09:60", "no clock shows 09:60"),
        ("every moonday by 09:30", "'moonday' is no day"),
        ("every month by 12:00", "the day of the month is missing"),
        ("every month by 12:00 on day 31", "'on the last day'"),
        ("every month by 12:00 on day 0", "day 0"),
        ("every monday by 12:00 on day 1", "only a month is given a day"),
        ("every 0 minutes", "no time at all"),
        ("every 15 seconds", "means nothing"),
        ("every 2 days", "means nothing"),
        ("x" * 10_000, "means nothing"),
    ],
)
def test_other_words_are_refused_with_the_reason_and_with_examples(text: str, reason: str) -> None:
    with pytest.raises(ExpectationInvalid) as caught:
        parse_expectation(text, where="jobs/a.py:3")
    assert reason in caught.value.what
    assert len(caught.value.what) < 200
    assert caught.value.where == "jobs/a.py:3"
    assert "'every day by 09:30'" in caught.value.mend


def missed(
    text: str,
    now: datetime,
    *completed: datetime,
    watched: datetime = LONG_AGO,
    zone: str = "UTC",
) -> Overdue | None:
    return overdue(parse_expectation(text), zone, now=now, watched=watched, completed=completed)


DAILY = "every day by 09:30"


def test_a_run_that_completed_since_the_deadline_before_fulfils_a_deadline() -> None:
    assert missed(DAILY, at(8, 10), at(7, 9, 31), at(7, 4)) is None
    assert missed(DAILY, at(8, 10), at(8, 9, 30), at(7, 4)) is None
    assert missed(DAILY, at(8, 10), at(8, 4), at(7, 4)) is None


def test_a_run_that_completed_before_that_does_not() -> None:
    assert missed(DAILY, at(8, 10), at(7, 4)) == Overdue(at(7, 9, 30), at(8, 9, 30))
    assert missed(DAILY, at(8, 10)) == Overdue(at(7, 9, 30), at(8, 9, 30))


def test_nothing_is_overdue_before_the_deadline() -> None:
    assert missed(DAILY, at(8, 9, 29), at(7, 4), at(6, 4)) is None
    assert missed(DAILY, at(8, 9, 30), at(7, 4), at(6, 4)) is not None


def test_a_run_that_makes_up_for_a_deadline_ends_that_it_is_overdue() -> None:
    assert missed(DAILY, at(8, 12), at(8, 11), at(7, 4)) is None


def test_a_run_that_made_up_for_the_deadline_before_does_not_count_for_this_one() -> None:
    made_up = at(8, 11)
    assert missed(DAILY, at(9, 9), made_up, at(7, 4)) is None
    assert missed(DAILY, at(9, 10), made_up, at(7, 4)) == Overdue(at(8, 9, 30), at(9, 9, 30))
    assert missed(DAILY, at(9, 10), at(9, 4), made_up) is None


def test_a_run_after_several_missed_deadlines_makes_up_for_all() -> None:
    assert missed(DAILY, at(9, 12), at(9, 11), at(2, 4)) is None


def test_a_deadline_whose_stretch_had_begun_when_the_job_was_first_seen_is_not_missed() -> None:
    assert missed(DAILY, at(8, 10), watched=at(7, 10)) is None
    assert missed(DAILY, at(9, 10), watched=at(7, 10)) == Overdue(at(8, 9, 30), at(9, 9, 30))
    # What came before isn't owed either.
    assert missed(DAILY, at(9, 10), at(8, 10), watched=at(7, 10)) is None


def test_weekdays_have_no_deadline_on_the_weekend() -> None:
    weekday = "every weekday by 18:00"
    thursday, friday, monday = at(1, 18), at(2, 18), at(5, 18)
    assert missed(weekday, at(4, 23), friday, thursday) is None
    assert missed(weekday, monday, at(3, 1), friday) is None
    assert missed(weekday, monday, friday) == Overdue(friday, monday)


def test_a_deadline_is_that_of_the_jobs_zone() -> None:
    # In Kolkata 09:30 is 04:00 in UTC.
    assert missed(DAILY, at(8, 3, 59), at(7, 3), at(6, 3), zone="Asia/Kolkata") is None
    assert missed(DAILY, at(8, 4), at(7, 4), zone="Asia/Kolkata") == Overdue(at(7, 4), at(8, 4))


def test_a_deadline_that_the_clocks_leave_out_is_at_the_end_of_the_gap() -> None:
    now = datetime(2026, 3, 29, 1, tzinfo=UTC)  # 03:00 in Berlin, where 02:30 is left out
    found = missed("every day by 02:30", now, zone="Europe/Berlin")
    assert found is not None
    assert found.deadline == now


def test_months_have_one_deadline_each() -> None:
    monthly = "every month by 12:00 on the last day"
    march = datetime(2026, 3, 31, 12, tzinfo=UTC)
    february = datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert missed(monthly, march, february) == Overdue(february, march)
    assert missed(monthly, march, february + timedelta(seconds=1), february) is None


def test_an_interval_wants_a_run_completed_in_any_stretch_of_its_length() -> None:
    quarter = "every 15 minutes"
    assert missed(quarter, at(8, 10, 15), at(8, 10)) is None
    assert missed(quarter, at(8, 10, 16), at(8, 10)) == Overdue(at(8, 10), at(8, 10, 15))
    assert missed(quarter, at(8, 10, 16), watched=at(8, 10, 5)) is None
    assert missed(quarter, at(8, 10, 21), watched=at(8, 10, 5)) == Overdue(
        at(8, 10, 5), at(8, 10, 20)
    )
