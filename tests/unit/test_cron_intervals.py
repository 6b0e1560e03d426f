"""Intervals in words, and what `schedule` may say in words at all."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from euryale.errors import ScheduleInvalid
from euryale.time.cron import CronExpression, Every, parse_schedule


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("every 15 minutes", timedelta(minutes=15)),
        ("every minute", timedelta(minutes=1)),
        ("every 1 hour", timedelta(hours=1)),
        ("Every 90 Seconds", timedelta(seconds=90)),
        ("  every   2  hours ", timedelta(hours=2)),
        ("every 1 hour 30 minutes", timedelta(hours=1, minutes=30)),
        ("@every 10m", timedelta(minutes=10)),
        ("@every 1h30m", timedelta(hours=1, minutes=30)),
        ("@every 1h0m5s", timedelta(hours=1, seconds=5)),
        ("@every 36h", timedelta(hours=36)),
    ],
)
def test_an_interval_is_elapsed_time(text: str, interval: timedelta) -> None:
    assert parse_schedule(text) == Every(interval)


@pytest.mark.parametrize("text", ["0 9 * * *", "@hourly", "CRON_TZ=UTC */5 * * * *", "H 3 * * *"])
def test_all_else_is_a_cron_expression(text: str) -> None:
    assert parse_schedule(text, name="report") == CronExpression.parse(text, name="report")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("every", "schedule 'every' says no interval. Write hours, minutes and seconds, such as"),
        ("every 15", "is no interval"),
        ("every fifteen minutes", "is no interval"),
        ("every 1.5 hours", "is no interval"),
        ("every -5 minutes", "is no interval"),
        ("every 15 minutes at noon", "is no interval"),
        ("every hour 30 minutes", "is no interval"),
        ("@every 1h m", "is no interval"),
        ("@every 500ms", "is no interval"),
        ("@every 30m1h", "names a unit twice or after a shorter one"),
        ("every 5 minutes 5 minutes", "names a unit twice"),
        (
            "every 0 minutes",
            "is an interval of 0:00:00. Use at least a second and at most 366 days",
        ),
        ("every 999999999 hours", "at most 366 days"),
        ("every 99999999999999999999 hours", "is no interval"),
        (
            "every day",
            "is ambiguous: a day may be elapsed time, or end at midnight. Write '@daily'",
        ),
        ("every 2 weeks", "is ambiguous: a week may be elapsed time"),
        ("@every 1d", "is ambiguous"),
        ("@every10m", "is none of @yearly"),
        ("0 25 * * *", "hour '25'"),
    ],
)
def test_what_is_no_interval_is_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(ScheduleInvalid) as caught:
        parse_schedule(text, where="jobs/report.py:3")
    assert message in str(caught.value)
    assert caught.value.where == "jobs/report.py:3"


@given(st.integers(0, 100), st.integers(0, 1_000), st.integers(1, 10_000))
def test_hours_minutes_and_seconds_add_up(hours: int, minutes: int, seconds: int) -> None:
    interval = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    assert parse_schedule(f"@every {hours}h{minutes}m{seconds}s") == Every(interval)
    assert parse_schedule(f"every {hours} hours {minutes} min {seconds} s") == Every(interval)


@given(st.text(alphabet="0123456789 hmsdwinutecor.-@", max_size=20))
def test_any_text_after_every_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        schedule = parse_schedule(f"every {text}")
    except ScheduleInvalid:
        return
    assert isinstance(schedule, Every)
    assert schedule.interval >= timedelta(seconds=1)
