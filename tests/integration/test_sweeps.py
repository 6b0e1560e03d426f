"""Sweeps over real databases: each row once, whatever happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, insert, select, update
from sweeping.items import Stage
from sweeping.served import Sweeping, serving, until_asked_to_stop, until_paused
from sweeping.shelf import Shelf, id_of, item
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from euryale.sweeps.messages import SWEEP_MEMO
from euryale.sweeps.sql_tables import dead_letters, slabs, undo_log


@pytest.fixture(autouse=True)
def one_slab_an_activity(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many slabs a quick step takes at once depends on the machine."""
    monkeypatch.setattr("euryale.sweeps.sweep_workflow._MOST_PARTS", 1)


@pytest.fixture(params=["sqlite", "postgres"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shelf]:
    url = (
        f"sqlite:///{tmp_path / 'shelf.db'}"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres_url")
    )
    shelf = Shelf(url)
    shelf.make()
    yield shelf
    shelf.close()


@pytest.fixture
async def sweeping(client: Client, shelf: Shelf) -> AsyncIterator[Sweeping]:
    async with serving(client, Stage(shelf.engine, shelf)) as sweeping:
        yield sweeping


@pytest.fixture(params=["engine", "store"])
async def by_either(
    request: pytest.FixtureRequest, client: Client, shelf: Shelf
) -> AsyncIterator[Sweeping]:
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(shelf.store())
        database = shelf.engine if request.param == "engine" else store
        yield await stack.enter_async_context(serving(client, Stage(database, shelf)))


def touched(shelf: Shelf) -> set[int]:
    return {row.touched for row in shelf.rows()}


def count(shelf: Shelf, table: Any) -> int:
    (row,) = shelf.rows(select(func.count()).select_from(table))
    return int(row[0])


async def failure(handle: Any) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    cause = caught.value.cause
    assert isinstance(cause, ApplicationError)
    return cause


async def test_each_row_is_met_once(by_either: Sweeping, shelf: Shelf) -> None:
    shelf.fill(1_234)
    shelf.fill(10, first=2_000, state="other")
    result = await by_either.swept(batch=50, slab=300)
    assert (result.rows, result.slabs, result.dead_letters) == (1_234, 5, 0)
    assert by_either.stage.batches == 4 * 6 + 1
    states = shelf.states()
    assert {states[id_of(number)] for number in range(1_234)} == {"done"}
    assert {states[id_of(number)] for number in range(2_000, 2_010)} == {"other"}
    assert {row.touched for row in shelf.rows() if row.state == "done"} == {1}


async def test_a_sweep_over_no_rows_does_nothing(sweeping: Sweeping) -> None:
    result = await sweeping.swept()
    assert (result.rows, result.slabs) == (0, 0)
    assert sweeping.stage.batches == 0


async def test_a_key_may_have_several_columns(sweeping: Sweeping, shelf: Shelf) -> None:
    shelf.fill(437)
    result = await sweeping.swept(query="new_by_place", slab=37, batch=10)
    assert (result.rows, result.slabs) == (437, 12)
    assert touched(shelf) == {1}


async def test_slabs_are_gone_over_side_by_side(sweeping: Sweeping, shelf: Shelf) -> None:
    shelf.fill(900)
    # SQLite lets one write at a time, so that batches take turns.
    step = "publish" if shelf.engine.dialect.name == "sqlite" else "side_by_side"
    result = await sweeping.swept(step=step, slab=100, batch=50, concurrency=3)
    assert (result.rows, result.slabs) == (900, 9)
    assert step == "publish" or sweeping.stage.most_at_once == 3
    assert touched(shelf) == {1}


async def test_query_and_step_share_an_input(sweeping: Sweeping, shelf: Shelf) -> None:
    shelf.fill(30, state="done")
    given = {"state": "done", "to": "sold"}
    result = await sweeping.swept(query="in_state", step="move", given=given)
    assert result.rows == 30
    assert set(shelf.states().values()) == {"sold"}


async def test_a_sweep_is_called_with_types_and_its_failure_can_be_caught(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(60)
    client = sweeping.client
    got = await client.execute_workflow("sweep-typed", id="shelf/typed", task_queue="shelf")
    assert got == 120


async def test_a_run_may_sweep_twice_with_one_step(sweeping: Sweeping, shelf: Shelf) -> None:
    shelf.fill(20)
    handle = await sweeping.start(query="every", times=2)
    assert [result.rows for result in await handle.result()] == [20, 20]
    assert touched(shelf) == {2}
    for number in ("", "-2"):
        await sweeping.child(handle, number=number).result()


async def test_rows_that_appear_behind_the_last_key_are_left_to_a_later_sweep(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(100)
    sweeping.stage.hold_after = 2
    handle = await sweeping.start(batch=10, slab=30)
    await sweeping.stage.reached.wait()
    shelf_of_sqlite = shelf.engine.dialect.name == "sqlite"
    if shelf_of_sqlite:  # the batch that is held up holds the file's only writer
        sweeping.stage.hold_after = None
        sweeping.stage.go.set()
        await handle.result()
        shelf.fill(5, first=500)
        assert (await sweeping.swept()).rows == 5
        return
    shelf.run(lambda one: one.execute(delete(item).where(item.c.id == id_of(95))))
    shelf.run(lambda one: one.execute(delete(item).where(item.c.id == id_of(2))))
    shelf.fill(5, first=500)
    in_between = {"id": f"{id_of(94)}a", "aisle": 9, "place": 99, "state": "new", "label": "x"}
    shelf.run(lambda one: one.execute(insert(item), in_between))
    sweeping.stage.hold_after = None
    sweeping.stage.go.set()
    (result,) = await handle.result()
    # One vanished ahead, one behind, one appeared ahead.
    assert result.rows == 100
    assert {row.state for row in shelf.rows() if row.id >= id_of(500)} == {"new"}
    assert {row.touched for row in shelf.rows() if row.id < id_of(500)} == {1}


@pytest.mark.parametrize("query", ["new_by_aisle", "new_by_label"])
async def test_a_key_that_is_not_unique_is_refused_before_a_row_of_its_batch_is_changed(
    sweeping: Sweeping, shelf: Shelf, query: str
) -> None:
    shelf.fill(30)
    shelf.run(lambda one: one.execute(update(item).values(label="same")))
    error = await failure(await sweeping.start(query=query, batch=4, slab=8))
    assert error.type == "SweepKeyInvalid"
    assert "two rows have the key" in error.message
    assert "EUR314" in error.message
    assert set(shelf.states().values()) == {"new"}


async def test_rows_without_a_key_are_refused(sweeping: Sweeping, shelf: Shelf) -> None:
    shelf.fill(10)
    shelf.run(lambda one: one.execute(update(item).where(item.c.id == id_of(7)).values(label=None)))
    error = await failure(await sweeping.start(query="new_by_label"))
    assert error.type == "SweepKeyInvalid"
    assert "NULL" in error.message
    assert set(shelf.states().values()) == {"new"}


async def test_a_step_that_changes_the_key_is_refused(sweeping: Sweeping, shelf: Shelf) -> None:
    shelf.fill(10)
    error = await failure(await sweeping.start(step="rekey"))
    assert error.type == "SweepInvalid"
    assert "met twice" in error.message


async def test_a_row_for_which_the_step_fails_is_set_aside_and_the_rest_goes_on(
    by_either: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(300)
    bad = [0, 57, 58, 299]
    for number in bad:
        label = {"label": f"bad {number}"}
        shelf.run(
            lambda one, number=number, label=label: one.execute(
                update(item).where(item.c.id == id_of(number)).values(label)
            )
        )
    error = await failure(await by_either.start(step="picky", slab=100, batch=50))
    assert error.type == "RowsSetAside"
    assert "4 rows were set aside" in error.message
    assert "ValueError: bad 0 is refused" in error.message
    left = {row.id for row in shelf.rows() if row.state == "new"}
    assert left == {id_of(number) for number in bad}
    assert {row.touched for row in shelf.rows() if row.state == "done"} == {1}
    again = await by_either.swept(step="picky", dead_letters="keep")
    assert (again.rows, again.dead_letters) == (0, 4)
    assert [each.key for each in again.first_dead_letters] == [(id_of(number),) for number in bad]
    assert count(shelf, dead_letters) == 8


async def test_a_row_that_the_database_refuses_is_set_aside(
    by_either: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(40)
    shelf.run(
        lambda one: one.execute(update(item).where(item.c.id == id_of(21)).values(label="bad"))
    )
    result = await by_either.swept(step="refused_by_database", dead_letters="keep")
    assert (result.rows, result.dead_letters) == (39, 1)
    (letter,) = result.first_dead_letters
    assert letter.key == (id_of(21),)
    assert "null" in letter.error.lower()
    assert "UPDATE" not in letter.error


async def test_a_step_that_fails_for_every_row_stops_the_sweep(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(1_200)
    error = await failure(await sweeping.start(step="broken", slab=2_000, batch=4))
    assert error.type == "SweepStopped"
    assert "no row will do" in error.message
    assert count(shelf, dead_letters) == 1_001


async def test_a_row_whose_refusal_takes_long_is_set_aside_all_the_same(
    sweeping: Sweeping, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euryale.sweeps.activities.TURN", timedelta(seconds=0.2))
    shelf.fill(300)
    bad = update(item).where(item.c.id == id_of(0)).values(label="bad")
    shelf.run(lambda one: one.execute(bad))
    asked = {"step": "slow_to_refuse", "slab": 300, "batch": 256}
    async with asyncio.timeout(30):
        result = await sweeping.swept(**asked, dead_letters="keep")
    assert (result.rows, result.dead_letters) == (299, 1)


async def test_an_outage_sets_nothing_aside(by_either: Sweeping, shelf: Shelf) -> None:
    shelf.fill(200)
    by_either.stage.away = 3
    result = await by_either.swept(step="unreachable")
    assert (result.rows, result.dead_letters) == (200, 0)
    assert by_either.stage.away == 0


async def test_a_paused_sweep_stops_after_its_batch_and_goes_on_where_it_was(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(1_000)
    sweeping.stage.hold_after = 3
    handle = await sweeping.start(batch=10, slab=500)
    await sweeping.stage.reached.wait()
    child = await sweeping.begun_child(handle)
    await child.signal("pause")
    await until_asked_to_stop(child)
    assert (await sweeping.progress(child)).state == "pausing"
    sweeping.stage.hold_after = None
    sweeping.stage.go.set()
    await until_paused(sweeping, child)
    paused = await sweeping.progress(child)
    done = sum(row.touched for row in shelf.rows())
    assert 40 <= done < 1_000
    assert paused.rows == done
    memo = await (await child.describe()).memo_value(SWEEP_MEMO)
    assert (memo["state"], memo["rows"], memo["step"]) == ("paused", done, "item.publish")
    await child.signal("resume")
    (result,) = await handle.result()
    assert result.rows == 1_000
    assert touched(shelf) == {1}
    assert count(shelf, slabs) == result.slabs == 2


async def test_a_sweep_that_waits_for_its_store_can_be_paused(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(50)
    sweeping.stage.away = 1_000
    handle = await sweeping.start(step="unreachable")
    child = await sweeping.begun_child(handle, "unreachable")
    async with asyncio.timeout(20):
        while sweeping.stage.away > 997:
            await asyncio.sleep(0.02)
    await child.signal("pause")
    await until_paused(sweeping, child)
    sweeping.stage.away = 0
    await child.signal("resume")
    (result,) = await handle.result()
    assert (result.rows, result.dead_letters) == (50, 0)


async def test_a_slab_that_was_begun_is_not_taken_together_with_another(
    sweeping: Sweeping, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shelf.engine.dialect.name == "sqlite":
        pytest.skip("two batches are held up at once")
    monkeypatch.setattr("euryale.sweeps.sweep_workflow._MOST_PARTS", 100)
    monkeypatch.setattr("euryale.sweeps.sweep_workflow._MOMENT", timedelta(hours=1))
    stage = sweeping.stage
    shelf.fill(1_000)
    stage.away = 1
    handle = await sweeping.start(query="every", step="cut_off", slab=100, concurrency=2)
    await stage.reached.wait()
    child = await sweeping.begun_child(handle, "cut-off")
    await child.signal("pause")
    await until_asked_to_stop(child)
    stage.go.set()
    async with asyncio.timeout(20):
        while (await sweeping.progress(child)).rows == 0:
            await asyncio.sleep(0.02)
    # The first slab, with nothing done, goes back in front of the second, which is half done.
    stage.gone.set()
    await until_paused(sweeping, child)
    stage.away = 0
    await child.signal("resume")
    (result,) = await handle.result()
    assert (result.rows, result.slabs) == (1_000, 10)
    assert touched(shelf) == {1}


async def test_a_cancelled_run_ends_its_sweep_after_a_batch_and_can_be_taken_back(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(1_000)
    sweeping.stage.hold_after = 3
    handle = await sweeping.start(batch=10, slab=500)
    await sweeping.stage.reached.wait()
    child = await sweeping.begun_child(handle)
    await handle.cancel()
    await until_asked_to_stop(child)
    sweeping.stage.hold_after = None
    sweeping.stage.go.set()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    done = sum(row.touched for row in shelf.rows())
    assert 40 <= done < 1_000
    report = await sweeping.undone(await sweeping.run_of(handle))
    assert (report.undone, report.left) == (1, 0)
    assert touched(shelf) == {0}
    assert set(shelf.states().values()) == {"new"}


async def test_a_sweep_is_taken_back_to_what_each_column_held(
    by_either: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(250)
    before = shelf.rows()
    run = await by_either.ran(step="reprice", slab=100, batch=30)
    assert all(row.label is None and row.state == "done" for row in shelf.rows())
    report = await by_either.undone(run)
    assert (report.undone, report.left) == (3, 0)
    assert shelf.rows() == before
    assert count(shelf, undo_log) == 0


async def test_what_was_changed_since_is_left_alone_and_told(
    by_either: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(120)
    run = await by_either.ran(slab=50, batch=20)
    later = update(item).where(item.c.id.in_([id_of(3), id_of(60)])).values(state="sold")
    shelf.run(lambda one: one.execute(later))
    shelf.run(lambda one: one.execute(delete(item).where(item.c.id == id_of(61))))
    report = await by_either.undone(run)
    assert (report.undone, report.left) == (1, 2)
    assert {each.outcome for each in report.steps} == {"undone", "changed since"}
    reasons = " ".join(each.reason for each in report.steps)
    assert "1 row was" in reasons
    assert "2 rows were" in reasons
    assert id_of(60) in reasons
    assert {row.id for row in shelf.rows() if row.state != "new"} == {id_of(3), id_of(60)}
    # Asking again tries only those that were left.
    back = update(item).where(item.c.id == id_of(60)).values(state="done")
    shelf.run(lambda one: one.execute(back))
    await by_either.undone(run)
    assert shelf.states()[id_of(60)] == "new"


async def test_a_step_with_an_undo_of_its_own_gets_what_it_kept(
    by_either: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(25)
    run = await by_either.ran(step="tell", slab=10, batch=5)
    stage = by_either.stage
    assert len(stage.told) == 25
    assert len(set(stage.keys)) == 5
    report = await by_either.undone(run)
    assert (report.undone, report.left) == (2, 1)
    told = {f"told item {number}" for number in range(25)}
    assert set(stage.untold) == told - {"told item 3"}


async def test_a_step_without_undo_is_refused(sweeping: Sweeping, shelf: Shelf) -> None:
    shelf.fill(20)
    run = await sweeping.ran(step="throw_away")
    with pytest.raises(Exception, match=r"item\.throw-away names no undo"):
        await sweeping.undone(run)
    assert count(shelf, undo_log) == 0


async def test_a_saga_that_fails_after_a_sweep_takes_it_back(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(150)
    error = await failure(await sweeping.start(in_saga=True, then_fail=True))
    assert error.type == "AsTold"
    assert touched(shelf) == {0}


async def test_a_job_that_undoes_itself_takes_its_sweep_back(
    sweeping: Sweeping, shelf: Shelf
) -> None:
    shelf.fill(150)
    error = await failure(await sweeping.start_job(then_fail=True))
    assert "as told" in error.message
    assert touched(shelf) == {0}


async def test_a_sweep_of_many_slabs_goes_on_as_a_new_run_and_is_taken_back_from_all_of_them(
    sweeping: Sweeping, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euryale.sweeps.sweep_workflow.SLABS_OF_A_RUN", 3)
    shelf.fill(200)
    handle = await sweeping.start(slab=20, batch=10, concurrency=2)
    (result,) = await handle.result()
    assert (result.rows, result.slabs) == (200, 10)
    description = await sweeping.child(handle).describe()
    first = description.raw_description.workflow_execution_info.first_run_id
    assert description.run_id != first
    report = await sweeping.undone(await sweeping.run_of(handle))
    assert report.left == 0
    assert touched(shelf) == {0}


@pytest.mark.parametrize(
    ("asked", "told"),
    [({"batch": 0}, "batch is 0"), ({"concurrency": 51}, "concurrency is 51")],
)
async def test_numbers_out_of_range_are_refused(
    sweeping: Sweeping, asked: dict[str, int], told: str
) -> None:
    error = await failure(await sweeping.start(**asked))
    assert error.type == "SweepInvalid"
    assert told in error.message


async def test_what_is_no_step_is_refused(sweeping: Sweeping) -> None:
    error = await failure(await sweeping.start(step="look"))
    assert "ItemSweeps.look is no step of a sweep" in error.message


async def test_a_quick_step_takes_several_slabs_at_once(
    sweeping: Sweeping, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euryale.sweeps.sweep_workflow._MOST_PARTS", 100)
    monkeypatch.setattr("euryale.sweeps.sweep_workflow._MOMENT", timedelta(hours=1))
    shelf.fill(300)
    handle = await sweeping.start(slab=10, batch=5)
    (result,) = await handle.result()
    assert (result.rows, result.slabs) == (300, 30)
    assert count(shelf, slabs) < 10
    assert touched(shelf) == {1}
    assert (await sweeping.undone(await sweeping.run_of(handle))).left == 0
    assert touched(shelf) == {0}
