"""The benchmark runs its own sides at their smallest, and each really publishes every row.

That each range of products was published, and by as many changes as products, the benchmark checks
itself after each measurement; otherwise it reports a failure. The other engines aren't run here.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks import bench, growth
from benchmarks.figures import Failed, Fired, Killed, Published, Registered
from benchmarks.scenarios import FIRST_COUNTS
from benchmarks.sides.bare import Bare
from benchmarks.sides.euryale import Euryale
from benchmarks.sides.plain import Plain

SMALLEST = bench.Sizes(
    items=2_000,
    rounds=1,
    seconds=0.01,
    firings=2,
    herd=3,
    lead=timedelta(seconds=8),
    jobs=3,
    limit=60,
)
SIDES = (Plain, Bare, Euryale)


@pytest.fixture(autouse=True)
def smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "QUICK", SMALLEST)
    for scenario in ("calls", "one by one", "at once", "batches"):
        monkeypatch.setitem(FIRST_COUNTS, scenario, 7)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("store", bench.STORES)
async def test_each_side_publishes_every_row_in_each_of_its_ways(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "page.md"
    written.write_text(
        "# Before\n\n<!-- figures: begin -->\nold\n<!-- figures: end -->\n\nafter\n",
        encoding="utf-8",
    )
    scenarios = ["one by one", "at once", "batches", "million"]

    found = await bench.main(
        ["--quick", "--stores", store, "--only", *scenarios, "--into", str(written)]
    )

    assert [figure for figure in found.figures if isinstance(figure, Failed)] == []
    published = [figure for figure in found.figures if isinstance(figure, Published)]
    assert {
        (figure.subject.scenario, figure.subject.side, figure.subject.way) for figure in published
    } == {
        (scenario, side.name, way)
        for side in SIDES
        for scenario in scenarios
        for way in side.ways.get(scenario, ())
    }
    for figure in published:
        assert figure.rate > 0
        assert figure.items == 2_000 if figure.subject.scenario == "million" else figure.items >= 7
    page = written.read_text(encoding="utf-8")
    assert page.startswith("# Before")
    assert page.endswith("after\n")
    assert "old" not in page
    for figure in published:
        assert f"| {figure.subject.label} | " in page
    plot = written.with_suffix(".svg").read_text(encoding="utf-8")
    assert plot.count("<rect") == len(published) + 1
    figures = page.split("<!-- figures: begin -->")[1].split("<!-- figures: end -->")[0]
    assert f"]({written.stem}.svg)" in figures
    assert figures.strip().endswith(capsys.readouterr().out.strip())


@pytest.mark.timeout(240)
async def test_jobs_fire_and_are_registered_and_a_killed_run_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bench, "_KILLED_SECONDS", 0.5)

    found = await bench.main(
        [
            "--quick",
            "--stores",
            "postgres",
            "--sides",
            "euryale",
            "--only",
            "fire",
            "herd",
            "register",
            "killed",
        ]
    )

    failed = {figure.subject.way: figure for figure in found.figures if isinstance(figure, Failed)}
    # So few rows may be swept before anybody can kill the worker; then the benchmark says so.
    assert failed.keys() <= {"sweep"}
    assert all("before it was killed" in figure.reason for figure in failed.values())
    fired = {
        figure.subject.scenario: figure for figure in found.figures if isinstance(figure, Fired)
    }
    assert {scenario: len(figure.latencies) for scenario, figure in fired.items()} == {
        "fire": SMALLEST.firings,
        "herd": SMALLEST.herd,
    }
    assert all(late > 0 for figure in fired.values() for late in figure.latencies)
    registered = [figure for figure in found.figures if isinstance(figure, Registered)]
    assert [figure.jobs for figure in registered] == [SMALLEST.jobs]
    killed = [figure for figure in found.figures if isinstance(figure, Killed)]
    assert {figure.subject.way for figure in killed} | failed.keys() == set(Euryale.ways["killed"])
    for figure in killed:
        assert (figure.lost, figure.finished is not None) == (0, True)


@pytest.mark.timeout(120)
async def test_a_sweep_is_measured_for_each_number_of_rows(tmp_path: Path) -> None:
    written = tmp_path / "page.md"
    written.write_text("<!-- growth: begin -->\nold\n<!-- growth: end -->\n", encoding="utf-8")

    found = await growth.main(["--rows", "500", "2000", "--into", str(written)])

    assert [(one.way, one.rows, one.runs) for one in found] == [
        (way, rows, 1) for way in growth.WAYS for rows in (500, 2_000)
    ]
    assert all(one.events > 10 and one.history > one.payload > 100 for one in found)
    page = written.read_text(encoding="utf-8")
    assert "old" not in page
    assert all(one.row() in page for one in found)
    assert (tmp_path / "sweep-growth.svg").read_text(encoding="utf-8").count("<polyline") == 5
