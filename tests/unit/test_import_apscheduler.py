"""The jobs of an APScheduler become jobs that fire as its triggers do."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import (  # type: ignore[import-untyped]
    BackgroundScheduler,
)

from euryale.errors import ImportUnreadable
from euryale.imports.apscheduler import read_apscheduler
from euryale.imports.entry import Reading
from euryale.imports.importer import ProvenJob, prove

AFTER = datetime(2026, 11, 1, tzinfo=UTC)

APP = """
from datetime import datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

scheduler = BackgroundScheduler({options})


def work(*args, **kwargs): ...


scheduler.add_job(work, {job})
scheduler.start()
"""
BERLIN = "timezone='Europe/Berlin'"


def read(folder: Path, job: str, options: str = BERLIN, zone: str | None = None) -> Reading:
    file = folder / "clock.py"
    file.write_text(APP.format(job=job, options=options))
    return read_apscheduler(file, zone=zone)


def proven(folder: Path, job: str, options: str = BERLIN, zone: str | None = None) -> ProvenJob:
    (found,) = read(folder, job, options, zone).jobs
    told = prove(found, after=AFTER)
    assert isinstance(told, ProvenJob)
    return told


@pytest.mark.parametrize(
    ("theirs", "schedule", "exceptions"),
    [
        ("hour=9, minute=5", "5 9 * * *", ()),
        ("hour=9, day_of_week=0", "0 9 * * 1", ()),
        ("hour=9, day_of_week='mon-fri'", "0 9 * * 1-5", ()),
        ("hour=9, day_of_week=6", "0 9 * * 0", ()),
        ("minute='*/15', hour='8-18'", "*/15 8-18 * * *", ()),
        ("second='*/15', hour=3", "*/15 * 3 * * *", ()),
        ("day='last', hour=4", "0 4 L * *", ()),
        ("day='2nd fri', hour=4", "0 4 * * 5#2", ()),
        ("day='last mon', hour=4", "0 4 * * 1L", ()),
        ("day='15, 2nd fri, last mon, last', hour=4", "0 4 15,L * 5#2,1L", ()),
        ("day='1-7', day_of_week='tue', hour=4", "0 4 * * 2#1", ()),
        ("day='*/2', day_of_week='tue', hour=4", "0 4 */2 * 2", ()),
        ("day=13, day_of_week='fri', hour=4", "0 4 13 * *", ("* * * * 0-4,6",)),
        ("day='last', day_of_week='fri', hour=4", "0 4 L * *", ("* * * * 0-4,6",)),
        ("month='jan-mar,7', day=1, hour=4", "0 4 1 1-3,7 *", ()),
    ],
)
def test_a_cron_trigger_fires_alike_counting_from_monday_with_all_fields_matching(
    tmp_path: Path, theirs: str, schedule: str, exceptions: tuple[str, ...]
) -> None:
    told = proven(tmp_path, f"'cron', {theirs}")
    assert (told.config.schedule, told.config.except_) == (schedule, exceptions)
    assert told.comparison.differences == ()
    assert told.comparison.compared > 100
    assert told.config.time_zone == "Europe/Berlin"


def test_numbered_weekdays_are_said_to_count_from_monday(tmp_path: Path) -> None:
    (job,) = read(tmp_path, "'cron', hour=9, day_of_week='0-4'").jobs
    assert any("from Monday" in note for note in job.notes)
    (job,) = read(tmp_path, "'cron', hour=9, day_of_week='mon'").jobs
    assert not any("from Monday" in note for note in job.notes)


def test_years_and_dates_become_bounds(tmp_path: Path) -> None:
    told = proven(tmp_path, "'cron', year='2027-2028', day=1, hour=5")
    assert told.config.start_at == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert told.config.end_at == datetime(2028, 12, 31, 22, 59, 59, tzinfo=UTC)
    assert (told.comparison.compared, told.comparison.differences) == (24, ())
    told = proven(tmp_path, "'cron', hour=5, start_date='2027-01-05', end_date='2027-02-05'")
    assert (told.comparison.compared, told.comparison.differences) == (31, ())


def test_the_nights_are_differences_in_words(tmp_path: Path) -> None:
    told = proven(tmp_path, "'cron', hour=2, minute=30")
    words = {each.words for each in told.comparison.differences}
    assert "the clocks go forward from 02:00 to 03:00: Euryale fires earlier" in words
    assert "APScheduler" in told.job.nights


@pytest.mark.parametrize(
    ("theirs", "schedule"),
    [
        ("minutes=10, start_date='2026-01-01 00:00:00'", timedelta(minutes=10)),
        ("hours=6, start_date='2026-01-01 02:30:00'", "30 1-19/6 * * *"),
        ("minutes=20, start_date='2026-01-01 02:05:00'", "5,25,45 * * * *"),
        ("seconds=20, start_date='2026-01-01 02:00:05'", "5,25,45 * * * * *"),
        ("minutes=90, start_date='2026-01-01 00:20:00'", ("20 2-23/3 * * *", "50 */3 * * *")),
        ("days=7, start_date='2026-01-01 02:30:00'", "30 1 * * 4"),
    ],
)
def test_an_interval_that_begins_somewhere_fires_at_those_moments(
    tmp_path: Path, theirs: str, schedule: object
) -> None:
    told = proven(tmp_path, f"'interval', {theirs}")
    assert told.comparison.differences == ()
    assert told.config.schedule == schedule
    assert told.config.time_zone is None


def test_an_interval_that_no_expression_says_is_different_with_its_reason(tmp_path: Path) -> None:
    told = proven(tmp_path, "'interval', hours=5, start_date='2026-01-01 00:20:00'")
    assert not told.is_equal
    assert told.config.schedule == timedelta(hours=5)
    assert any("start_date" in note for note in told.job.notes)


def test_an_interval_from_the_start_of_the_process_keeps_its_distance(tmp_path: Path) -> None:
    told = proven(tmp_path, "'interval', minutes=7")
    assert told.comparison.differences == ()
    assert any("when it was started" in note for note in told.job.notes)


def test_a_date_is_a_one_off_time_unless_it_has_passed(tmp_path: Path) -> None:
    told = proven(tmp_path, "'date', run_date='2090-01-01 00:00:00'")
    assert told.config.schedule == datetime(2089, 12, 31, 23, tzinfo=UTC)
    assert (told.comparison.compared, told.comparison.differences) == (1, ())
    reading = read(tmp_path, "'date', run_date='2020-01-01 00:00:00'")
    assert "passed" in reading.refusals[0].reason


@pytest.mark.parametrize(
    ("options", "more", "config"),
    [
        ("misfire_grace_time=90", (), {"catch_up": timedelta(seconds=90), "overlap": "skip"}),
        ("misfire_grace_time=None", (), {"catch_up": "latest", "overlap": "skip"}),
        (
            "misfire_grace_time=None, coalesce=False",
            (),
            {"catch_up": "all", "overlap": "buffer_all"},
        ),
        ("misfire_grace_time=3", ("ten seconds",), {"catch_up": timedelta(seconds=10)}),
        ("jitter=30", (), {"jitter": timedelta(seconds=30)}),
        ("max_instances=3", ("allow_all",), {"overlap": "allow_all"}),
        ("coalesce=False", ("buffer_all",), {"overlap": "buffer_all"}),
        ("kwargs={'a': 1}", (), {"data": {"a": 1}}),
        ("args=[1]", (), {"data": {"args": [1], "kwargs": {}}}),
        ("id='nightly'", (), {"name": "nightly"}),
        ("", (), {"name": "work", "paused": True, "catch_up": None}),
    ],
)
def test_options_become_fields(
    tmp_path: Path, options: str, more: tuple[str, ...], config: dict[str, object]
) -> None:
    told = proven(tmp_path, f"'cron', hour=9, {options}")
    assert {name: getattr(told.config, name) for name in config} == config
    for words in more:
        assert any(words in note for note in told.job.notes)
    assert told.comparison.differences == ()


def test_the_schedulers_defaults_are_the_jobs(tmp_path: Path) -> None:
    defaults = f"{BERLIN}, job_defaults={{'misfire_grace_time': 120}}"
    assert proven(tmp_path, "'cron', hour=9", defaults).config.catch_up == timedelta(minutes=2)


@pytest.mark.parametrize(
    ("job", "reason"),
    [
        ("'cron', week='1-10'", "ISO weeks"),
        ("'cron', year='*/2'", "years"),
        ("OrTrigger([CronTrigger(hour=1), CronTrigger(hour=2)])", "a job of its own"),
        (
            "CronTrigger(hour=1, timezone='Etc/Unknown') if 0 else 'interval', seconds=0.25",
            "second",
        ),
    ],
)
def test_what_no_config_says_is_refused_in_words(tmp_path: Path, job: str, reason: str) -> None:
    reading = read(tmp_path, job)
    told = [each.reason for each in reading.refusals]
    told += [
        each.reason
        for job_ in reading.jobs
        if not isinstance(each := prove(job_, after=AFTER), ProvenJob)
    ]
    assert len(told) == 1
    assert reason in told[0]


def test_without_a_zone_the_one_given_is_taken_for_the_machines(tmp_path: Path) -> None:
    assert proven(tmp_path, "'cron', hour=9", "").job.zone == "UTC"
    told = proven(tmp_path, "'cron', hour=9", "", "Asia/Kolkata")
    assert told.config.time_zone == "Asia/Kolkata"
    assert told.is_equal


def test_a_file_that_starts_its_scheduler_starts_nothing(tmp_path: Path) -> None:
    read(tmp_path, "'interval', seconds=1")
    assert not sys.modules["_imported_clock"].scheduler.running
    scheduler = BackgroundScheduler()
    scheduler.start()
    assert scheduler.running
    scheduler.shutdown()


@pytest.mark.parametrize("text", ["", "x = 1", "from apscheduler.schedulers.background import *"])
def test_a_file_without_jobs_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "clock.py"
    file.write_text(text)
    with pytest.raises(ImportUnreadable, match="no scheduler of it has a job"):
        read_apscheduler(file)
