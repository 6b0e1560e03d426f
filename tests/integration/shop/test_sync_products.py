"""The job `sync-products-daily`, run by a real worker, against a real catalog that misbehaves."""

import asyncio
import dataclasses
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from shop_support.catalog_server import Answer, CatalogServer, Request
from sqlalchemy import insert, select, update
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError, FailureError
from temporalio.testing import WorkflowEnvironment

import worker.catalog
from euryale import EuryalePlugin
from euryale.runs.run import start_run
from euryale.runs.runs import find_run
from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.undo.undo import start_undo
from euryale.worker import make_worker
from worker.app import app
from worker.catalog import CONNECTIONS
from worker.services import SyncMark, SyncWindow
from worker.services.rows import table_of
from worker.store import Store
from worker.store.tables import ProductRow, SyncStateRow
from workflows.sync_products import SyncProducts, SyncProductsInput, SyncProgress

ROOT = Path(__file__).parents[3]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

product, state = table_of(ProductRow), table_of(SyncStateRow)


@pytest.fixture
async def catalog() -> AsyncIterator[CatalogServer]:
    server = CatalogServer()
    async with server.running():
        yield server


async def failure_of(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    """What a sync fails with; its first cause."""
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    error: BaseException | None = caught.value
    while isinstance(error, WorkflowFailureError | FailureError) and error.cause is not None:
        error = error.cause
    assert isinstance(error, ApplicationError)
    return error


class Shop:
    """The shop, served: its store, and runs of its sync."""

    def __init__(self, client: Client, store: Store, plugin: EuryalePlugin) -> None:
        self.client, self.store, self._plugin = client, store, plugin

    @property
    def app_name(self) -> str:
        return self._plugin.app.name

    async def start(self) -> WorkflowHandle[Any, Any]:
        job = self._plugin.registry.job("sync-products-daily")
        return await start_run(self.client, self._plugin.app, job, None)

    async def sync(self) -> Mapping[str, Any]:
        result: Mapping[str, Any] = await (await self.start()).result()
        return result

    async def failure(self) -> ApplicationError:
        return await failure_of(await self.start())

    async def add(self, *ids: str, **values: Any) -> None:
        moments = {"created_at": LONG_AGO, "updated_at": LONG_AGO}
        rows = [{"id": id_, "title": id_, "handle": id_, **moments, **values} for id_ in ids]
        async with self.store.begin() as session:
            await session.execute(insert(product), rows)

    async def change(self, id_: str, **values: Any) -> None:
        async with self.store.begin() as session:
            await session.execute(update(product).where(product.c.id == id_).values(values))

    async def mark(self) -> SyncMark | None:
        async with self.store.session() as session:
            row = (await session.execute(select(state))).mappings().one_or_none()
        return SyncMark(synced_until=row["synced_until"], **row["metadata"]) if row else None

    async def children(self, handle: WorkflowHandle[Any, Any]) -> list[HistoryEvent]:
        """What happened in the workflow that the run started."""
        child = self.client.get_workflow_handle(f"{handle.id}/sync-products")
        return [event async for event in child.fetch_history_events()]


@asynccontextmanager
async def served(client: Client, store: Store) -> AsyncIterator[Shop]:
    # A name of its own: no worker of another test takes its work.
    named = dataclasses.replace(app, name=f"shop-{uuid4().hex[:8]}")
    plugin = EuryalePlugin(named, root=ROOT, apply_schedules=False)
    async with make_worker(client, plugin):
        yield Shop(client, store, plugin)


@pytest.fixture
async def shop(
    client: Client,
    store: Store,
    database_url: str,
    catalog: CatalogServer,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CATALOG_URL", catalog.url)
    monkeypatch.setenv("CATALOG_TOKEN", "t0ken")
    async with served(client, store) as shop:
        yield shop


def once(answer: Answer, wanted: Callable[[Request], bool]) -> Callable[[Request], Answer | None]:
    """Misbehave at the first request that is wanted, and never again."""
    left = [answer]
    return lambda request: left.pop() if left and wanted(request) else None


def of(product_id: str) -> Callable[[Request], bool]:
    return lambda request: request.product_id == product_id


async def test_the_first_sync_sends_every_product_and_the_next_one_none(
    shop: Shop, catalog: CatalogServer
) -> None:
    ids = [f"prod_{number:03}" for number in range(150)]
    await shop.add(*ids, status="published")
    assert await shop.sync() == {"replaced": 150, "removed": 0, "refused": []}
    assert catalog.sent == ids == sorted(catalog.products)
    assert catalog.products["prod_007"]["title"] == "prod_007"
    assert catalog.products["prod_007"]["status"] == "published"
    assert {request.headers["authorization"] for request in catalog.requests} == {"Bearer t0ken"}
    assert len({request.key for request in catalog.requests}) == 150

    catalog.forget_requests()
    assert await shop.sync() == {"replaced": 0, "removed": 0, "refused": []}
    assert catalog.requests == []


async def test_a_later_sync_sends_what_was_changed_and_removes_what_was_deleted(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1", "prod_2", "prod_3")
    await shop.sync()
    catalog.forget_requests()

    now = datetime.now(UTC)
    await shop.change("prod_2", title="Cap", updated_at=now)
    await shop.change("prod_3", deleted_at=now)
    assert await shop.sync() == {"replaced": 1, "removed": 1, "refused": []}
    assert catalog.sent == ["prod_2", "prod_3"]
    assert catalog.products.keys() == {"prod_1", "prod_2"}
    assert catalog.products["prod_2"]["title"] == "Cap"


async def test_products_of_one_and_the_same_time_are_all_sent_once(
    shop: Shop, catalog: CatalogServer
) -> None:
    ids = [f"prod_{number:04}" for number in range(250)]
    await shop.add(*ids)
    assert (await shop.sync())["replaced"] == len(ids)
    assert catalog.sent == ids


async def test_a_product_that_is_changed_during_a_sync_is_sent_again_by_the_next_one(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1", "prod_2")
    # Else the next sync would find it by looking back over the last minutes.
    later = datetime.now(UTC) + timedelta(seconds=2)

    async def change(request: Request) -> None:
        if request.product_id == "prod_1":
            await shop.change("prod_1", title="Changed meanwhile", updated_at=later)

    catalog.before = change
    await shop.sync()
    mark = await shop.mark()
    assert mark is not None
    assert mark.synced_until < later
    catalog.before = None
    catalog.forget_requests()
    while datetime.now(UTC) < later:
        await asyncio.sleep(0.05)

    await shop.sync()
    assert catalog.sent == ["prod_1"]
    assert catalog.products["prod_1"]["title"] == "Changed meanwhile"


async def test_a_change_that_is_committed_late_is_found_all_the_same(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1")
    began = datetime.now(UTC)
    await shop.sync()
    # As a transaction leaves it that began before the sync and ended after it.
    await shop.add("prod_2", updated_at=began)
    await shop.sync()
    assert catalog.products.keys() == {"prod_1", "prod_2"}


async def test_a_catalog_that_closes_after_taking_a_product_gets_the_same_key_again(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1", "prod_2")
    catalog.misbehave = once(Answer(applies=True, is_silent=True), of("prod_1"))
    assert (await shop.sync())["replaced"] == 2
    keys = [request.key for request in catalog.requests if request.product_id == "prod_1"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert sorted(catalog.applied) == ["prod_1", "prod_2"]


async def test_a_refused_product_stops_nobody_and_is_offered_again_by_the_next_sync(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1", "prod_2", "prod_3")
    refusal = Answer(422, body=b'{"message": "weight\x00 is missing"}')
    catalog.misbehave = lambda request: refusal if request.product_id == "prod_2" else None
    assert await shop.sync() == {
        "replaced": 2,
        "removed": 0,
        "refused": ['prod_2: 422: {"message": "weight is missing"}'],
    }
    mark = await shop.mark()
    assert mark is not None
    assert mark.refused == ("prod_2",)
    assert catalog.products.keys() == {"prod_1", "prod_3"}

    # It was mended in the catalog, so nothing was changed here.
    catalog.misbehave = lambda _request: None
    catalog.forget_requests()
    assert await shop.sync() == {"replaced": 1, "removed": 0, "refused": []}
    assert catalog.sent == ["prod_2"]
    mark = await shop.mark()
    assert mark is not None
    assert mark.refused == ()


@pytest.mark.parametrize("status", [429, 503])
async def test_the_wait_that_the_catalog_asks_for_is_temporals_and_no_workers(
    shop: Shop, catalog: CatalogServer, status: int
) -> None:
    await shop.add("prod_1")
    busy = Answer(status, headers=[("retry-after", "1")])
    catalog.misbehave = once(busy, of("prod_1"))
    handle = await shop.start()
    assert (await handle.result())["replaced"] == 1
    failures = [
        event.activity_task_started_event_attributes.last_failure
        for event in await shop.children(handle)
        if event.activity_task_started_event_attributes.attempt == 2
    ]
    assert len(failures) == 1
    info = failures[0].application_failure_info
    assert info.type == "CatalogUnavailable"
    assert info.next_retry_delay.ToTimedelta() == timedelta(seconds=1)


async def test_a_catalog_that_takes_few_products_at_a_time_gets_all_in_the_end(
    shop: Shop, catalog: CatalogServer
) -> None:
    ids = [f"prod_{number:03}" for number in range(30)]
    await shop.add(*ids)
    room = [10]

    def limit(_request: Request) -> Answer | None:
        if room[0] == 0:
            room[0] = 10
            return Answer(429, headers=[("retry-after", "1")])
        room[0] -= 1
        return None

    catalog.misbehave = limit
    handle = await shop.start()
    assert (await handle.result())["replaced"] == 30
    assert sorted(catalog.products) == ids
    timers = [
        event.timer_started_event_attributes.start_to_fire_timeout.ToTimedelta()
        for event in await shop.children(handle)
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]
    assert timers
    assert set(timers) == {timedelta(seconds=1)}


async def test_no_more_requests_are_under_way_than_the_catalog_has_connections(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add(*(f"prod_{number:03}" for number in range(150)))

    async def take_a_while(_request: Request) -> None:
        await asyncio.sleep(0.005)

    catalog.before = take_a_while
    await shop.sync()
    assert 1 < catalog.most_at_once <= CONNECTIONS


async def test_a_catalog_that_hangs_is_asked_again_with_the_same_key(
    shop: Shop, catalog: CatalogServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.catalog, "_REQUEST", timedelta(seconds=0.5))
    await shop.add("prod_1")
    catalog.misbehave = once(Answer(applies=True, hangs=True), of("prod_1"))
    assert (await shop.sync())["replaced"] == 1
    assert len(catalog.requests) == 2
    assert len({request.key for request in catalog.requests}) == 1
    assert catalog.applied == ["prod_1"]


async def test_a_sync_that_is_cancelled_leaves_the_mark(shop: Shop, catalog: CatalogServer) -> None:
    await shop.add(*(f"prod_{number:03}" for number in range(150)))
    cancelled = asyncio.Event()

    async def cancel(request: Request) -> None:
        if request.product_id == "prod_120" and not cancelled.is_set():
            cancelled.set()
            await handle.cancel()

    catalog.before = cancel
    handle = await shop.start()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    assert cancelled.is_set()
    assert await shop.mark() is None


async def test_more_refusals_than_can_be_meant_fail_the_sync(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1")
    catalog.misbehave = lambda _request: Answer(400, body=b"unknown field 'title'")
    progress = SyncProgress(refused={f"prod_x{number}": "400" for number in range(1_000)})
    window = SyncWindow(mark=None, since=None, until=datetime.now(UTC))
    handle = await shop.client.start_workflow(
        SyncProducts.run,
        SyncProductsInput(window=window, progress=progress),
        id=f"{shop.app_name}/sync",
        task_queue=shop.app_name,
    )
    error = await failure_of(handle)
    assert error.type == "CatalogRefused"
    assert "more than 1,000 products" in error.message
    assert "unknown field 'title'" in error.message
    assert await shop.mark() is None


async def test_however_many_products_there_are_the_history_stays_small(
    store: Store, database_url: str, catalog: CatalogServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("CATALOG_URL", catalog.url)
    ids = [f"prod_{number:04}" for number in range(410)]
    suggested = "limit.historyCount.suggestContinueAsNew=20"
    async with (
        await WorkflowEnvironment.start_local(
            data_converter=pydantic_data_converter,
            dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
            dev_server_extra_args=dynamic_config_arguments(suggested),
        ) as environment,
        served(environment.client, store) as shop,
    ):
        await shop.add(*ids)
        refusals = {ids[0]: 422, ids[405]: 422}
        catalog.misbehave = lambda request: Answer(422) if request.product_id in refusals else None
        handle = await shop.start()
        result = await handle.result()
        assert result["replaced"] == 408
        assert result["refused"] == [f"{ids[0]}: 422", f"{ids[405]}: 422"]
        assert catalog.sent == ids
        # The last of the runs that followed each other, and not one of them alone.
        last = await shop.children(handle)
        started = last[0].workflow_execution_started_event_attributes
        assert started.continued_execution_run_id
        assert len(last) < 50
        mark = await shop.mark()
        assert mark is not None
        assert mark.refused == (ids[0], ids[405])


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404])
async def test_a_wrong_token_or_address_fails_the_sync_at_once_and_the_mark_stays(
    shop: Shop, catalog: CatalogServer, status: int
) -> None:
    await shop.add("prod_1")
    answer = Answer(status, headers=[("location", "http://elsewhere.invalid/")], body=b"t0ken?")
    catalog.misbehave = lambda _request: answer
    error = await shop.failure()
    assert error.type == "CatalogRefused"
    assert f"answered {status} to PUT products/prod_1: ***?" in error.message
    assert "CATALOG_URL" in error.message
    assert len(catalog.requests) == 1
    assert await shop.mark() is None


async def test_a_failed_sync_leaves_the_mark_and_the_next_one_sends_all_again(
    shop: Shop, catalog: CatalogServer
) -> None:
    ids = [f"prod_{number:03}" for number in range(150)]
    await shop.add(*ids)
    catalog.misbehave = lambda request: Answer(401) if request.product_id == ids[120] else None
    await shop.failure()
    assert await shop.mark() is None

    catalog.misbehave = lambda _request: None
    catalog.forget_requests()
    assert (await shop.sync())["replaced"] == len(ids)
    assert catalog.sent == ids


async def test_a_finished_sync_is_taken_back_as_far_as_it_can_be_and_the_next_one_repeats_it(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1", "prod_2")
    handle = await shop.start()
    await handle.result()
    name = shop.app_name
    run = await find_run(shop.client, name, handle.id)
    undo = await start_undo(shop.client, name, name, run, attempt=1, only=["catalog.move-mark"])
    assert (await undo.result()).undone == 1
    assert await shop.mark() is None
    catalog.forget_requests()
    await shop.sync()
    assert catalog.sent == ["prod_1", "prod_2"]


async def test_a_sync_whose_mark_was_moved_meanwhile_leaves_it_there(
    shop: Shop, catalog: CatalogServer
) -> None:
    await shop.add("prod_1")
    theirs = {"moved_by": "another sync", "refused": []}

    async def move(_request: Request) -> None:
        async with shop.store.begin() as session:
            values = {"name": "products", "synced_until": LONG_AGO, "metadata": theirs}
            await session.execute(insert(state).values(values))

    catalog.before = move
    error = await shop.failure()
    assert error.type == "SyncMarkMoved"
    assert await shop.mark() == SyncMark(synced_until=LONG_AGO, moved_by="another sync")


async def test_without_a_catalog_the_job_says_that_it_skipped(
    client: Client,
    store: Store,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("CATALOG_URL", raising=False)
    async with served(client, store) as shop:
        assert await shop.sync() == {"skipped": "no CATALOG_URL"}
        assert await shop.mark() is None
