"""`euryale dev` end to end: its own server, a worker, reload, and nothing left behind."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
from pathlib import Path

import pytest
from test_cli import BROKEN, FAIL, GREET, end, euryale, free_port, make_project, running, until


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path, greet=GREET)


def processes(root: Path) -> list[tuple[int, str]]:
    """The processes that work in the project or on its server's state, with their commands."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if str(root) in line or (folder / "cwd").readlink() == root:
                found.append((int(folder.name), line))
        except OSError:  # it has ended meanwhile
            continue
    return found


def pid_of(root: Path, command: str) -> int:
    (pid,) = [pid for pid, line in processes(root) if command in line]
    return pid


def test_once_runs_the_jobs_and_exits_0_and_again_on_the_state_it_left(project: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    for before, after in ((0, 2), (2, 4)):
        done = euryale(project, "dev", "--once", "--run", "greet", "--address", address)
        assert f"started at {address}" in done.stdout
        assert "At 09:30, on Monday to Friday" in done.stdout
        assert "12 left" in done.stdout
        assert re.search(r"Web UI  http://127.0.0.1:\d+\n", done.stdout)
        assert re.search(r"✓ greet completed in [\d.]+ s", done.stdout)
        assert "greeter.greet ×2" in done.stdout  # noqa: RUF001 -- as it is printed
        assert '{"greeted": 2}' in done.stdout
        assert f"people greeted  {before} ⇒ {after}" in done.stdout
        assert "planets" not in done.stdout
        assert done.stdout.count("schedule applied") == (1 if before == 0 else 0)
    assert processes(project) == []


def test_once_exits_1_when_a_run_failed_on_a_server_that_was_there(
    project: Path, temporal_address: str
) -> None:
    (project / "jobs" / "fail.py").write_text(FAIL)
    done = euryale(
        project,
        *("dev", "--once", "--run", "greet", "--run", "fail", "-o", "json"),
        *("--address", temporal_address),
        code=1,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    (server,) = [one for one in told if one["event"] == "server"]
    assert server["started"] is False
    ended = {one["name"]: one["status"] for one in told if one["event"] == "run_ended"}
    assert ended == {"greet": "completed", "fail": "failed"}


def test_an_unknown_job_is_refused_before_anything_is_started(project: Path) -> None:
    done = euryale(project, "dev", "--run", "gret", code=1)
    assert "did you mean 'greet'?" in done.stderr.lower()
    assert not (project / ".euryale").exists()


def test_dev_serves_reloads_survives_crashes_and_leaves_no_process(project: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running(project, "dev", "--address", address, "-o", "json") as process:
        until(process, '"event": "serving"')

        # A broken file is told with its line, and the other job goes on being served.
        (project / "jobs" / "broken.py").write_text(BROKEN)
        assert "jobs/broken.py:4" in until(process, "job_left_out")
        assert json.loads(until(process, "worker_ready"))["jobs"] == ["greet"]

        # A new job is served and scheduled.
        (project / "jobs" / "broken.py").write_text(BROKEN.replace("61 * ", "6 * "))
        assert json.loads(until(process, "worker_ready"))["jobs"] == ["broken", "greet"]

        # A worker that is killed comes back.
        os.kill(pid_of(project, "euryale.cli worker"), signal.SIGKILL)
        until(process, "the worker ended with exit code -9")
        until(process, "worker_ready")

        # A server that is killed comes back, with the schedules that it had.
        os.kill(pid_of(project, "start-dev"), signal.SIGKILL)
        until(process, "server_restarted")
        listed = euryale(project, "list", "--address", address, "-o", "json").stdout
        assert [job["applied"] for job in json.loads(listed)["jobs"]] == [True, True]

        end(process, signal.SIGINT)
    assert processes(project) == []


SLOW = """
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="slow", schedule="0 0 1 1 *")


async def handler(container: Container) -> None:
    await container.resolve("greeter").dawdle()
"""


DAWDLE = """
    async def dawdle(self) -> None:
        import asyncio

        print("dawdling")
        await asyncio.sleep(600)

"""


@pytest.mark.timeout(120)
def test_a_second_ctrl_c_ends_what_the_first_waits_for(project: Path) -> None:
    (project / "jobs" / "slow.py").write_text(SLOW)
    app = project / "hello" / "app.py"
    app.write_text(app.read_text().replace("    @read\n", f"{DAWDLE}    @read\n", 1))
    address = f"127.0.0.1:{free_port()}"
    arguments = ("dev", "--run", "slow", "--address", address, "-o", "json")
    with running(project, *arguments) as process:
        until(process, "dawdling")
        process.send_signal(signal.SIGINT)
        until(process, "worker_draining")
        # Python may lose the interruption where that hits a finalizer: one presses it again.
        for patience in (12, 45):  # a busy machine ends a server slowly
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=patience)
                break
    assert process.returncode == 130
    assert processes(project) == []


def test_the_worker_ends_when_dev_is_killed(project: Path, temporal_address: str) -> None:
    with running(project, "dev", "--address", temporal_address, "-o", "json") as process:
        until(process, '"event": "serving"')
        watched = os.pidfd_open(pid_of(project, "euryale.cli worker"))
        process.kill()
    ended, _, _ = select.select([watched], [], [], 40)
    os.close(watched)
    assert ended, "the worker goes on without its parent"
