from datetime import UTC, datetime

import pytest
from temporalio.api.schedule.v1 import CalendarSpec, ScheduleSpec
from temporalio.client import ScheduleSpec as Spec

from euryale.schedules.mark import Mark, mark_of, spec_digest

MARKS = (
    Mark(hash="3f2a9c1d0b7e0011", sequence=1, release="2026-11-21"),
    Mark(
        hash="3f2a9c1d0b7e0011",
        sequence=2**31,
        release="r" * 60,
        executions=10**9,
        horizon=datetime(2036, 1, 1, tzinfo=UTC),
        spec="01234567",
    ),
)


@pytest.mark.parametrize("mark", MARKS)
def test_a_mark_is_read_from_the_spec_that_bears_it(mark: Mark) -> None:
    spec = Spec(skip=[mark.calendar()])._to_proto()
    assert mark_of(spec) == mark
    assert len(str(mark)) <= 200


def test_a_spec_of_somebody_else_bears_no_mark() -> None:
    assert mark_of(ScheduleSpec(exclude_calendar=[CalendarSpec(comment="euryale")])) is None
    assert mark_of(ScheduleSpec()) is None


def test_the_digest_is_that_of_the_spec_without_its_mark() -> None:
    bare = Spec(time_zone_name="UTC")
    marked = Spec(time_zone_name="UTC", skip=[MARKS[0].calendar()])
    assert spec_digest(bare._to_proto()) == spec_digest(marked._to_proto())
    other = Spec(time_zone_name="Asia/Kolkata")
    assert spec_digest(bare._to_proto()) != spec_digest(other._to_proto())
