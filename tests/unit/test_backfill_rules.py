from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import ScheduleOverlapPolicy

from euryale.config import ScheduledJobConfig
from euryale.errors import BackfillUnderWay, ScheduleInvalid
from euryale.jobs.job import Job, JobSource
from euryale.runs.backfill import (
    MOST_FIRINGS,
    PastFiring,
    Stretch,
    of_unknown_past,
    refuse_under_way,
    refuse_unknown,
    requests,
    stretch_of,
)
from euryale.time.spread import spread_of

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DAY = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)


def job(schedule: str = "0 * * * *", **more: Any) -> Job:
    return Job(
        config=ScheduledJobConfig(name="hourly", schedule=schedule, **more),
        handler=_handler,
        module="jobs.hourly",
        file=Path("jobs/hourly.py"),
        line=1,
        parameters=(),
        data_type=None,
        source=JobSource(Path("jobs")),
    )


async def _handler() -> None: ...


def stretch(of: Job, start: datetime, end: datetime) -> Stretch:
    return stretch_of("shop", of, start, end, now=NOW)


def times(found: Sequence[PastFiring]) -> list[str]:
    return [f"{firing.fire_time:%H:%M}" for firing in found]


def test_both_ends_belong_to_the_stretch() -> None:
    found = stretch(job(), DAY, DAY + 2 * HOUR)
    assert times(found.firings) == ["00:00", "01:00", "02:00"]
    assert times(stretch(job(), DAY, DAY).firings) == ["00:00"]
    assert stretch(job(), DAY + HOUR / 2, DAY + HOUR / 2).firings == ()


def test_a_run_is_named_by_its_firing_in_utc() -> None:
    (found,) = stretch(job("30 4 * * *", time_zone="Asia/Kolkata"), DAY - HOUR, DAY).firings
    assert found.workflow_id == "shop/hourly-2026-11-19T23:00:00Z"
    assert found.fire_time.isoformat() == "2026-11-20T04:30:00+05:30"


def test_a_time_that_the_clocks_left_out_is_the_nominal_one() -> None:
    of = job("30 2 * * *", time_zone="Europe/Berlin")
    night = datetime(2026, 3, 29, tzinfo=UTC)
    (found,) = stretch(of, night, night + 6 * HOUR).firings
    assert f"{found.fire_time:%H:%M} {found.nominal_time:%H:%M}" == "03:00 02:30"
    assert found.workflow_id == "shop/hourly-2026-03-29T01:00:00Z"


def test_a_spread_job_has_the_runs_of_its_spread_times() -> None:
    of = job(window=timedelta(minutes=30))
    spread = spread_of("shop/hourly", timedelta(minutes=30))
    (found,) = stretch(of, DAY, DAY).firings
    assert spread > timedelta(0)
    assert found.workflow_id == f"shop/hourly-{DAY + spread:%Y-%m-%dT%H:%M:%SZ}"
    assert found.former_id == "shop/hourly-2026-11-20T00:00:00Z"
    assert found.request_start < DAY + spread <= found.request_end < DAY + HOUR


def test_a_request_holds_its_own_firing_and_no_other() -> None:
    every_second = stretch(job("* * * * * *"), DAY, DAY + timedelta(seconds=2))
    asked = requests(every_second.firings, every_second.overlap)
    for request, later in pairwise(asked):
        assert request.end_at < later.start_at
    first = asked[0]
    assert first.start_at < DAY <= first.end_at < DAY + timedelta(seconds=1)


@pytest.mark.parametrize("jitter", [timedelta(minutes=10), timedelta(hours=3)])
def test_a_request_reaches_as_far_as_the_jitter_and_not_to_the_next_firing(
    jitter: timedelta,
) -> None:
    first, _ = stretch(job(jitter=jitter), DAY, DAY + HOUR).firings
    assert first.request_end == min(DAY + jitter, DAY + HOUR - timedelta(microseconds=1))


def test_runs_wait_for_each_other_unless_the_job_allows_all() -> None:
    for overlap in ("skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other"):
        assert stretch(job(overlap=overlap), DAY, DAY).overlap == ScheduleOverlapPolicy.BUFFER_ALL
    side_by_side = stretch(job(overlap="allow_all"), DAY, DAY)
    assert side_by_side.overlap == ScheduleOverlapPolicy.ALLOW_ALL


def test_a_stretch_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ScheduleInvalid, match="is before 2026-11-20T01:00:00"):
        stretch(job(), DAY + HOUR, DAY)


@pytest.mark.parametrize(
    ("more", "settled"),
    [
        ({}, timedelta(seconds=10)),
        ({"jitter": timedelta(minutes=5)}, timedelta(minutes=5, seconds=10)),
        ({"window": timedelta(minutes=30)}, timedelta(minutes=30, seconds=10)),
    ],
)
def test_what_the_schedule_may_still_start_itself_is_refused(
    more: dict[str, Any], settled: timedelta
) -> None:
    assert stretch(job(**more), DAY, NOW - settled).firings
    with pytest.raises(ScheduleInvalid, match="is not past") as caught:
        stretch(job(**more), DAY, NOW - settled + timedelta(seconds=1))
    assert caught.value.mend == f"give a time up to {(NOW - settled).isoformat()}"


def test_too_many_firings_are_refused_with_their_number() -> None:
    minutely = job("* * * * *")
    assert len(stretch(minutely, DAY, DAY + timedelta(minutes=MOST_FIRINGS - 1)).firings) == 1_000
    with pytest.raises(ScheduleInvalid, match="the job fires 1,001 times in this stretch"):
        stretch(minutely, DAY, DAY + timedelta(minutes=MOST_FIRINGS))
    with pytest.raises(ScheduleInvalid, match="100,000 times or more"):
        stretch(job("* * * * * *"), DAY - timedelta(days=300), DAY)


def test_a_firing_that_the_schedule_does_not_know_is_refused() -> None:
    found = stretch(job(), DAY, DAY + 2 * HOUR)
    held = [DAY, DAY + HOUR, DAY + 2 * HOUR]
    refuse_unknown(found, held)
    with pytest.raises(ScheduleInvalid, match=r"doesn't know 1 of the 3 firings, from .*T01:00"):
        refuse_unknown(found, [held[0], held[2]])
    with pytest.raises(ScheduleInvalid, match="doesn't know 3 of the 3"):
        refuse_unknown(found, [])


def test_a_firing_that_jitter_puts_off_is_known() -> None:
    found = stretch(job(jitter=timedelta(minutes=50)), DAY, DAY + HOUR)
    refuse_unknown(found, [DAY + timedelta(minutes=49), DAY + HOUR + timedelta(minutes=1)])


def test_runs_that_wait_refuse_another_backfill() -> None:
    found = stretch(job(), DAY, DAY)
    refuse_under_way(found, 0)
    with pytest.raises(BackfillUnderWay, match="12 firings of the job wait"):
        refuse_under_way(found, 12)


def test_firings_without_a_run_may_be_older_than_what_is_kept() -> None:
    found = stretch(job(), DAY, DAY + 2 * HOUR)
    assert of_unknown_past(found, DAY + HOUR) == 1
    ran = Stretch(found.schedule_id, found.overlap, ())
    assert of_unknown_past(ran, NOW) == 0
