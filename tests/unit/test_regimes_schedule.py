"""A job's schedule in a zone whose clocks are changed: what its hash follows."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from euryale.jobs.discovery import discover
from euryale.jobs.job import JobSource
from euryale.schedules.schedule import desired_schedule

JOB = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="nightly", schedule="30 2 * * *", {more})


async def handler(container):
    ...
"""

IN_MAY = datetime(2026, 5, 1, tzinfo=UTC)
IN_DECEMBER = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def hash_of(root: Path, more: str, since: datetime) -> str:
    # A name of its own, because job files are imported once.
    folder = root / f"jobs_{abs(hash((root, more)))}"
    folder.mkdir(exist_ok=True)
    (folder / "nightly.py").write_text(JOB.format(more=more))
    found = discover([JobSource(folder)], root=root)
    assert found.errors == ()
    return desired_schedule("shop", found.jobs[0], "shop", since=since).hash


def test_where_clocks_are_changed_the_hash_changes_once_a_year(tmp_path: Path) -> None:
    berlin = "time_zone='Europe/Berlin'"
    assert hash_of(tmp_path, berlin, IN_MAY) == hash_of(tmp_path, berlin, IN_DECEMBER)
    assert hash_of(tmp_path, berlin, IN_MAY) != hash_of(tmp_path, berlin, NEXT_YEAR)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata"])
def test_where_clocks_stay_as_they_are_the_hash_does_too(tmp_path: Path, zone: str) -> None:
    more = f"time_zone='{zone}'"
    assert hash_of(tmp_path, more, IN_MAY) == hash_of(tmp_path, more, NEXT_YEAR)


def test_another_policy_is_another_schedule(tmp_path: Path) -> None:
    berlin = "time_zone='Europe/Berlin'"
    assert hash_of(tmp_path, berlin, IN_MAY) != hash_of(tmp_path, f"{berlin}, dst='skip'", IN_MAY)
