"""Celery's beat schedules become jobs that fire as beat would send."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from euryale.errors import ImportUnreadable
from euryale.imports.celery import read_celery
from euryale.imports.entry import Reading
from euryale.imports.importer import ProvenJob, prove

AFTER = datetime(2026, 11, 1, tzinfo=UTC)

APP = """
from datetime import timedelta

from celery import Celery
from celery.schedules import BaseSchedule, crontab, schedule



class solar(BaseSchedule):
    pass


app = Celery("shop")
app.conf.timezone = "{zone}"
app.conf.beat_schedule = {{"it": {{"task": "shop.report", "schedule": {schedule}{more}}}}}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "beat.py"
    file.write_text(text)
    return file


def read(folder: Path, schedule: str, zone: str = "Europe/Berlin", more: str = "") -> Reading:
    return read_celery(written(folder, APP.format(schedule=schedule, zone=zone, more=more)))


def proven(folder: Path, schedule: str, zone: str = "Europe/Berlin", more: str = "") -> ProvenJob:
    (job,) = read(folder, schedule, zone, more).jobs
    told = prove(job, after=AFTER)
    assert isinstance(told, ProvenJob)
    return told


@pytest.mark.parametrize(
    ("theirs", "schedule", "exceptions"),
    [
        ("crontab(minute=0, hour=9)", "0 9 * * *", ()),
        ("crontab(minute='*/10', hour='8-18', day_of_week='mon-fri')", "*/10 8-18 * * 1-5", ()),
        ("crontab(minute=0, hour=9, day_of_week=0)", "0 9 * * 0", ()),
        ("crontab(minute=0, hour='22-2')", "0 0-2,22,23 * * *", ()),
        ("crontab(minute=0, hour=9, day_of_month='8-14', day_of_week=1)", "0 9 * * 1#2", ()),
        ("crontab(minute=0, hour=9, day_of_month='*/2', day_of_week=1)", "0 9 */2 * 1", ()),
        (
            "crontab(minute=0, hour=9, day_of_month=13, day_of_week='fri')",
            "0 9 13 * *",
            ("* * * * 0-4,6",),
        ),
        ("crontab(minute=0, hour=9, day_of_month=29, month_of_year=2)", "0 9 29 2 *", ()),
    ],
)
def test_a_crontab_fires_alike_where_both_day_fields_must_match(
    tmp_path: Path, theirs: str, schedule: str, exceptions: tuple[str, ...]
) -> None:
    told = proven(tmp_path, theirs)
    assert told.comparison.differences == ()
    assert (told.config.schedule, told.config.except_) == (schedule, exceptions)
    assert told.config.time_zone == "Europe/Berlin"


def test_where_both_day_fields_are_restricted_the_report_says_what_celery_means(
    tmp_path: Path,
) -> None:
    (job,) = read(tmp_path, "crontab(day_of_month=13, day_of_week=5)").jobs
    assert any("both day fields" in note for note in job.notes)


def test_an_hourly_job_that_misses_the_second_pass_is_written_so(tmp_path: Path) -> None:
    told = proven(tmp_path, "crontab(minute=0)")
    assert told.comparison.differences == ()
    assert told.config.dst == "skip"


def test_a_time_that_the_clocks_leave_out_is_a_difference_in_words(tmp_path: Path) -> None:
    told = proven(tmp_path, "crontab(minute=30, hour=2)")
    first = told.comparison.differences[0]
    assert first.theirs is not None
    assert first.ours is not None
    assert f"{first.theirs:%Y-%m-%d %H:%M}, {first.ours:%H:%M}" == "2027-03-28 03:30, 03:00"
    assert first.words == "the clocks go forward from 02:00 to 03:00: Euryale fires earlier"
    assert "Celery" in told.job.nights


@pytest.mark.parametrize("theirs", ["30.0", "timedelta(minutes=5)", "schedule(timedelta(hours=1))"])
def test_an_interval_keeps_its_distance_and_says_that_it_has_another_phase(
    tmp_path: Path, theirs: str
) -> None:
    told = proven(tmp_path, theirs)
    assert told.comparison.differences == ()
    assert isinstance(told.config.schedule, timedelta)
    assert any("beat was started" in note for note in told.job.notes)


def test_a_relative_interval_of_a_day_fires_at_midnight(tmp_path: Path) -> None:
    told = proven(tmp_path, "schedule(timedelta(days=1), relative=True)")
    assert told.comparison.differences == ()
    assert (told.config.schedule, told.config.time_zone) == ("0 0 * * *", "Europe/Berlin")


