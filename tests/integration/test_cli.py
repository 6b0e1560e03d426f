"""The commands as a user calls them: real processes, a small project, a real server."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from euryale.cli import cli

CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("TEMPORAL_", "EURYALE_", "COLUMNS"))
}

APP = """
from pathlib import Path

from euryale import Euryale, read

BOOK = Path(__file__).parent.parent / "book"


class Greeter:
    async def greet(self, name: str) -> str:
        if name == "nobody":
            raise ValueError("there is nobody to greet")
        with BOOK.open("a") as file:
            file.write(f"{name}\\n")
        return f"hello {name}"

    @read
    async def greeted(self) -> list[str]:
        return BOOK.read_text().split() if BOOK.exists() else []


async def figures(greeter: Greeter) -> dict[str, int]:
    return {"people greeted": len(await greeter.greeted()), "planets": 8}


app = Euryale(name="hello", services={"greeter": Greeter}, figures=figures)
"""

GREET = """
from pydantic import BaseModel

from euryale import Container, ScheduledJobConfig


class People(BaseModel):
    names: list[str] = ["Ada", "Grace"]


config = ScheduledJobConfig(
    name="greet",
    schedule="30 9 * * MON-FRI",
    time_zone="Asia/Kolkata",
    number_of_executions=12,
)


async def handler(container: Container, data: People) -> dict[str, int]:
    greeter = container.resolve("greeter")
    for name in data.names:
        container.resolve("logger").info(await greeter.greet(name))
    return {"greeted": len(data.names)}
"""

FAIL = """
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="fail", schedule="0 0 1 1 *", paused=True)


async def handler(container: Container) -> None:
    await container.resolve("greeter").greet("nobody")
"""

BROKEN = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="broken", schedule="61 * * * *")


async def handler(container): ...
"""

NOT_DURABLE = """
import time

from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="nap", schedule="0 0 * * *")


async def handler(container):
    time.sleep(5)
"""


def make_project(root: Path, **jobs: str) -> Path:
    (root / "pyproject.toml").write_text('[tool.euryale]\napp = "hello.app:app"\n')
    for folder in ("hello", "jobs"):
        (root / folder).mkdir()
    (root / "hello" / "__init__.py").touch()
    (root / "hello" / "app.py").write_text(APP)
    for name, text in jobs.items():
        (root / "jobs" / f"{name}.py").write_text(text)
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("hello"), greet=GREET, fail=FAIL)


@pytest.fixture(scope="module")
def broken_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(
        tmp_path_factory.mktemp("broken"), greet=GREET, broken=BROKEN, nap=NOT_DURABLE
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "euryale.cli", *arguments]


def euryale(
    root: Path, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Call a command as a process of its own."""
    done = subprocess.run(
        command(*arguments),
        check=False,
        cwd=root,
        env={**CLEAN, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    assert not re.search(r"^Traceback", done.stdout + done.stderr, re.MULTILINE)
    return done


def called(
    root: Path, *arguments: str, code: int = 0, env: Mapping[str, str] | None = None
) -> Result:
    """Call a command in this process, which saves the seconds that importing the SDK takes."""
    absent: dict[str, str | None] = dict.fromkeys(os.environ.keys() - CLEAN.keys())
    path, modules = list(sys.path), set(sys.modules)
    try:
        with chdir(root):
            done = CliRunner().invoke(cli, list(arguments), env={**absent, **(env or {})})
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if name.partition(".")[0] in {"hello", "jobs"}:
                del sys.modules[name]
    assert done.exit_code == code, f"{done.exit_code}\n{done.output}\n{done.exception!r}"
    return done


def answer(root: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(called(root, *arguments, "-o", "json", code=code).stdout)


def free_port() -> int:
    """A port of which the one a thousand above, the Web UI's, is free too."""
    while True:
        with socket.socket() as server, socket.socket() as web_ui:
            server.bind(("127.0.0.1", 0))
            port = int(server.getsockname()[1])
            try:
                web_ui.bind(("127.0.0.1", port + 1000))
            except (OSError, OverflowError):
                continue
            return port


@contextmanager
def running(root: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command(*arguments),
        cwd=root,
        env=CLEAN,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    # A process that hangs must not hang the tests that wait for its lines.
    limit = threading.Timer(120, process.kill)
    limit.start()
    try:
        yield process
    finally:
        limit.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def until(process: "subprocess.Popen[str]", text: str) -> str:
    """The first line of the output that has the text in it."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return line
    pytest.fail(f"ended without {text!r}:\n{''.join(seen)}")


def end(process: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """Send the signal, and check that the process ends well; the rest of its output."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=40)
    assert process.returncode == 0, output
    return output


@pytest.fixture(scope="module")
def worker(project: Path, temporal_address: str) -> Iterator[None]:
    """A worker that serves the project, for the tests that follow a run."""
    with running(project, "worker", "--address", temporal_address) as process:
        until(process, "worker_ready")
        yield
        end(process, signal.SIGTERM)


# --- without a server


@pytest.mark.parametrize("name", ["dev", "worker", "list", "run", "next", "check"])
def test_every_option_names_its_environment_variable(name: str) -> None:
    done = CliRunner().invoke(cli, [name, "--help"], env={"TERM": "dumb", "COLUMNS": "300"})
    _, *options = re.split(r"\n  (?=-)", done.output)
    unnamed = [option for option in options if not re.search(r"\[env\s+var:\s+[A-Z_]+", option)]
    assert [re.findall(r"--[a-z]+", option) for option in unnamed] == [["--help"]]
    assert {"EURYALE_APP", "EURYALE_OUTPUT"} <= set(re.findall(r"[A-Z]+_[A-Z_]+", done.output))


def test_the_version_is_told(project: Path) -> None:
    assert re.fullmatch(r"euryale \d+\.\d+\.\d+\n", euryale(project, "--version").stdout)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["list", "--nonsense"], "No such option"),
        (["run"], "NAME"),
        (["check", "-o", "xml"], "'xml'"),
        (["next", "greet", "-n", "0"], "-n"),
    ],
)
def test_a_wrong_call_exits_2_with_the_reason(arguments: list[str], reason: str) -> None:
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert reason in done.output


