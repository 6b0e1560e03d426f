"""The benchmark of schedules runs, and measures what it says."""

import re
from datetime import timedelta

import pytest

from benchmarks.schedules import main

ROW = re.compile(r"^\| 20 \| (.+?) \| [0-9.]+ \| ([0-9]*) \|$", re.MULTILINE)


async def test_the_table_has_a_row_for_each_action(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_BEAT", "_SAFE"):
        monkeypatch.setattr(f"euryale.schedules.turn.{name}", timedelta(hours=1))
    monkeypatch.setattr("euryale.schedules.apply.LAG", timedelta(0))
    await main(["--jobs", "20"])
    turn, changes = 7, 10 * 3
    assert ROW.findall(capsys.readouterr().out) == [
        ("read the job files", ""),
        ("first apply", str(20 + turn + 2)),
        ("unchanged plan", "2"),
        ("unchanged apply", "2"),
        ("10 changes", str(changes + turn + 1)),
        ("10 changes right after another apply", str(changes + turn + 1)),
    ]
