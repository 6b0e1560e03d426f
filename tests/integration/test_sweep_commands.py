"""Sweeps as operators see and steer them by commands."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from operated_project import OperatedProject, make_operated_project
from structlog.testing import capture_logs
from sweeping.items import Stage
from sweeping.served import HERE, Sweeping, serving, until_asked_to_stop, until_paused
from sweeping.shelf import Shelf
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from euryale.cli.progress import StartedRun, follow_runs
from euryale.cli.screen import Screen
from euryale.runs.run import start_run
from euryale.runs.runs import find_run
from euryale.runs.sweep_progress import RunSweep, SweepWatch, sweeps_of, sweeps_under_way

Handle = WorkflowHandle[Any, Any]

ROWS = 4_000
"""So many that a sweep of batches of ten isn't done before it hears that it is to stop."""


@pytest.fixture
async def sweeping(client: Client, tmp_path: Path) -> AsyncIterator[Sweeping]:
    shelf = Shelf(f"sqlite:///{tmp_path / 'shelf.db'}")
    shelf.make()
    # The worker's lines would stand among those of the commands.
    with capture_logs():
        async with serving(client, Stage(shelf.engine, shelf)) as sweeping:
            yield sweeping
    shelf.close()


@pytest.fixture
def project(client: Client, temporal_address: str, tmp_path: Path) -> OperatedProject:
    (tmp_path / "project").mkdir()
    made = make_operated_project(tmp_path / "project", "desk", client, temporal_address)
    app = made.root / "lamps" / "app.py"
    app.write_text(app.read_text().replace('name="desk"', 'name="shelf"'))
    shutil.copy(HERE / "sweeping_jobs" / "careful.py", made.root / "desk")
    made.add("plain")
    return made


def shelf_of(sweeping: Sweeping) -> Shelf:
    assert sweeping.stage.shelf is not None
    return sweeping.stage.shelf


async def held_up(sweeping: Sweeping, **asked: Any) -> Handle:
    """A run whose sweep of many rows has told of its first slab, and then is held up."""
    shelf_of(sweeping).fill(ROWS)
    sweeping.stage.hold_after = 15
    handle = await sweeping.start_job(batch=10, slab=100, **asked)
    await sweeping.stage.reached.wait()
    while not [each for each in await listed(sweeping, handle) if each.progress]:
        await asyncio.sleep(0.05)
    return handle


async def listed(sweeping: Sweeping, handle: Handle) -> tuple[RunSweep, ...]:
    run = await sweeping.run_of(handle)
    return (await sweeps_of(sweeping.client, [run])).get(run.run_id, ())


async def line_of(project: OperatedProject, handle: Handle) -> Any:
    runs = (await project.answer("runs", "careful", "-n", "100"))["runs"]
    return next(each for each in runs if each["workflow_id"] == handle.id)


def let_go(sweeping: Sweeping) -> None:
    sweeping.stage.hold_after = None
    sweeping.stage.go.set()


async def test_the_list_of_runs_tells_how_far_a_sweep_is(
    sweeping: Sweeping, project: OperatedProject
) -> None:
    handle = await held_up(sweeping)
    text = (await project.call("runs", "careful", "-n", "100")).output
    assert "item.publish: 100 of 4,000 rows" in " ".join(text.split())
    (sweep,) = (await line_of(project, handle))["sweeps"]
    told = ("status", "state", "step", "query", "rows", "total", "slabs", "dead_letters")
    assert {key: sweep[key] for key in told} == {
        "status": "running",
        "state": "running",
        "step": "item.publish",
        "query": "item.new",
        "rows": 100,
        "total": ROWS,
        "slabs": 1,
        "dead_letters": 0,
    }
    assert sweep["rate"] > 0
    assert sweep["eta"] > 0
    let_go(sweeping)
    await handle.result()
    while (sweeps := (await line_of(project, handle))["sweeps"])[0]["status"] == "running":
        await asyncio.sleep(0.05)
    (sweep,) = sweeps
    assert (sweep["status"], sweep["rows"], sweep["rate"]) == ("completed", ROWS, None)


