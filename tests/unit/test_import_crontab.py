"""Crontabs become jobs that fire as Debian's cron does."""

from datetime import UTC, datetime

import pytest

from euryale.errors import ImportUnreadable, ScheduleInvalid
from euryale.imports.crontab import read_crontab
from euryale.imports.entry import ImportedJob, Reading
from euryale.imports.importer import ProvenJob, prove

AFTER = datetime(2026, 11, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"


def read(text: str, *, zone: str | None = "UTC", system: bool = False) -> Reading:
    return read_crontab(text, place="crontab", zone=zone, system=system)


def one(text: str, *, zone: str | None = "UTC", system: bool = False) -> ImportedJob:
    (job,) = read(text, zone=zone, system=system).jobs
    return job


@pytest.mark.parametrize(
    "schedule",
    ["30 2 * * *", "*/15 9-17 * * MON-FRI", "0 0 13 * 5", "0 0 */2 * 1", "@daily", "@hourly"],
)
def test_a_schedule_stays_as_it_was_written_and_fires_alike_in_each_zone(schedule: str) -> None:
    for zone in ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe"):
        proven = prove(one(f"{schedule} /bin/a", zone=zone), after=AFTER)
        assert isinstance(proven, ProvenJob)
        assert proven.config.schedule == schedule
        assert proven.comparison.differences == ()
        assert proven.config.dst == "once"


def test_what_runs_is_kept_and_waits_for_its_porting() -> None:
    job = one("5 4 * * sun  /usr/bin/backup --all > /dev/null 2>&1")
    config = job.candidates[0]
    assert (config.name, config.paused, config.overlap) == ("backup-all", True, "allow_all")
    assert job.work == "/usr/bin/backup --all > /dev/null 2>&1"
    assert job.origin == "crontab:1"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/bin/backup --all", "backup-all"),
        ("cd /srv && ./poll.sh", "poll.sh"),
        ("FOO=1 nice /opt/f.py -v", "f.py-v"),
        (
            "test -x /usr/sbin/anacron || { cd / && run-parts /etc/cron.daily; }",
            "run-parts-etc-cron.daily",
        ),
        ("[ -x /bin/a ] && /bin/a", "a"),
        ("[ -x /bin/a ] && if [ ! -d /run/b ]; then /bin/a -q; fi", "a-q"),
        ("cd /srv", "cd-srv"),
    ],
)
def test_the_name_comes_from_the_command(command: str, name: str) -> None:
    assert one(f"@daily {command}").name == name


def test_comments_right_above_an_entry_are_its_description() -> None:
    above = "# m h dom mon dow command\n# Other.\n\n# Backs up,\n# by night.\n"
    first, second = read(f"{above}0 2 * * * /bin/a\n0 3 * * * /bin/b").jobs
    assert first.candidates[0].description == "Backs up, by night."
    assert second.candidates[0].description == ""


def test_entries_and_columns_among_the_comments_are_no_description() -> None:
    assert one("# * * * * * /bin/old\n0 2 * * * /bin/a").candidates[0].description == ""
    assert one("# .---- minute\n# |  .--- hour\n0 2 * * * /bin/a").candidates[0].description == ""


def test_cron_tz_is_the_zone_of_the_entries_below_it() -> None:
    first, second = read("0 1 * * * a\nCRON_TZ=Europe/Berlin\n0 2 * * * b").jobs
    assert first.candidates[0].time_zone is None
    assert second.candidates[0].time_zone == BERLIN
    assert any("Debian" in note for note in second.notes)


def test_tz_is_only_what_the_command_sees() -> None:
    job = one("TZ=Europe/Berlin\n0 2 * * * b")
    assert job.candidates[0].time_zone is None
    assert any(note.startswith("TZ ") for note in job.notes)


def test_settings_are_kept_by_name_without_their_values() -> None:
    job = one('MAILTO = "ops@example.com"\nPASSWORD=secret\n0 2 * * * b')
    assert any("MAILTO, PASSWORD" in line for line in job.original)
    assert not any("secret" in line or "ops@" in line for line in job.original)


def test_a_percent_sign_begins_the_standard_input() -> None:
    job = one("@daily mail ops%Hello%100\\% there")
    assert job.work == "mail ops"
    assert "with the standard input 'Hello\\n100% there'" in job.original
    assert one("@daily date +\\%F").work == "date +%F"


def test_a_system_crontab_has_a_user_before_the_command() -> None:
    job = one("17 * * * *  root  cd / && run-parts /etc/cron.hourly", system=True)
    assert job.work == "cd / && run-parts /etc/cron.hourly"
    assert "as the user root" in job.original


def test_what_looks_like_a_system_crontab_is_pointed_at() -> None:
    assert any("--system" in note for note in read("@daily root /bin/a").notes)
    assert not any("--system" in note for note in read("@daily /bin/a").notes)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("@reboot /bin/a", "boots"),
        ("@fortnightly /bin/a", "knows no @fortnightly"),
        ("0 0 L * * /bin/a", "day of month 'L'"),
        ("0 0 * * MON#2 /bin/a", "day of week 'MON#2'"),
        ("0 0 * * monday /bin/a", "day of week 'monday'"),
        ("0~30 * * * * /bin/a", "minute '0~30'"),
        ("0 22-2 * * * /bin/a", "doesn't take it"),
        ("61 * * * * /bin/a", "doesn't take it"),
        ("CRON_TZ=Mars/Base\n@daily /bin/a", "CRON_TZ"),
        ("hello", "no entry"),
    ],
)
def test_what_cannot_be_brought_over_is_said_and_stops_no_other(line: str, reason: str) -> None:
    reading = read(f"0 1 * * * /bin/b\n{line}")
    assert len(reading.jobs) == 1
    (refusal,) = reading.refusals
    assert reason in refusal.reason


def test_without_a_zone_the_report_says_what_was_taken() -> None:
    assert any("--tz" in note for note in read("@daily a", zone=None).notes)
    assert not read("@daily a").notes


def test_a_zone_that_is_none_is_refused() -> None:
    with pytest.raises(ScheduleInvalid, match="Europe/Berlin"):
        read("@daily a", zone="Europe/Berlinn")


def test_a_text_without_entries_is_no_crontab() -> None:
    with pytest.raises(ImportUnreadable, match="no entry"):
        read("# nothing\n\nMAILTO=me\n")
