"""The fixture `simulate`, as a user's test asks for it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from euryale import ScheduledJobConfig
from euryale.errors import ScheduleInvalid
from euryale.testing import Simulate, simulate_fixture

# As pytest's own plugin does it; imported here, the fixture is this module's too.
__all__ = ["simulate_fixture"]

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_config_is_simulated_with_what_it_says_itself(simulate: Simulate) -> None:
    config = ScheduledJobConfig(
        name="report", schedule="@hourly", overlap="buffer_one", number_of_executions=3
    )
    results = simulate(
        config,
        start=MIDNIGHT,
        end=MIDNIGHT + timedelta(hours=4),
        duration=timedelta(minutes=100),
    )
    assert [each.outcome for each in results] == [
        "started",
        "buffered",
        "buffered",
        "skipped",
        "exhausted",
    ]


def test_the_end_is_a_moment_also_in_the_hour_that_the_clocks_show_twice(
    simulate: Simulate,
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    config = ScheduledJobConfig(name="report", schedule="@hourly", time_zone="Europe/Berlin")
    results = simulate(
        config,
        start=datetime(2026, 10, 25, 1, tzinfo=berlin),
        end=datetime(2026, 10, 25, 2, 30, tzinfo=berlin),
    )
    assert len(results) == 2


def test_an_outage_longer_than_the_configs_catch_up_window_is_missed(simulate: Simulate) -> None:
    config = ScheduledJobConfig(name="report", schedule="0 4 * * *", catch_up=timedelta(hours=1))
    results = simulate(
        config,
        start=MIDNIGHT,
        end=MIDNIGHT + timedelta(days=2),
        outage=(MIDNIGHT + timedelta(hours=3), MIDNIGHT + timedelta(hours=6)),
    )
    assert [each.outcome for each in results] == ["missed", "started"]


def test_without_a_catch_up_window_of_its_own_a_daily_job_is_caught_up_for_a_day(
    simulate: Simulate,
) -> None:
    config = ScheduledJobConfig(name="report", schedule="0 4 * * *")
    (result,) = simulate(
        config,
        start=MIDNIGHT,
        end=MIDNIGHT + timedelta(days=1),
        outage=(MIDNIGHT + timedelta(hours=3), MIDNIGHT + timedelta(hours=6)),
    )
    assert (result.outcome, result.started) == ("caught_up", MIDNIGHT + timedelta(hours=6))


def test_a_pause_takes_its_firings_and_both_ends_of_the_time_count(simulate: Simulate) -> None:
    config = ScheduledJobConfig(name="report", schedule="@hourly", time_zone="Europe/Berlin")
    start = datetime(2026, 3, 29, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    results = simulate(
        config,
        start=start,
        end=start.astimezone(UTC) + timedelta(hours=3),
        paused=(start.astimezone(UTC) + timedelta(minutes=30), start + timedelta(hours=2)),
    )
    # From 02:00 to 03:00 the clocks are put forward.
    assert [f"{each.nominal:%H:%M} {each.outcome}" for each in results] == [
        "01:00 started",
        "03:00 paused",
        "04:00 started",
        "05:00 started",
    ]


def test_a_schedule_that_cannot_be_read_is_refused(simulate: Simulate) -> None:
    config = ScheduledJobConfig(name="report", schedule="61 * * * *")
    with pytest.raises(ScheduleInvalid, match="out of range"):
        simulate(config, start=MIDNIGHT, end=MIDNIGHT + timedelta(days=1))


def test_naive_times_are_refused(simulate: Simulate) -> None:
    config = ScheduledJobConfig(name="report", schedule="@hourly")
    naive = datetime(2026, 1, 1)  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="must be aware"):
        simulate(config, start=naive, end=MIDNIGHT)