def test_arguments_become_data_and_options_are_kept(tmp_path: Path) -> None:
    told = proven(tmp_path, "crontab()", more=", 'kwargs': {'a': 1}, 'options': {'queue': 'slow'}")
    assert told.config.data == {"a": 1}
    assert any("queue" in line for line in told.job.original)
    told = proven(tmp_path, "crontab()", more=", 'args': (1, 'b')")
    assert told.config.data == {"args": [1, "b"], "kwargs": {}}
    told = proven(tmp_path, "crontab()", more=", 'args': (object(),)")
    assert told.config.data == {}
    assert any("aren't JSON" in line for line in told.job.original)


def test_beat_starts_a_task_beside_the_one_before_and_so_does_the_job(tmp_path: Path) -> None:
    config = proven(tmp_path, "crontab()", zone="UTC").config
    assert (config.overlap, config.paused, config.time_zone) == ("allow_all", True, None)


def test_the_sun_and_other_classes_are_refused_in_words(tmp_path: Path) -> None:
    reading = read(tmp_path, "solar()")
    assert reading.jobs == ()
    assert "sun" in reading.refusals[0].reason


def test_an_interval_below_a_second_is_refused_with_the_reason(tmp_path: Path) -> None:
    (job,) = read(tmp_path, "0.5").jobs
    told = prove(job, after=AFTER)
    assert not isinstance(told, ProvenJob)
    assert "whole seconds" in told.reason


def test_tasks_that_are_added_when_the_application_is_set_up_are_found(tmp_path: Path) -> None:
    text = """
from celery import Celery
from celery.schedules import crontab

app = Celery("shop")


@app.task
def add(a, b): ...


@app.on_after_finalize.connect
def set_up(sender, **_):
    sender.add_periodic_task(crontab(hour=7, minute=30), add.s(1, 2), name="each morning")
"""
    (job,) = read_celery(written(tmp_path, text)).jobs
    assert job.name == "each-morning"
    assert job.candidates[0].schedule == "30 7 * * *"


@pytest.mark.parametrize("name", ["beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE"])
def test_a_settings_module_without_an_application_is_read(tmp_path: Path, name: str) -> None:
    text = (
        "from celery.schedules import crontab\n"
        "CELERY_TIMEZONE = 'Asia/Kolkata'\n"
        f"{name} = {{'it': {{'task': 't', 'schedule': crontab(minute=0, hour=9)}}}}"
    )
    (job,) = read_celery(written(tmp_path, text)).jobs
    assert job.zone == "Asia/Kolkata"
    told = prove(job, after=AFTER)
    assert isinstance(told, ProvenJob)
    assert told.is_equal


def test_a_file_named_as_the_package_itself_is_imported(tmp_path: Path) -> None:
    file = tmp_path / "celery.py"
    file.write_text(APP.format(schedule="crontab()", zone="UTC", more=""))
    assert len(read_celery(file).jobs) == 1


def test_a_file_of_a_package_may_import_from_it(tmp_path: Path) -> None:
    package = tmp_path / "imported_shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "zones.py").write_text("ZONE = 'Asia/Kolkata'")
    text = "from .zones import ZONE\n" + APP.format(schedule="crontab()", zone="UTC", more="")
    file = package / "beat.py"
    file.write_text(text.replace('"UTC"', "ZONE"))
    assert read_celery(file).jobs[0].zone == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no beat schedule"),
        ("import no_such_module", r"beat\.py:1: importing it raised ModuleNotFoundError"),
        ("def", "SyntaxError"),
        ("raise SystemExit(3)", "SystemExit"),
    ],
)
def test_a_file_that_is_no_beat_schedule_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ImportUnreadable, match=reason):
        read_celery(written(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportUnreadable, match="no such file"):
        read_celery(tmp_path / "nothing.py")


def test_an_entry_without_a_task_is_refused_alone(tmp_path: Path) -> None:
    text = "beat_schedule = {'a': {'schedule': 5.0}, 'b': {'task': 't', 'schedule': 5.0}}"
    reading = read_celery(written(tmp_path, text))
    assert [job.origin for job in reading.jobs] == ["beat_schedule['b']"]
    assert [each.origin for each in reading.refusals] == ["beat_schedule['a']"]
