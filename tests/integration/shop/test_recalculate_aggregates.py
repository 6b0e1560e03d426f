"""The job `recalculate-aggregates`, run by a real worker, and the sums that it rests on."""

import asyncio
import dataclasses
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from shop_support.order_rows import add_order, add_version, change_order
from shop_support.taken_back import take_back
from sqlalchemy import delete, select, update
from temporalio.client import Client, WorkflowFailureError

from activities.sales import Recalculation, SalesActivities
from euryale import ChangedSince, EuryalePlugin
from euryale.errors import SweepStopped
from euryale.runs.run import start_run
from euryale.sweeps.sql import Batch
from euryale.sweeps.sql_tables import dead_letters
from euryale.worker import make_worker
from worker.app import app
from worker.seed import seed
from worker.services.rows import table_of
from worker.services.sales import count_changed, recalculate, restore
from worker.store import Store
from worker.store.tables import (
    OrderItemRow,
    OrderLineItemRow,
    OrderRow,
    ProductRow,
    ProductSalesRow,
)
from workflows.recalculate_aggregates import RecalculateAggregates, RecalculateAggregatesInput

ROOT = Path(__file__).parents[3]
MONDAY = datetime(2026, 3, 2, 12, 0, 0, 250_000, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
NOW = datetime.now(UTC)
MARK, LATER = NOW - timedelta(hours=2), NOW - timedelta(hours=1)

ALL_PRODUCTS = ("bag", "cap", "mug")

Meanwhile = Callable[[], Awaitable[None]]
Run = Callable[..., Awaitable[Any]]
Rows = list[dict[str, Any]]

order, item, line, product, sales = map(
    table_of, (OrderRow, OrderItemRow, OrderLineItemRow, ProductRow, ProductSalesRow)
)


async def all_rows(store: Store) -> Rows:
    async with store.session() as session:
        rows = await session.execute(select(sales).order_by(sales.c.id))
        return [dict(row) for row in rows.mappings()]


async def live(store: Store) -> Rows:
    rows = [row for row in await all_rows(store) if row["deleted_at"] is None]
    return sorted(rows, key=lambda row: (row["product_id"], row["currency_code"]))


async def told(store: Store) -> list[tuple[str, str, str, str, int]]:
    """The live rows in short; the revenue is the exact one."""
    return [
        (
            row["product_id"],
            row["currency_code"],
            f"{row['quantity'].normalize():f}",
            row["raw_revenue"]["value"],
            row["orders"],
        )
        for row in await live(store)
    ]


async def recalculated(store: Store, mark: datetime, *products: str) -> set[str]:
    """Recalculate as one batch of a sweep does; without products all that there are."""
    if not products:
        async with store.session() as session:
            ordered = await session.scalars(select(line.c.product_id))
            summed = await session.scalars(select(sales.c.product_id))
            products = tuple({*map(str, ordered), *summed})
    async with store.begin() as session:
        return await session.run_sync(
            lambda one: recalculate(one.connection(), sorted(products), mark)
        )


async def restored(store: Store, mark: datetime, *products: str) -> set[str]:
    """Take it back as one batch of the sweep's undo does."""
    async with store.begin() as session:
        return await session.run_sync(
            lambda one: restore(one.connection(), products or ALL_PRODUCTS, mark)
        )


async def changed(store: Store, mark: datetime) -> int:
    async with store.session() as session:
        return await session.run_sync(lambda one: count_changed(one.connection(), mark))


async def two_orders(store: Store) -> None:
    await add_order(store, "order_1", MONDAY, ("cap", "3", "0.1"), ("mug", "1", "8.00"))
    await add_order(store, "order_2", TUESDAY, ("cap", "2", "0.2"))


async def test_sums_are_exact_and_one_row_stands_for_a_product_and_a_currency(store: Store) -> None:
    await two_orders(store)
    await add_order(store, "order_3", TUESDAY, ("cap", "1", "5.00"), currency_code="usd")
    assert await recalculated(store, MARK) == {"cap", "mug"}
    assert await changed(store, MARK) == 3
    rows = await live(store)
    assert [(row["product_id"], row["currency_code"], row["orders"]) for row in rows] == [
        ("cap", "eur", 2),
        ("cap", "usd", 1),
        ("mug", "eur", 1),
    ]
    cap = rows[0]
    # In binary fractions 3 x 0.1 + 2 x 0.2 is 0.7000000000000001.
    assert (cap["quantity"], cap["revenue"]) == (Decimal(5), Decimal("0.7"))
    assert Decimal(cap["raw_revenue"]["value"]) == Decimal("0.7")
    assert (cap["first_order_at"], cap["last_order_at"]) == (MONDAY, TUESDAY)
    assert cap["calculated_at"] == MARK


@pytest.mark.parametrize(
    "values",
    [
        {"status": "canceled", "canceled_at": TUESDAY},
        {"status": "draft", "is_draft_order": True},
        {"deleted_at": TUESDAY},
    ],
)
async def test_canceled_draft_and_deleted_orders_do_not_count(
    store: Store, values: dict[str, Any]
) -> None:
    await two_orders(store)
    await change_order(store, "order_2", **values)
    await recalculated(store, MARK)
    assert [(row["product_id"], row["orders"]) for row in await live(store)] == [
        ("cap", 1),
        ("mug", 1),
    ]


async def test_of_an_order_that_was_changed_its_present_version_counts(store: Store) -> None:
    await add_order(store, "order_1", MONDAY, ("cap", "3", "10"))
    await add_version(store, "order_1", quantity="2", price=None)
    await add_order(store, "order_2", MONDAY, ("mug", "3", "10"))
    await add_version(store, "order_2", quantity="1", price="7")
    await recalculated(store, MARK)
    cap, mug = await live(store)
    assert (cap["quantity"], cap["revenue"]) == (2, 20)
    assert (mug["quantity"], mug["revenue"]) == (1, 7)


async def test_recalculating_again_changes_nothing(store: Store) -> None:
    await two_orders(store)
    await recalculated(store, MARK)
    before = await all_rows(store)
    assert await recalculated(store, LATER) == set()
    assert await changed(store, LATER) == 0
    assert await all_rows(store) == before


async def test_what_was_replaced_made_or_removed_comes_back_as_it_was(store: Store) -> None:
    await two_orders(store)
    await recalculated(store, MARK)
    before = await all_rows(store)
    await change_order(store, "order_1", canceled_at=TUESDAY, status="canceled")
    await add_order(store, "order_3", TUESDAY, ("bag", "1", "30"))
    assert await recalculated(store, LATER) == {"bag", "cap", "mug"}
    assert await changed(store, LATER) == 3
    assert [row["product_id"] for row in await live(store)] == ["bag", "cap"]
    for _ in range(2):
        assert await restored(store, LATER) == set()
        assert await all_rows(store) == before


async def test_products_are_taken_back_each_on_its_own(store: Store) -> None:
    await two_orders(store)
    for product in ("cap", "mug"):
        assert await recalculated(store, MARK, product) == {product}
    assert await recalculated(store, MARK, "none") == set()
    await restored(store, MARK, "cap")
    assert [row["product_id"] for row in await live(store)] == ["mug"]


async def test_what_another_recalculation_replaced_since_is_left_and_the_rest_restored(
    store: Store,
) -> None:
    await two_orders(store)
    await recalculated(store, MARK)
    await add_order(store, "order_3", TUESDAY, ("cap", "1", "1"))
    await recalculated(store, LATER)
    after = [row for row in await all_rows(store) if row["product_id"] == "cap"]
    for _ in range(2):
        assert await restored(store, MARK) == {"cap"}
        assert await all_rows(store) == after


async def test_what_somebody_changed_by_hand_since_is_left_as_it_is(store: Store) -> None:
    await two_orders(store)
    await recalculated(store, MARK)
    async with store.begin() as session:
        await session.execute(
            update(sales)
            .where(sales.c.product_id == "mug")
            .values(orders=99, updated_at=datetime.now(UTC))
        )
    assert await restored(store, MARK) == {"mug"}
    assert [(row["product_id"], row["orders"]) for row in await live(store)] == [("mug", 99)]


async def test_a_product_that_lost_its_sales_and_has_others_since_is_left_as_it_is(
    store: Store,
) -> None:
    await two_orders(store)
    await recalculated(store, MARK - timedelta(hours=1))
    await change_order(store, "order_1", canceled_at=TUESDAY, status="canceled")
    await recalculated(store, MARK)
    await add_order(store, "order_3", TUESDAY, ("mug", "7", "9"))
    await recalculated(store, LATER)
    assert await restored(store, MARK) == {"mug"}
    assert [(row["product_id"], row["quantity"]) for row in await live(store)] == [
        ("cap", 5),
        ("mug", 7),
    ]


async def test_rows_replaced_a_month_ago_are_forgotten_and_that_is_said(store: Store) -> None:
    old = NOW - timedelta(days=31)
    await two_orders(store)
    await recalculated(store, old - timedelta(days=1))
    await add_order(store, "order_3", TUESDAY, ("cap", "1", "1"))
    await recalculated(store, old)
    assert len(await all_rows(store)) == 3
    await recalculated(store, NOW)
    assert len(await all_rows(store)) == 2
    with pytest.raises(ChangedSince, match="kept for 30 days"):
        await restored(store, old)
    assert len(await live(store)) == 2


async def _nothing() -> None:
    pass


@pytest.fixture
async def run(
    client: Client, store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Run]:
    """Runs the job, or its workflow with an input, through a real worker.

    With `undo` the job's run is taken back when it has ended.
    """
    monkeypatch.setenv("DATABASE_URL", database_url)
    named = dataclasses.replace(app, name=f"shop-{uuid4().hex[:8]}")
    plugin = EuryalePlugin(named, root=ROOT, apply_schedules=False)

    async def run(
        given: RecalculateAggregatesInput | None = None,
        *,
        undo: bool = False,
        meanwhile: Meanwhile = _nothing,
    ) -> Any:
        if given is None:
            job = plugin.registry.job("recalculate-aggregates")
            handle = await start_run(client, named, job)
            result = await handle.result()
            await meanwhile()
            return str(await take_back(client, plugin, handle)) if undo else result
        return await client.execute_workflow(
            RecalculateAggregates.run, given, id=f"recalculate-{uuid4()}", task_queue=named.queue
        )

    async with make_worker(client, plugin):
        yield run


async def test_the_job_recalculates_every_product_of_the_shop(store: Store, run: Run) -> None:
    await seed(store)
    counted = (order.c.canceled_at.is_(None), order.c.is_draft_order.is_(False))
    sold = order.join(item, item.c.order_id == order.c.id).join(line, line.c.id == item.c.item_id)
    async with store.session() as session:
        rows = await session.execute(
            select(line.c.product_id, order.c.currency_code, item.c.quantity, line.c.unit_price)
            .select_from(sold)
            .where(*counted)
        )
        expected: dict[tuple[str, str], Decimal] = {}
        for product_id, currency, quantity, price in rows:
            key = (product_id, currency)
            expected[key] = expected.get(key, Decimal(0)) + quantity * price
        ordered = len(set(await session.scalars(select(line.c.product_id))))
    assert await run() == {"products": ordered, "changed": len(expected)}
    assert {
        (row["product_id"], row["currency_code"]): Decimal(row["raw_revenue"]["value"])
        for row in await live(store)
    } == expected
    assert await run() == {"products": ordered, "changed": 0}


async def test_a_run_in_small_batches_finds_the_same(store: Store, run: Run) -> None:
    await seed(store)
    result = await run(RecalculateAggregatesInput(products_at_once=30, products_per_slab=100))
    small = await told(store)
    async with store.begin() as session:
        await session.execute(delete(sales))
    assert await run(RecalculateAggregatesInput(products_at_once=5_000)) == result
    assert await told(store) == small


async def test_runs_at_once_leave_one_row_a_product(store: Store, run: Run) -> None:
    await seed(store)
    given = RecalculateAggregatesInput(products_at_once=10, products_per_slab=100)
    results = await asyncio.gather(*(run(given) for _ in range(4)))
    rows = await told(store)
    assert len({row[:2] for row in rows}) == len(rows) > 100
    assert {result.products for result in results} == {results[0].products}
    # Each row was made by one of them.
    assert sum(result.changed for result in results) == len(rows)
    async with store.session() as session:
        assert (await session.execute(select(dead_letters))).all() == []


async def test_sales_of_a_product_that_is_ordered_no_more_go(store: Store, run: Run) -> None:
    await seed(store)
    await run()
    gone = (await live(store))[0]["product_id"]
    async with store.begin() as session:
        await session.execute(
            update(line).where(line.c.product_id == gone).values(deleted_at=TUESDAY)
        )
        await session.execute(update(product).where(product.c.id == gone).values(deleted_at=NOW))
    await run()
    assert gone not in {row["product_id"] for row in await live(store)}


async def test_a_run_that_fails_halfway_leaves_the_sales_as_they_were(
    store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seed(store)
    await run()
    before = await all_rows(store)
    ordered = sorted({row["product_id"] for row in before})
    await add_order(store, "order_new", TUESDAY, *((each, "1", "30") for each in ordered))
    await change_order(store, "order_1", canceled_at=TUESDAY, status="canceled")
    step = SalesActivities.recalculate
    seen: list[int] = []

    @functools.wraps(step)  # with the marks of a sweep's step
    async def fail_late(self: SalesActivities, batch: Batch, given: Recalculation) -> None:
        await step(self, batch, given)
        seen.append(len(await batch.rows()))
        if len(seen) == 5:
            raise SweepStopped("after its effect", where="here", mend="none")

    monkeypatch.setattr(SalesActivities, "recalculate", fail_late)
    with pytest.raises(WorkflowFailureError):
        await run(RecalculateAggregatesInput(products_at_once=20, products_per_slab=40))
    assert seen == [20] * 5
    assert await all_rows(store) == before


async def test_a_finished_run_can_be_taken_back_and_the_sales_are_as_before(
    store: Store, run: Run
) -> None:
    await seed(store)
    await run()
    before = await all_rows(store)
    await add_order(store, "order_new", TUESDAY, (before[0]["product_id"], "1", "30"))
    await change_order(store, "order_new", currency_code=before[0]["currency_code"])
    assert await run(undo=True) == "1 step was taken back"
    assert await all_rows(store) == before
    assert len(before) > 100


async def test_what_was_changed_after_a_run_is_left_by_its_undo(store: Store, run: Run) -> None:
    await seed(store)
    edited: list[str] = []

    async def edit_one() -> None:
        edited.append((await live(store))[0]["product_id"])
        one = update(sales).where(sales.c.product_id == edited[0])
        async with store.begin() as session:
            await session.execute(one.values(orders=99, updated_at=datetime.now(UTC)))

    said = await run(undo=True, meanwhile=edit_one)
    assert f'1 row was changed by somebody since, and left alone: ["{edited[0]}"]' in said
    left = {(row["product_id"], row["orders"]) for row in await live(store)}
    assert left == {(edited[0], 99)}
