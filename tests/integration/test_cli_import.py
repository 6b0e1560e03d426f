"""`euryale import`, as a user calls it: files of other schedulers, and no server."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_cli import CLEAN
from test_cli_time import APP

CRONTAB = """
MAILTO=ops@example.com

# Backs up all hosts.
30 2 * * *   /usr/bin/backup --all > /dev/null
*/15 9-17 * * MON-FRI  cd /srv/mail && ./poll.sh
"""
CELERY = """
from celery import Celery
from celery.schedules import crontab

app = Celery("shop")
app.conf.timezone = "Europe/Berlin"
app.conf.beat_schedule = {
    "friday the 13th": {
        "task": "shop.beware",
        "schedule": crontab(minute=0, hour=9, day_of_month=13, day_of_week=5),
        "kwargs": {"loud": True},
    },
}
print("importing")
"""
APSCHEDULER = """
from apscheduler.schedulers.blocking import BlockingScheduler

scheduler = BlockingScheduler(timezone="Europe/Berlin")


@scheduler.scheduled_job("cron", day_of_week=0, hour=9)
def report(): ...


scheduler.start()
"""
MEDUSA = """
export default async function (container: MedusaContainer) {}
export const config = { name: "sync", schedule: { interval: 15 * 60 * 1000 } }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.euryale]\napp = "hello:app"\n')
    (tmp_path / "hello.py").write_text(APP)
    (tmp_path / "crontab").write_text(CRONTAB)
    (tmp_path / "beat.py").write_text(CELERY)
    (tmp_path / "clock.py").write_text(APSCHEDULER)
    (tmp_path / "src" / "jobs").mkdir(parents=True)
    (tmp_path / "src" / "jobs" / "sync.ts").write_text(MEDUSA)
    return tmp_path


def called(
    root: Path, *arguments: str, code: int = 0, given: str = ""
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "euryale.cli", *arguments],
        cwd=root,
        env=CLEAN,
        input=given,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def answer(root: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(called(root, *arguments, "-o", "json", code=code).stdout)


def test_a_crontab_becomes_job_files_that_are_proven_and_accepted(project: Path) -> None:
    told = called(project, "import", "crontab", "crontab", "--tz", "Europe/Berlin").stdout
    assert "30 2 * * *  →  30 2 * * *, Europe/Berlin" in told
    assert told.count("1,000 of 1,000 firings equal until") == 2
    assert told.endswith("2 jobs written, paused until ported; 2 fire as before\n")
    assert sorted(path.name for path in (project / "jobs").iterdir()) == [
        "backup_all.py",
        "poll_sh.py",
    ]
    assert "2 jobs ok" in called(project, "check").stdout


@pytest.mark.parametrize(
    ("arguments", "name", "schedule"),
    [
        (["celery", "beat.py"], "friday-the-13th", "0 9 13 * *"),
        (["apscheduler", "clock.py"], "report", "0 9 * * 1"),
        (["medusa", "src/jobs"], "sync", "every 15 minutes"),
    ],
)
def test_jobs_of_other_schedulers_become_files_that_are_accepted(
    project: Path, arguments: list[str], name: str, schedule: str
) -> None:
    (job,) = answer(project, "import", *arguments)["jobs"]
    assert (job["name"], job["equal"]) == (name, True)
    assert job["ours"].startswith(schedule)
    assert Path(project / job["file"]).read_text() == job["text"]
    assert "1 job ok" in called(project, "check").stdout


def test_a_dry_run_writes_nothing_and_tells_the_text(project: Path) -> None:
    told = answer(project, "import", "crontab", "crontab", "--dry-run", "--tz", "UTC")
    assert told["written"] is False
    assert not (project / "jobs").exists()
    assert [ast.parse(job["text"]) for job in told["jobs"]]


def test_a_second_import_overwrites_nothing(project: Path) -> None:
    called(project, "import", "crontab", "crontab", "--to", "jobs/deep")
    file = project / "jobs" / "deep" / "backup_all.py"
    file.write_text("mine")
    told = answer(project, "import", "crontab", "crontab", "--to", "jobs/deep", code=1)
    assert told["error"]["code"] == "EUR502"
    assert "backup_all.py" in told["error"]["where"]
    assert file.read_text() == "mine"


def test_what_differs_is_listed_and_exits_with_1(project: Path) -> None:
    (project / "clock.py").write_text(
        APSCHEDULER.replace("day_of_week=0, hour=9", "hour=2, minute=30")
    )
    told = called(project, "import", "apscheduler", "clock.py", "--dry-run", code=1).stdout
    assert "theirs" in told
    assert "the clocks go forward from 02:00 to 03:00" in told
    (job,) = answer(project, "import", "apscheduler", "clock.py", "--dry-run", code=1)["jobs"]
    assert {"theirs", "ours", "words"} == job["differences"][0].keys()


def test_what_is_not_imported_is_said_and_exits_with_1_and_the_others_are_written(
    project: Path,
) -> None:
    (project / "crontab").write_text(f"{CRONTAB}@reboot /bin/warm\n")
    told = answer(project, "import", "crontab", "crontab", code=1)
    assert [each["theirs"] for each in told["not_imported"]] == ["@reboot /bin/warm"]
    assert len(told["jobs"]) == len(list((project / "jobs").iterdir())) == 2


def test_the_standard_input_is_a_crontab_too(project: Path) -> None:
    done = called(project, "import", "crontab", "-", "--dry-run", given="0 5 * * * /bin/a\n")
    assert "crontab:1" in done.stdout
    assert "note: a crontab goes by its machine's clock" in done.stdout


def test_a_folder_named_cron_d_holds_system_crontabs(project: Path) -> None:
    (project / "cron.d").mkdir()
    (project / "cron.d" / "site").write_text("0 5 * * * root /bin/a\n")
    (job,) = answer(project, "import", "crontab", "cron.d/site", "--dry-run")["jobs"]
    assert job["name"] == "a"
    (project / "site").write_text("0 5 * * * root /bin/a\n")
    (job,) = answer(project, "import", "crontab", "site", "--dry-run", "--system")["jobs"]
    assert job["name"] == "a"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["crontab", "nothing"], "EUR501"),
        (["celery", "hello.py"], "EUR501"),
        (["apscheduler", "hello.py"], "EUR501"),
        (["medusa", "hello.py"], "EUR501"),
        (["crontab", "crontab", "--tz", "Europe/Berlinn"], "EUR107"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_a_code(
    project: Path, arguments: list[str], code: str
) -> None:
    assert answer(project, "import", *arguments, code=1)["error"]["code"] == code
    error = called(project, "import", *arguments, code=1).stderr
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
