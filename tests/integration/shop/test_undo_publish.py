"""A run that published a thousand products is taken back, and no later edit is lost."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, update
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from euryale import ChangedSince, EuryalePlugin
from euryale.runs.run import start_run
from euryale.runs.runs import find_run
from euryale.services.undo_record import recording
from euryale.undo.undo import plan_whole, start_undo
from euryale.undo.ways import ways_of
from euryale.worker import make_worker
from worker.app import app
from worker.seed import seed
from worker.services import ProductService, ProductStatus
from worker.services.product import ProductUpdate
from worker.services.rows import table_of
from worker.store import Store
from worker.store.tables import ProductRow

ROOT = Path(__file__).parents[3]

product = table_of(ProductRow)


async def statuses(store: Store) -> dict[str, tuple[str, str, datetime]]:
    async with store.session() as session:
        rows = await session.execute(
            select(product.c.id, product.c.status, product.c.title, product.c.updated_at)
        )
        return {row.id: (row.status, row.title, row.updated_at) for row in rows}


# Two thousand calls in sequence: on one kind of database, the smaller tests run on both.
@pytest.mark.timeout(400)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_undo_gives_a_thousand_products_their_status_back_and_keeps_later_edits(
    client: Client, store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    await seed(store)
    async with store.begin() as session:
        await session.execute(update(product).values(status="draft"))
    before = await statuses(store)
    plugin = EuryalePlugin(app, root=ROOT, apply_schedules=False)
    async with make_worker(client, plugin):
        handle = await start_run(client, app, plugin.registry.job("publish-once-a-day"))
        assert await handle.result() == {"published": 1_000}
        assert {status for status, _, _ in (await statuses(store)).values()} == {"published"}
        retitled, rejected, *_ = before
        service = ProductService(store)
        await service.update(retitled, title="A later title")
        await service.update(rejected, status=ProductStatus.REJECTED)
        edited = await statuses(store)
        run = await find_run(client, "shop", handle.id)
        plan = await plan_whole(client, "shop", ways_of(plugin.registry), run)
        assert (plan.calls, plan.left) == (1_000, ())
        undo = await start_undo(client, "shop", "shop", run, attempt=1)
        report = await undo.result()
    assert (report.undone, report.left) == (999, 1)
    assert report.steps[0].outcome == "changed since"
    assert report.steps[0].reason == f"of the product {rejected!r}, status is 'rejected' now"
    after = await statuses(store)
    # A later edit of another field stays, and so does a later status.
    assert after[retitled][:2] == ("draft", "A later title")
    assert after[rejected] == edited[rejected]
    others = before.keys() - {retitled, rejected}
    assert {key: after[key][:2] for key in others} == {key: before[key][:2] for key in others}
    # To be taken back is a change: who asks for what changed since then must hear of it.
    assert all(after[key][2] > edited[key][2] for key in others)


# A call in the place where its run is held is made again as another first attempt.
@pytest.mark.parametrize("attempt_of_second", [1, 2])
async def test_an_attempt_whose_answer_was_lost_records_what_the_first_one_found(
    store: Store, attempt_of_second: int
) -> None:
    await seed(store)
    service = ProductService(store)
    (draft, *_) = await service.list(status=ProductStatus.DRAFT)
    first, second = ActivityEnvironment(), ActivityEnvironment()
    second.info = replace(second.info, attempt=attempt_of_second)
    recorded = [await attempt.run(_recorded, service, draft.id) for attempt in (first, second)]
    assert recorded[0] == recorded[1]
    assert recorded[0].before == {"status": "draft"}
    async with asyncio.timeout(10):
        await service.take_back(draft.id, recorded[1])
        await service.take_back(draft.id, recorded[1])
    assert (await service.retrieve(draft.id)).status == ProductStatus.DRAFT


async def _recorded(service: ProductService, product_id: str) -> ProductUpdate:
    with recording() as record:
        await service.update(product_id, status=ProductStatus.PUBLISHED)
    assert isinstance(record.value, ProductUpdate)
    return record.value


async def test_a_product_that_was_deleted_since_is_left_alone(store: Store) -> None:
    await seed(store)
    service = ProductService(store)
    (draft, *_) = await service.list(status=ProductStatus.DRAFT)
    async with store.begin() as session:
        gone = update(product).where(product.c.id == draft.id).values(deleted_at=datetime.now(UTC))
        await session.execute(gone)
    change = ProductUpdate(before={"status": "draft"}, after={"status": "published"})
    with pytest.raises(ChangedSince, match="was deleted"):
        await service.take_back(draft.id, change)
