"""The commands that show time, as a user calls them: a small project, and no server."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from test_cli import CLEAN, answer, called, euryale

from euryale.cli import cli
from euryale.cli.calendar import _MOST_EVENTS

GROUP: Any = typer.main.get_command(cli)

APP = """
from euryale import Euryale

app = Euryale(name="harbour", services={})
"""

JOB = """
from datetime import timedelta

from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", {config})


async def handler() -> None: ...
"""

BERLIN = 'time_zone="Europe/Berlin"'
JOBS = {
    "nightly": f'schedule="30 2 * * *", {BERLIN}, description="The night\'s work."',
    "nightly-skip": f'schedule="30 2 * * *", {BERLIN}, dst="skip"',
    "nightly-twice": f'schedule="30 2 * * *", {BERLIN}, dst="twice"',
    "poll": f'schedule="*/15 * * * *", {BERLIN}, overlap="buffer_one"',
    "either": 'schedule="0 9 13 * FRI"',
    "many": 'schedule=["0 9 * * MON", timedelta(hours=6)]',
}


def write_project(root: Path, jobs: dict[str, str]) -> Path:
    (root / "pyproject.toml").write_text('[tool.euryale]\napp = "hello.app:app"\n')
    for folder in ("hello", "jobs"):
        (root / folder).mkdir()
    (root / "hello" / "__init__.py").touch()
    (root / "hello" / "app.py").write_text(APP)
    for name, config in jobs.items():
        file = root / "jobs" / f"{name.replace('-', '_')}.py"
        file.write_text(JOB.format(name=name, config=config))
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("harbour"), JOBS)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    jobs = {f"job-{number:02}": 'schedule="0 9 * * MON"' for number in range(31)}
    return write_project(tmp_path_factory.mktemp("crowded"), jobs)


@pytest.fixture(scope="module")
def nowhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nowhere")


def lines(root: Path, *arguments: str) -> list[str]:
    return [line.rstrip() for line in called(root, *arguments).stdout.splitlines()]


def refusal(root: Path, *arguments: str) -> dict[str, str]:
    """The error of a command that fails; as text it has to be one sentence too."""
    text = called(root, *arguments, code=1).stderr
    assert text.startswith("error: ")
    assert len(text.splitlines()) == 1
    error: dict[str, str] = answer(root, *arguments, code=1)["error"]
    return error


# --- next


def test_next_answers_for_an_expression_without_an_application(nowhere: Path) -> None:
    done = euryale(nowhere, "next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28")
    assert done.stdout.splitlines()[0] == "30 2 * * *  At 02:30 (Europe/Berlin)"
    told = [re.sub(r" +\d+ .*?ago +", " ", line) for line in done.stdout.splitlines()[1:4]]
    assert told == [
        "Sat 2026-03-28 02:30 CET UTC+01:00",
        "~ the clocks go forward from 02:00 to 03:00: 02:30 doesn't exist, runs at 03:00",
        "Sun 2026-03-29 03:00 CEST UTC+02:00",
    ]


def test_next_tells_programs_what_it_tells_people(nowhere: Path) -> None:
    told = answer(
        nowhere, "next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-10-24", "-n", "2"
    )
    assert told["name"] is None
    assert told["schedule"] == "30 2 * * *"
    assert told["time_zone"] == "Europe/Berlin"
    assert told["times"] == ["2026-10-24T02:30:00+02:00", "2026-10-25T02:30:00+02:00"]
    told = answer(
        nowhere, "next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-10-24", "-n", "3"
    )
    (change,) = told["clock_changes"]
    assert (change["kind"], change["from"]) == ("fold", "2026-10-25T02:00:00")
    assert [effect["outcome"] for effect in change["effects"]] == ["once"]


@pytest.mark.parametrize(
    ("dst", "firings"),
    [("once", ["02:30 CEST"]), ("skip", ["02:30 CEST"]), ("twice", ["02:30 CEST", "02:30 CET"])],
)
def test_next_follows_another_policy(nowhere: Path, dst: str, firings: list[str]) -> None:
    night = lines(
        nowhere,
        *("next", "30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-10-25", "-n", "3"),
        *("--dst", dst),
    )
    assert [line[15:].split("  ")[0] for line in night if "2026-10-25" in line] == firings


def test_next_asks_a_job_in_another_zone_and_by_another_policy(project: Path) -> None:
    told = answer(project, "next", "nightly", "--tz", "Asia/Kolkata", "--dst", "skip", "-n", "1")
    assert (told["name"], told["time_zone"], told["dst"]) == ("nightly", "Asia/Kolkata", "skip")
    assert told["times"][0].endswith("T02:30:00+05:30")


def test_next_has_the_policy_of_the_job(project: Path) -> None:
    night = ("--from", "2026-03-29", "-n", "1")
    assert answer(project, "next", "nightly", *night)["times"] == ["2026-03-29T03:00:00+02:00"]
    skipped = answer(project, "next", "nightly-skip", *night)
    assert skipped["times"] == ["2026-03-30T02:30:00+02:00"]
    assert skipped["clock_changes"][0]["effects"][0]["words"] == "02:30 doesn't exist, doesn't run"


def test_next_says_the_either_day_rule(project: Path) -> None:
    assert lines(project, "next", "either", "-n", "1")[0] == (
        "either  At 09:00, on day 13 of the month or on Friday (UTC)"
    )


def test_next_tells_a_list_of_expressions_and_intervals(project: Path) -> None:
    told = answer(project, "next", "many", "--from", "2026-01-05", "-n", "4")
    assert [time[11:16] for time in told["times"]] == ["00:00", "06:00", "09:00", "12:00"]
    assert told["schedule"] == "0 9 * * MON; every 6 hours"


def test_next_counts_from_the_given_time_itself_on(nowhere: Path) -> None:
    told = answer(nowhere, "next", "0 9 * * *", "--from", "2026-01-05T09:00", "-n", "1")
    assert told["times"] == ["2026-01-05T09:00:00+00:00"]
    offset = answer(nowhere, "next", "0 9 * * *", "--from", "2026-01-05T09:00:01+00:00", "-n", "1")
    assert offset["times"] == ["2026-01-06T09:00:00+00:00"]


def test_next_shows_seconds_where_there_are_any(nowhere: Path) -> None:
    assert "Mon 2026-01-05 09:00:30 UTC" in "\n".join(
        lines(nowhere, "next", "30 0 9 * * *", "--from", "2026-01-05", "-n", "1")
    )


def test_next_tells_what_never_fires_again(nowhere: Path) -> None:
    assert lines(nowhere, "next", "0 9 1 1 *", "--from", "2100-06-01")[-1] == "it never fires"


def test_next_says_of_an_unknown_name_that_it_is_no_schedule_either(project: Path) -> None:
    error = refusal(project, "next", "nightli")
    assert error["code"] == "EUR110"
    assert "no job is named 'nightli'" in error["what"]
    assert "no schedule either" in error["what"]
    assert "nightly" in error["mend"]


def test_next_says_of_a_name_without_an_application_what_is_missing(nowhere: Path) -> None:
    error = refusal(nowhere, "next", "nightly")
    assert error["code"] == "EUR201"
    assert "no application" in error["what"]
    assert "'nightly'" in error["what"]


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["0 9 * * *", "--tz", "Europe/Berln"], "--tz"),
        (["0 9 * * *", "--from", "yesterday"], "--from"),
        (["0 9 * * *", "--from", "2026-03-29T02:30", "--tz", "Europe/Berlin"], "--from"),
        (["61 * * * *"], ""),
        (["H 9 * * *"], ""),  # It is spread by a job's name.
        (["@dayly"], ""),
        (["CRON_TZ=Asia/Kolkata 0 9 * * *", "--tz", "Europe/Berlin"], ""),
    ],
)
def test_next_refuses_nonsense_with_the_option(
    nowhere: Path, arguments: list[str], where: str
) -> None:
    error = refusal(nowhere, "next", *arguments)
    assert (error["code"], error["where"]) == ("EUR107", where)
    assert error["mend"]


# --- dst


def test_dst_tells_what_each_policy_does_in_each_night(project: Path) -> None:
    told = lines(project, "dst", "--year", "2026")
    assert told[0] == (
        "Sun 2026-03-29 Europe/Berlin: the clocks go forward from 02:00 to 03:00; "
        "the times from 02:00 to before 03:00 don't exist"
    )
    found = [re.split(r"\s{2,}", line.strip()) for line in told]
    spring, autumn = found[1:5], found[8:12]
    assert spring == [
        ["nightly", "dst=once", "02:30 doesn't exist, runs at 03:00"],
        ["nightly-skip", "dst=skip", "02:30 doesn't exist, doesn't run"],
        ["nightly-twice", "dst=twice", "02:30 doesn't exist, runs at 03:00"],
        [
            "poll",
            "dst=once",
            "02:00 to 02:45 (4 times) don't exist, and the job runs on by elapsed time",
        ],
    ]
    assert [words for _, _, words in autumn] == [
        "02:30 comes twice, runs the first time only",
        "02:30 comes twice, runs the first time only",
        "02:30 comes twice, runs both times",
        "02:00 to 02:45 (4 times) come twice, run both times",
    ]


def test_dst_of_one_job_tells_programs_the_moments(project: Path) -> None:
    told = answer(project, "dst", "nightly-twice", "--year", "2026")
    assert [night["kind"] for night in told["nights"]] == ["gap", "fold"]
    (job,) = told["nights"][1]["jobs"]
    assert job["effects"][0]["fires"] == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


def test_dst_says_where_no_clocks_are_changed(project: Path) -> None:
    assert lines(project, "dst", "either", "--year", "2026") == [
        "no clocks are changed in 2026 in the jobs' zones (UTC)"
    ]


def test_dst_refuses_what_it_does_not_know(project: Path) -> None:
    assert refusal(project, "dst", "nightli")["code"] == "EUR110"
    assert called(project, "dst", "--year", "1999", code=2)


# --- calendar


def test_calendar_draws_the_days_of_all_jobs(project: Path) -> None:
    told = lines(project, "calendar", "--from", "2026-03-28", "--days", "2")
    assert told[0] == (
        "harbour  Sat 2026-03-28 to Sun 2026-03-29 (Europe/Berlin): 6 jobs, 201 firings"
    )
    assert told[3].startswith("Sat 2026-03-28   ░░")
    assert "--" in told[4]
    assert told[4].endswith("~ the clocks go forward from 02:00 to 03:00")


def test_calendar_lists_the_seconds_and_the_jobs_of_a_herd(crowded: Path) -> None:
    assert "herds" in called(crowded, "calendar", "--from", "2026-01-05").stdout
    told = answer(crowded, "calendar", "--from", "2026-01-05")
    (herd,) = told["herds"]
    assert herd["at"] == "2026-01-05T09:00:00+00:00"
    assert herd["firings"] == len(herd["jobs"]) == 31
    assert told["days"][0]["hours"][9] == 31


def test_calendar_of_no_jobs_is_an_empty_one(tmp_path: Path) -> None:
    root = write_project(tmp_path, {})
    assert "0 jobs, 0 firings" in called(root, "calendar").stdout
    assert answer(root, "calendar")["herds"] == []


def test_calendar_is_a_page(project: Path) -> None:
    page = called(project, "calendar", "--from", "2026-03-28", "-o", "html").stdout
    assert page.startswith("<!doctype html>")
    assert page.endswith("</html>\n")
    assert "nightly-skip" in page


def test_calendar_is_a_feed(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "euryale.cli", "calendar", "--from", "2026-03-28", "-o", "ics"],
        cwd=project,
        env=CLEAN,
        capture_output=True,
        check=True,
        timeout=60,
    )
    # As bytes: the line ends are part of the format.
    assert done.stdout.startswith(b"BEGIN:VCALENDAR\r\n")
    assert done.stdout.endswith(b"END:VCALENDAR\r\n")
    assert b"UID:20260329T010000Z-nightly@harbour.euryale\r\n" in done.stdout
    assert b"\r\nDESCRIPTION:The night's work.\\nAt 02:30 (Europe/Berlin)\r\n" in done.stdout


def test_a_feed_says_when_it_is_cut(project: Path) -> None:
    done = called(project, "calendar", "--from", "2026-01-01", "--days", "20", "-o", "ics")
    assert done.stdout.count("SUMMARY:poll") == _MOST_EVENTS
    assert f"only the first {_MOST_EVENTS:,} firings" in done.stderr
    assert "poll" in done.stderr
    assert "X-WR-CALDESC:only the first 1\\,000" in done.stdout


def test_calendar_refuses_nonsense(project: Path) -> None:
    assert refusal(project, "calendar", "--from", "2026-02-30")["where"] == "--from"
    assert "--days" in called(project, "calendar", "--days", "0", code=2).output


def test_broken_job_files_are_mentioned(tmp_path: Path) -> None:
    root = write_project(tmp_path, {"daily": 'schedule="@daily"', "bad": 'schedule="61 * * * *"'})
    for command in ("calendar", "dst"):
        assert "euryale check" in called(root, command).stderr


# --- simulate


DAY = ("--from", "2026-01-05", "--to", "2026-01-05T02:00")


def simulated(root: Path, *arguments: str) -> list[tuple[str, str]]:
    told: dict[str, Any] = answer(root, "simulate", *arguments)
    return [(each["nominal"][11:16], each["outcome"]) for each in told["firings"]]


def test_simulate_tells_what_overlap_does(project: Path) -> None:
    assert simulated(project, "poll", *DAY, "--duration", "20m")[:4] == [
        ("00:00", "started"),
        ("00:15", "buffered"),
        ("00:30", "buffered"),
        ("00:45", "buffered"),
    ]
    told = lines(project, "simulate", "poll", *DAY, "--duration", "20m")
    assert told[0] == (
        "poll  Every 15 minutes (Europe/Berlin)  overlap buffer_one, catch-up 15 min"
    )
    assert re.search(r"^Mon 2026-01-05 00:15 CET +buffered +00:20 +00:40 +the run", told[3])
    assert told[-1] == "8 firings: 1 started, 6 buffered, 1 skipped"


def test_simulate_tells_what_an_outage_and_a_pause_do(project: Path) -> None:
    outcomes = simulated(
        project,
        *("poll", *DAY),
        *("--outage", "2026-01-05T00:10..2026-01-05T00:50"),
        *("--paused", "2026-01-05T01:10..2026-01-05T01:20"),
        *("--paused", "2026-01-05T01:40..2026-01-05T01:50"),
    )
    assert outcomes == [
        ("00:00", "started"),
        ("00:15", "missed"),
        ("00:30", "missed"),
        ("00:45", "caught_up"),
        ("01:00", "started"),
        ("01:15", "paused"),
        ("01:30", "started"),
        ("01:45", "paused"),
    ]


def test_simulate_goes_through_a_fold_by_elapsed_time(project: Path) -> None:
    night = ("--from", "2026-10-25T02:00+02:00", "--to", "2026-10-25T03:00")
    told = answer(project, "simulate", "poll", *night, "--duration", "70m")
    assert len(told["firings"]) == 8
    assert told["firings"][0]["ended"] == "2026-10-25T02:10:00+01:00"


def test_simulate_looks_a_week_ahead_by_itself(project: Path) -> None:
    assert len(simulated(project, "nightly")) in {6, 7, 8}


def test_simulate_says_that_nothing_fires(project: Path) -> None:
    told = lines(project, "simulate", "nightly", "--from", "2026-01-05T03:00", "--to", "2026-01-06")
    assert told[1:] == ["it doesn't fire in that time", "0 firings"]


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["--from", "2026-01-06", "--to", "2026-01-05"], "--to"),
        (["--from", "2026-01-05", "--to", "2026-01-05"], "--to"),
        (["--from", "soon"], "--from"),
        (["--duration", "40"], "--duration"),
        (["--duration", "-5m"], "--duration"),
        (["--outage", "2026-01-05"], "--outage"),
        (["--outage", "2026-01-06..2026-01-05"], "--outage"),
        (["--paused", "2026-01-05..whenever"], "--paused"),
        (["--from", "2026-01-01", "--to", "2027-01-01"], "--to"),
    ],
)
def test_simulate_refuses_nonsense_with_the_option(
    project: Path, arguments: list[str], where: str
) -> None:
    error = refusal(project, "simulate", "poll", *arguments)
    assert (error["code"], error["where"]) == ("EUR107", where)
    assert error["mend"]


def test_simulate_refuses_an_unknown_job(project: Path) -> None:
    assert refusal(project, "simulate", "nobody")["code"] == "EUR110"


@pytest.mark.parametrize("name", ["next", "calendar", "dst", "simulate"])
def test_every_option_has_an_environment_variable(name: str) -> None:
    options = [each for each in GROUP.commands[name].params if each.param_type_name == "option"]
    assert len(options) > 2
    assert [each.name for each in options if not each.envvar] == []


def test_the_environment_says_what_options_say(nowhere: Path) -> None:
    env = {"EURYALE_TZ": "Asia/Kolkata", "EURYALE_FROM": "2026-01-05", "EURYALE_OUTPUT": "json"}
    told = json.loads(called(nowhere, "next", "0 9 * * *", env=env).stdout)
    assert told["times"][0] == "2026-01-05T09:00:00+05:30"