async def test_sweeps_of_a_run_are_paused_and_resumed_with_who_and_why(
    sweeping: Sweeping, project: OperatedProject
) -> None:
    handle = await held_up(sweeping)
    told = await project.answer("pause", "--run", handle.id, "--note", "inventory")
    (sweep,) = told["sweeps"]
    assert (told["name"], told["workflow_id"], sweep["outcome"]) == ("careful", handle.id, "paused")
    assert sweep["note"].startswith("inventory (paused by ana@host, ")
    child = sweeping.child(handle)
    await until_asked_to_stop(child)
    let_go(sweeping)
    await until_paused(sweeping, child)
    assert (await sweeping.progress(child)).note == sweep["note"]
    said = (await project.call("pause", "--run", handle.id)).output
    assert said.startswith("was paused already  item.publish at ")
    assert sweep["note"] in said
    again = await project.answer("pause", "--run", handle.id, "--note", "repair")
    assert again["sweeps"][0]["outcome"] == "was paused already"
    while "repair" not in (note := (await line_of(project, handle))["sweeps"][0]["note"]):
        await asyncio.sleep(0.05)
    assert note.startswith("repair (paused by ana@host, ")
    told = await project.answer("resume", "--run", handle.id.removeprefix("shelf/"))
    assert told["sweeps"][0]["outcome"] == "resumed"
    await handle.result()
    assert (await sweeping.progress(child)).note == ""
    assert set(shelf_of(sweeping).states().values()) == {"done"}
    refused = await project.answer("resume", "--run", handle.id, code=1)
    assert refused["error"]["code"] == "EUR317"
    assert "has ended (completed)" in refused["error"]["what"]


async def test_a_sweep_that_goes_on_is_not_resumed(
    sweeping: Sweeping, project: OperatedProject
) -> None:
    handle = await held_up(sweeping)
    told = await project.answer("resume", "--run", handle.id)
    assert told["sweeps"][0]["outcome"] == "was not paused"
    let_go(sweeping)
    await handle.result()


async def test_a_run_without_a_sweep_is_not_paused(
    sweeping: Sweeping, project: OperatedProject
) -> None:
    shelf = replace(project.app, name="shelf")
    handle = await start_run(sweeping.client, shelf, project.registry.job("plain"))
    refused = await project.answer("pause", "--run", handle.id, code=1)
    assert refused["error"]["code"] == "EUR317"
    assert "no sweep under way" in refused["error"]["what"]
    assert "euryale pause plain" in refused["error"]["mend"]
    await handle.terminate()


async def test_schedules_and_a_run_are_not_paused_at_once(project: OperatedProject) -> None:
    for command in ("pause", "resume"):
        told = await project.call(command, "careful", "--run", "careful/1", code=2)
        assert "not both" in " ".join(told.output.replace("│", "").split())


async def test_a_cancelled_run_tells_how_many_rows_are_done(
    sweeping: Sweeping, project: OperatedProject
) -> None:
    handle = await held_up(sweeping)
    told = await project.call("cancel", handle.id, "--note", "enough")
    assert "item.publish stops after its batch; it was at 100 of 4,000 rows" in told.output
    await until_asked_to_stop(sweeping.child(handle))
    let_go(sweeping)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    done = sum(state == "done" for state in shelf_of(sweeping).states().values())
    assert done == 0  # the job takes back what a run did that doesn't complete
    run = await sweeping.run_of(handle)
    watch = SweepWatch(sweeping.client, run.workflow_id, run.run_id)
    await watch.look([sweeping.child(handle).id])
    (sweep,) = watch.sweeps
    assert sweep.status == "cancelled"
    assert sweep.progress is not None
    assert 160 <= sweep.progress.rows < ROWS


@pytest.mark.parametrize("rows", [0, 60])
async def test_a_run_that_is_followed_tells_its_sweeps_at_its_end(
    sweeping: Sweeping, rows: int
) -> None:
    if rows:
        shelf_of(sweeping).fill(rows)
    handle = await sweeping.start_job()
    screen = Screen("json")
    (ended,) = await follow_runs(screen, sweeping.client, [StartedRun("careful", handle)])
    (sweep,) = ended.as_dict()["sweeps"]
    assert (sweep["status"], sweep["step"], sweep["rows"]) == ("completed", "item.publish", rows)
    assert f"swept     item.publish: {rows} rows" in ended.report().plain


async def test_a_watch_follows_sweeps_of_a_run_and_of_its_children(sweeping: Sweeping) -> None:
    handle = await held_up(sweeping)
    run = await find_run(sweeping.client, "shelf", handle.id)
    watch = SweepWatch(sweeping.client, run.workflow_id, run.run_id)
    await watch.look()
    (sweep,) = watch.sweeps
    assert (sweep.goes_on, sweep.step, str(sweep)[:17]) == (
        True,
        "item.publish",
        "100 of 4,000 rows",
    )
    (under_way,) = await sweeps_under_way(sweeping.client, run)
    assert under_way.workflow_id == sweep.workflow_id
    let_go(sweeping)
    await handle.result()
    await watch.look()
    (sweep,) = watch.sweeps
    assert (sweep.goes_on, str(sweep)) == (False, "4,000 rows")
    assert await sweeps_under_way(sweeping.client, run) == ()
