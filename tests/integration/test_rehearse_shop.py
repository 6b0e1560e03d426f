"""Rehearsals of the shop's jobs against a store that refuses every write."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from temporalio.client import Client

from euryale import Euryale, singleton
from euryale.rehearsal.rehearsal import Rehearsed, parse_fail_at, rehearse
from euryale.rehearsal.summary import Group, grouped
from tests.conftest import new_postgres_database
from worker.app import app as shop
from worker.seed import seed
from worker.services import ProductService, ProductStatus
from worker.settings import Settings, parse_database_url
from worker.store import Store, open_store, upgrade

ROOT = Path(__file__).parents[2]
READER = "reader"
REFUSAL = r"(?i)read.?only|permission"


async def _fill(url: str) -> None:
    await upgrade(parse_database_url(url))
    store = Store(parse_database_url(url))
    try:
        assert await seed(store)
    finally:
        await store.close()


@pytest.fixture(scope="module")
def filled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "shop.db"
    asyncio.run(_fill(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="module")
def filled_database(postgres_server: str) -> Iterator[str]:
    """A shop, as a user who may read its tables and do nothing else."""
    with new_postgres_database(postgres_server) as url:
        asyncio.run(_fill(url))
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {READER} LOGIN")
            connection.execute(f"ALTER ROLE {READER} SET default_transaction_read_only = on")
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
        yield url.replace("postgres@", f"{READER}@")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {READER}")
            connection.execute(f"DROP ROLE {READER}")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        database: str = request.getfixturevalue("filled_database")
        return database
    return f"sqlite:///{shutil.copy(request.getfixturevalue('filled_file'), tmp_path / 'shop.db')}"


async def read_only_store(settings: Settings) -> AsyncIterator[Store]:
    async for store in open_store(settings):
        if store.dialect == "sqlite":

            @event.listens_for(store._engine.sync_engine, "connect")
            def refuse(connection: Any, _record: object) -> None:
                connection.execute("PRAGMA query_only = ON")

        yield store


@pytest.fixture
def app(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Euryale:
    """The shop, on a store that refuses writes."""
    monkeypatch.setenv("DATABASE_URL", url)
    others = [each for each in shop.providers if each.provides is not Store]
    assert len(others) == len(shop.providers) - 1
    return replace(shop, providers=[*others, singleton(read_only_store)])


async def rehearsed(
    client: Client, app: Euryale, job: str, fail_at: str | None = None
) -> Rehearsed:
    registry = app.load(ROOT)
    return await rehearse(
        client,
        app,
        registry,
        registry.job(job),
        root=ROOT,
        fail_at=parse_fail_at(fail_at, registry) if fail_at else None,
        patience=timedelta(seconds=30),
    )


def groups(seen: Rehearsed) -> Sequence[Group]:
    return grouped(seen.noted, seen.activities)


async def test_the_store_refuses_writes(app: Euryale) -> None:
    async for store in read_only_store(Settings()):
        products = ProductService(store)
        (draft,) = await products.list(status=ProductStatus.DRAFT, take=1)
        with pytest.raises(Exception, match=REFUSAL):
            await products.update(draft.id, status=ProductStatus.PUBLISHED)
        async with store.session() as session:
            with pytest.raises(Exception, match=REFUSAL):
                await session.execute(text("DELETE FROM cart"))


async def test_publishing_two_hundred_drafts_is_rehearsed_without_a_write(
    client: Client, app: Euryale
) -> None:
    seen = await rehearsed(client, app, "publish-once-a-day")
    assert (seen.end, seen.outcome.result) == ("completed", {"published": 200})
    (group,) = groups(seen)
    assert (group.sentence, group.common) == ("update 200 products", {"status": "published"})
    assert len({call.arguments["product_id"] for call in group.calls}) == 200
    assert all(each.startswith("jobs/publish_products.py:") for each in group.lines)


async def test_deleting_two_hundred_carts_is_rehearsed_without_a_write(
    client: Client, app: Euryale
) -> None:
    seen = await rehearsed(client, app, "cleanup-expired-carts")
    assert seen.end in {"completed", "blind"}
    (group,) = groups(seen)
    assert (group.name, group.count) == ("cart.delete-expired", 200)
    assert "delete 200" in group.sentence
    assert group.lines[0].startswith("workflows/delete_carts.py:")


async def test_a_failure_in_the_middle_leaves_what_was_published(
    client: Client, app: Euryale
) -> None:
    seen = await rehearsed(client, app, "publish-once-a-day", "product.update#51")
    assert seen.failed_on_purpose
    assert len(seen.noted) == 51
    left = len(seen.left_done)
    taken = sum(each.what == "compensation" for each in seen.noted)
    assert (left, taken) in {(50, 0), (0, 50)}


async def test_a_sweep_is_rehearsed_by_a_count_and_its_first_rows_without_a_write(
    client: Client, app: Euryale
) -> None:
    seen = await rehearsed(client, app, "recalculate-aggregates")
    assert seen.end == "completed"
    products = seen.outcome.result["products"]
    assert products > 500
    (group,) = groups(seen)
    assert (group.name, group.count) == ("sales.recalculate", products)
    assert group.sentence == f"recalculate the sales of {products} products"
    async for store in read_only_store(Settings()):
        async with store.session() as session:
            ordered = set(await session.scalars(text("SELECT product_id FROM order_line_item")))
    assert list(group.things) == sorted(ordered)[:10]
    assert group.lines[0].startswith("workflows/recalculate_aggregates.py:")
    assert seen.reads == {"sales.products": 1, "sales.count-changed": 1}


async def test_a_sweep_is_taken_back_where_what_follows_it_fails(
    client: Client, app: Euryale
) -> None:
    seen = await rehearsed(client, app, "recalculate-aggregates", "sales.count-changed")
    assert seen.failed_on_purpose
    assert [(each.what, each.name) for each in seen.noted] == [
        ("mutation", "sales.recalculate"),
        ("compensation", "euryale.sweep.take-back"),
    ]
    assert seen.left_done == ()
    rows = seen.noted[0].count
    assert rows
    assert [group.sentence for group in groups(seen)] == [
        f"recalculate the sales of {rows} products",
        f"take back {rows} rows",
    ]


async def test_a_sweep_that_fails_on_purpose_does_nothing(client: Client, app: Euryale) -> None:
    seen = await rehearsed(client, app, "recalculate-aggregates", "sales.recalculate")
    assert (seen.failed_on_purpose, seen.left_done) == (True, ())
    assert seen.end == "failed"
