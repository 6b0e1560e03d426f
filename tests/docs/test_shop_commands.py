"""The two commands that only a deployment needs: `worker.migrate` and `worker.health`."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ROOT
from worker import health, migrate

AWAY = "postgresql://shop:hunter2@127.0.0.1:1/shop"
"""A database that isn't there, with a password that nobody may read."""


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, temporal_address: str) -> None:
    """A shop with a server and a database of its own, by the environment."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'shop.db'}")


@pytest.fixture
def worker(shop: None, tmp_path: Path) -> Iterator[None]:
    with (tmp_path / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker"],
            cwd=ROOT,
            env=dict(os.environ),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    yield
    process.kill()
    process.wait(20)


def test_a_worker_that_asks_for_work_is_healthy(
    worker: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrate.main() == 0
    deadline = time.monotonic() + 40
    while health.main() == 1:
        assert "asks for work on 'shop'" in capsys.readouterr().out
        assert time.monotonic() < deadline, "the worker never asks for work"
        time.sleep(0.1)
    assert capsys.readouterr().out.endswith("The worker works.\n")


def test_without_temporal_and_a_database_the_health_check_says_both(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("DATABASE_URL", AWAY)
    assert health.main() == 1
    told = capsys.readouterr().out
    assert "Temporal can't be reached at 127.0.0.1:1" in told
    assert "Store: " in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("url", "reason"),
    [(AWAY, "127.0.0.1"), ("mysql://shop:hunter2@127.0.0.1/shop", "DATABASE_URL is invalid")],
)
def test_a_migration_that_fails_says_why_in_a_sentence_without_the_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, reason: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert migrate.main() == 1
    told = capsys.readouterr().err
    assert reason in told
    assert told.count("\n") == 1
    assert "hunter2" not in told
