"""A run's sweeps as a terminal shows them while they go on."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

from rich.console import Console

from euryale.cli.progress import sweep_bars
from euryale.runs.progress import Retrying
from euryale.runs.sweep_progress import RunSweep
from euryale.sweeps.messages import SweepProgress


def shown(*sweeps: RunSweep) -> list[str]:
    console = Console(file=StringIO(), width=140, force_terminal=False)
    with console.capture() as capture:
        console.print(sweep_bars(sweeps))
    return [line.rstrip() for line in capture.get().splitlines()]


def sweep(**values: Any) -> RunSweep:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    progress = SweepProgress(query="item.new", step="item.publish", updated=at, **values)
    return RunSweep("shop/a/1/sweep-item.publish", "r1", "r0", "running", progress)


def test_a_bar_is_as_long_as_its_part_of_the_rows() -> None:
    (half,) = shown(sweep(rows=450, dead_letters=50, total=1_000, rate=100.0, eta=5.0))
    assert half.startswith("item.publish  " + "━" * 15)
    assert "━" * 16 not in half
    assert half.endswith("450 of 1,000 rows, 100/s, 5 s left, 50 set aside")


def test_what_has_told_nothing_yet_has_a_line_too() -> None:
    (line,) = shown(RunSweep("shop/a/1/sweep-item.publish", "r1", "r0", "running", None))
    assert line.startswith("item.publish")
    assert line.endswith("begins")


def test_a_sweep_whose_step_fails_says_so_before_it_has_begun_to_count() -> None:
    again = (Retrying("item.publish", 9, "no such table: euryale_sweep\nmore"),)
    sweep = RunSweep("shop/a/1/sweep-item.publish", "r1", "r0", "running", None, again)
    assert str(sweep) == (
        "begins, item.publish is tried again (attempt 9): no such table: euryale_sweep"
    )
    assert sweep.as_dict()["retrying"][0]["attempt"] == 9
