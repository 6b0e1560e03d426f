"""What holds for all tests; and a real Postgres, from a package, for whoever asks for one."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest

from benchmarks.postgres import postgres


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start.

    A shell that runs the tests in its background has them ignore it, and all that they start.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a server of this test process, on a socket in a folder of its own."""
    # Nothing has to outlive the tests.
    with postgres("fsync=off", "timezone=Asia/Kolkata") as (url, _):
        yield url


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
