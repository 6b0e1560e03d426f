"""When spread jobs start, as the commands tell it, and what is refused."""

import re
from pathlib import Path

import pytest
from test_cli import answer
from test_cli_time import lines, refusal, write_project

JOBS = {
    "plain": 'schedule="@daily"',
    "windowed": 'schedule="@daily", window=600',
    "jittered": 'schedule="0,5 0 * * *", jitter=600',
    "both": 'schedule="50 23 * * *", time_zone="Europe/Berlin", window=900, jitter=600',
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("spread"), JOBS)


def told(root: Path, name: str) -> list[str]:
    """The times that a job is told to fire and start at, without how far away they are."""
    found = lines(root, "next", name, "--from", "2026-03-28", "-n", "2")[1:]
    return [re.sub(r" +\d+ d .*", "", line) for line in found if not line.startswith("~")]


def test_next_tells_the_starts_beside_the_nominal_times(project: Path) -> None:
    assert told(project, "plain") == ["Sat 2026-03-28 00:00 UTC", "Sun 2026-03-29 00:00 UTC"]
    assert told(project, "windowed") == [
        "Sat 2026-03-28 00:00 UTC, starts 00:03:53",
        "Sun 2026-03-29 00:00 UTC, starts 00:03:53",
    ]
    # Temporal's jitter never reaches beyond the next firing.
    assert told(project, "jittered") == [
        "Sat 2026-03-28 00:00 UTC, starts 00:00 to 00:05",
        "Sat 2026-03-28 00:05 UTC, starts 00:05 to 00:15",
    ]
    # On the next day.
    assert told(project, "both") == [
        "Sat 2026-03-28 23:50 CET, starts Sun 2026-03-29 00:02:04 CET to 00:12:04",
        "Sun 2026-03-29 23:50 CEST, starts Mon 2026-03-30 00:02:04 CEST to 00:12:04",
    ]


def test_programs_are_told_the_starts_too(project: Path) -> None:
    found = answer(project, "next", "both", "--from", "2026-03-28", "-n", "1")
    assert (found["spread"], found["jitter"]) == (724.0, 600.0)
    assert found["times"] == ["2026-03-28T23:50:00+01:00"]
    assert found["starts"] == [
        {"first": "2026-03-29T00:02:04+01:00", "last": "2026-03-29T00:12:04+01:00"}
    ]
    found = answer(project, "next", "@hourly", "--from", "2026-03-28", "-n", "1")
    assert found["spread"] == found["jitter"] == 0
    assert found["starts"] == [{"first": found["times"][0], "last": found["times"][0]}]


def test_a_simulation_starts_a_spread_job_when_it_starts(project: Path) -> None:
    found = answer(project, "simulate", "windowed", "--from", "2026-03-28", "--to", "2026-03-29")
    (firing,) = found["firings"]
    assert firing["nominal"] == "2026-03-28T00:00:00+00:00"
    assert firing["started"] == "2026-03-28T00:03:53+00:00"


def test_a_simulation_catches_up_by_the_jobs_mode(tmp_path: Path) -> None:
    root = write_project(tmp_path, {"latest": 'schedule="@hourly", catch_up="latest"'})
    outage = "2026-03-28T00:30..2026-03-28T04:30"
    arguments = ("--from", "2026-03-28", "--to", "2026-03-28T06:00", "--outage", outage)
    found = answer(root, "simulate", "latest", *arguments)
    assert found["catch_up"] == "latest"
    assert found["counts"] == {"started": 2, "skipped": 3, "caught_up": 1}
    text = lines(root, "simulate", "latest", *arguments)
    assert text[0].endswith("overlap skip, catch-up latest")
    assert "the run of 2026-03-28 04:00 took its place" in text[3]


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ('schedule="@hourly",\n    catch_up="all"', "'catch_up' and 'overlap'"),
        ('schedule="@hourly",\n    window=timedelta(hours=2)', "'window' and 'schedule'"),
    ],
)
def test_fields_that_contradict_each_other_are_refused_at_their_line(
    tmp_path: Path, config: str, fields: str
) -> None:
    root = write_project(tmp_path, {"odd": config})
    (problem,) = answer(root, "check", code=1)["errors"]
    assert problem["code"] == "EUR106"
    assert problem["where"] == "jobs/odd.py:7"
    assert problem["what"].startswith(f"config fields {fields} contradict each other: ")
    assert refusal(root, "next", "odd")["code"] == "EUR110"