def test_list_without_a_server_shows_what_the_files_say(project: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = euryale(project, "list", "--address", address)
    assert "30 9 * * MON-FRI Asia/Kolkata" in done.stdout
    assert "At 09:30, on Monday to Friday" in done.stdout
    assert address in done.stderr
    listed = answer(project, "list", "--address", address)
    assert [job["name"] for job in listed["jobs"]] == ["fail", "greet"]
    assert listed["server_error"]["code"] == "EUR401"
    assert listed["jobs"][0]["paused"] is None


def test_list_shows_the_files_that_failed_beside_the_jobs(broken_project: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = called(broken_project, "list", "--address", address)
    assert "jobs/broken.py:4" in done.stdout
    assert "greet" in done.stdout


def test_next_tells_the_firings_with_weekday_and_zone(project: Path) -> None:
    lines = called(project, "next", "greet", "-n", "3").stdout.splitlines()
    assert "greet" in lines[0]
    assert len(lines) == 4
    for line in lines[1:]:
        assert re.match(r"(Mon|Tue|Wed|Thu|Fri) \d{4}-\d\d-\d\d 09:30 IST +in \d", line)
    told = answer(project, "next", "greet", "-n", "2")
    assert len(told["times"]) == 2
    assert told["times"][0].endswith("T09:30:00+05:30")


def test_an_unknown_job_is_refused_with_the_nearest_name(project: Path) -> None:
    assert "did you mean 'greet'?" in called(project, "next", "gret", code=1).stderr.lower()
    told = answer(project, "run", "gret", code=1)
    assert told["error"]["code"] == "EUR110"


def test_the_environment_says_what_options_say(project: Path) -> None:
    done = called(project, "next", "gret", code=1, env={"EURYALE_OUTPUT": "json"})
    assert json.loads(done.stdout)["error"]["code"] == "EUR110"
    done = called(project, "check", code=1, env={"EURYALE_APP": "nowhere:app"})
    assert "nowhere" in done.stderr


def test_check_passes_when_every_job_is_good(project: Path) -> None:
    assert "2 jobs ok, no problems" in called(project, "check").stdout
    assert answer(project, "check")["ok"] is True


def test_check_lists_every_problem_with_its_file_and_line(broken_project: Path) -> None:
    text = called(broken_project, "check", code=1).stdout
    assert re.search(r"^error: jobs/broken.py:4: .*'61'.*\[EUR107\]$", text, re.MULTILINE)
    assert re.search(r"^error: jobs/nap.py:10: .*time.sleep.*\[EUR109\]$", text, re.MULTILINE)
    assert re.search(r"^ok +jobs/greet.py", text, re.MULTILINE)
    told = answer(broken_project, "check", code=1)
    assert [error["code"] for error in told["errors"]] == ["EUR107", "EUR109"]


def test_without_an_application_the_error_says_where_to_name_it(tmp_path: Path) -> None:
    assert "[tool.euryale]" in called(tmp_path, "list", code=1).stderr


@pytest.mark.parametrize(
    ("data", "reason"), [("{", "no JSON"), ("[]", "not an object"), ('{"names": 3}', "names")]
)
def test_run_refuses_wrong_data_before_it_asks_the_server(
    project: Path, data: str, reason: str
) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = called(project, "run", "greet", "--data", data, "--address", address, code=1)
    assert reason in done.stderr
    assert address not in done.stderr


def test_run_without_a_server_says_so_in_a_sentence(project: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    done = called(project, "run", "greet", "--address", address, code=1)
    assert done.stderr.count("\n") == 1
    assert address in done.stderr


# --- with a server


def test_run_without_a_worker_starts_the_run_and_says_that_nobody_serves_it(
    tmp_path: Path, temporal_address: str
) -> None:
    root = make_project(tmp_path, greet=GREET)
    app = root / "hello" / "app.py"
    app.write_text(app.read_text().replace('name="hello"', 'name="lonely"'))
    done = called(root, "run", "greet", "--address", temporal_address)
    assert "started lonely/greet/" in done.stdout
    assert "no worker" in done.stderr


def test_ctrl_c_while_waiting_leaves_the_run_going_and_says_so(
    tmp_path: Path, temporal_address: str
) -> None:
    root = make_project(tmp_path, greet=GREET)
    app = root / "hello" / "app.py"
    app.write_text(app.read_text().replace('name="hello"', 'name="deserted"'))
    with running(root, "run", "greet", "--wait", "--address", temporal_address) as process:
        run = until(process, "started ").split()[1]
        until(process, "no worker")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert output == f"the run goes on: {run}\n"


@pytest.mark.usefixtures("worker")
class TestWithAWorker:
    def test_run_with_wait_tells_the_calls_and_the_result(
        self, project: Path, temporal_address: str
    ) -> None:
        data = '{"names": ["Ada", "Grace", "Barbara"]}'
        done = called(
            project, "run", "greet", "--wait", "--data", data, "--address", temporal_address
        )
        assert re.search(r"✓ greet completed in [\d.]+ s", done.stdout)
        assert "greeter.greet ×3" in done.stdout  # noqa: RUF001 -- as it is printed
        assert '{"greeted": 3}' in done.stdout
        assert done.stderr == ""

    def test_a_failed_run_exits_1_and_tells_the_exception(
        self, project: Path, temporal_address: str
    ) -> None:
        done = euryale(project, "run", "fail", "--wait", "--address", temporal_address, code=1)
        assert "failed after" in done.stdout
        assert "ValueError: there is nobody to greet" in done.stdout

    def test_json_tells_how_a_run_ended(self, project: Path, temporal_address: str) -> None:
        told = answer(project, "run", "greet", "--wait", "--address", temporal_address)
        assert told["status"] == "completed"
        assert told["calls"] == {"greeter.greet": 2}
        assert told["result"] == {"greeted": 2}
        told = answer(project, "run", "fail", "--wait", "--address", temporal_address, code=1)
        assert told["status"] == "failed"
        assert "there is nobody to greet" in told["failure"]["message"]

    def test_list_shows_what_temporal_holds(self, project: Path, temporal_address: str) -> None:
        text = called(project, "list", "--address", temporal_address).stdout
        assert "12 left" in text
        assert "paused" in text
        fail, greet = answer(project, "list", "--address", temporal_address)["jobs"]
        assert (fail["paused"], greet["paused"], greet["executions_left"]) == (True, False, 12)


def test_a_worker_waits_for_its_server_and_stops_at_once_when_told(project: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running(project, "worker", "--address", address) as process:
        waiting = json.loads(until(process, "temporal-connect-retry"))
        assert waiting["address"] == address
        end(process, signal.SIGTERM)


def test_a_worker_serves_the_good_jobs_and_names_the_files_left_out(
    broken_project: Path, temporal_address: str
) -> None:
    with running(broken_project, "worker", "--no-apply", "--address", temporal_address) as process:
        ready = json.loads(until(process, "worker_ready"))
        assert ready["jobs"] == ["greet", "nap"]
        assert ready["left_out"] == ["jobs/broken.py:4"]
        assert ready["schedules_changed"] == []
        output = end(process, signal.SIGINT)
        actions = [json.loads(line).get("action") for line in output.splitlines()]
        assert "worker_draining" in actions
