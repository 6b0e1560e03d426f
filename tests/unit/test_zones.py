"""Time zones: which names are known, what is suggested, and when clocks are changed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from euryale.errors import ScheduleInvalid
from euryale.time.zones import next_transition, time_zone

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", ["UTC", "Asia/Kolkata", "Asia/Calcutta", "Etc/GMT+5"])
def test_a_name_of_the_database_is_a_zone(name: str) -> None:
    assert time_zone(name) == ZoneInfo(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("utc", "UTC"),
        ("europe/berlin", "Europe/Berlin"),
        ("Asia/Calcuta", "Asia/Calcutta"),
        ("kolkata", "Asia/Kolkata"),
        ("New York", "America/New_York"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, meant: str) -> None:
    with pytest.raises(ScheduleInvalid) as caught:
        time_zone(name, where="jobs/report.py:3")
    assert caught.value.where == "jobs/report.py:3"
    assert f"time_zone '{name}' is no name" in caught.value.what
    assert caught.value.mend == f"did you mean '{meant}'?"


@pytest.mark.parametrize(
    "name", ["", "../etc/passwd", "localtime", "Factory", "Mars/Olympus", "x" * 9_999]
)
def test_a_name_like_no_other_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ScheduleInvalid) as caught:
        time_zone(name)
    assert caught.value.mend == "use a name such as 'UTC' or 'Asia/Kolkata'"
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("name", "transition"),
    [
        ("UTC", None),
        ("Asia/Kolkata", None),
        ("Africa/Lagos", None),
        ("Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
        ("Africa/Casablanca", datetime(2026, 2, 15, 2, tzinfo=UTC)),
    ],
)
def test_the_next_change_of_the_clocks_is_found_to_the_second(
    name: str, transition: datetime | None
) -> None:
    assert next_transition(ZoneInfo(name), NEW_YEAR) == transition
