"""The tutorial, from beginning to end, as a reader goes through it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks_of

BIN = Path(sys.executable).parent

STEPS = "\n".join(
    block.text
    for block in blocks_of(ROOT / "docs" / "tutorial.md")
    if block.language == "sh" and block.how != "not run"
)


@pytest.mark.chaos
@pytest.mark.timeout(150)
def test_the_tutorial_ends_with_every_letter_sent_once(
    project_of_tutorial: Path, temporal_address: str
) -> None:
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "TEMPORAL_ADDRESS": temporal_address,
    }
    # The reader has seen that the server is up.
    up = "until temporal operator cluster health > cluster.log 2>&1; do sleep 0.2; done\n"
    reader = subprocess.Popen(
        ["bash", "-e", "-c", up + STEPS],
        cwd=project_of_tutorial,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        told, _ = reader.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(reader.pid, signal.SIGKILL)
    worker_log = (project_of_tutorial / "worker.log").read_text(encoding="utf-8")
    assert reader.returncode == 0, f"{told}\n{worker_log}"
    counts = [int(line) for line in re.findall(r"^\s*(\d+)$", told, re.MULTILINE)]
    at_the_kill, sent, twice = counts
    assert 1 <= at_the_kill < 20
    assert sent == 20
    assert twice == 0
    outbox = (project_of_tutorial / "outbox.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(line.split()[1] for line in outbox) == sorted(
        f"reader-{number}@example.com" for number in range(1, 21)
    )
