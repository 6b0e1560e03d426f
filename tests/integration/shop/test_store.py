import asyncio
import re
import sqlite3
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text, update

from worker.services import ProductService
from worker.settings import Settings, parse_database_url
from worker.store import Store, StoreRefused, StoreUnavailable, open_store, upgrade
from worker.store.tables import METADATA, CartLineItemRow, CartRow, ProductRow


async def add_product(store: Store, handle: str = "cap", **values: object) -> None:
    async with store.begin() as session:
        await session.execute(insert(ProductRow).values(title="Cap", handle=handle, **values))


async def test_the_models_and_the_migrations_agree(store: Store) -> None:
    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        tables: Any = METADATA  # Alembic takes several, and its annotations don't say so
        return compare_metadata(context, tables)

    async with store.session() as session:
        connection = await session.connection()
        assert await connection.run_sync(differences) == []


async def test_a_table_made_from_the_models_has_the_columns_that_the_migrations_make(
    store: Store,
) -> None:
    async with store.session() as session:
        for table in (table for each in METADATA for table in each.tables.values()):
            assert (await session.execute(select(table))).all() == []


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await upgrade(parse_database_url(database_url))


async def test_many_may_migrate_an_empty_database_at_once(
    postgres_url: str, tmp_path: Path
) -> None:
    for url in (postgres_url, f"sqlite:///{tmp_path}/new/shop.db"):
        await asyncio.gather(*(upgrade(parse_database_url(url)) for _ in range(4)))
        store = Store(parse_database_url(url))
        await add_product(store)
        await store.close()


async def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.begin() as session:
            await session.execute(insert(ProductRow).values(title="Cap", handle="cap"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.session() as session:
        assert (await session.execute(select(ProductRow.id))).all() == []


async def test_a_reading_session_keeps_nothing(store: Store) -> None:
    async with store.session() as session:
        await session.execute(insert(ProductRow).values(title="Cap", handle="cap"))
    async with store.session() as session:
        assert (await session.execute(select(ProductRow.id))).all() == []


async def test_times_keep_their_instant_and_come_back_in_utc(store: Store) -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    moment = datetime(2026, 3, 29, 4, 15, 30, 123456, tzinfo=kolkata)
    await add_product(store, created_at=moment)
    async with store.session() as session:
        (stored,) = (await session.scalars(select(ProductRow.created_at))).all()
    assert stored == moment
    assert stored.tzinfo is UTC


async def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="has no time zone"):
        await add_product(store, created_at=datetime(2026, 3, 29))  # noqa: DTZ001  # on purpose


async def test_the_database_itself_stamps_rows_that_others_insert(store: Store) -> None:
    async with store.begin() as session:
        await session.execute(
            text("INSERT INTO product (id, title, handle) VALUES ('prod_1', 'Cap', 'cap')")
        )
    async with store.session() as session:
        row = (await session.execute(select(ProductRow.__table__))).mappings().one()
    assert abs(row["created_at"] - datetime.now(UTC)) < timedelta(minutes=1)
    assert (row["status"], row["is_giftcard"], row["discountable"]) == ("draft", False, True)


async def test_ids_have_the_prefix_of_their_entity(store: Store) -> None:
    await add_product(store)
    async with store.session() as session:
        (product_id,) = (await session.scalars(select(ProductRow.id))).all()
    assert re.fullmatch(r"prod_[0-9A-HJKMNP-TV-Z]{26}", product_id)


async def test_a_handle_can_be_used_again_only_after_its_product_was_deleted(store: Store) -> None:
    await add_product(store)
    with pytest.raises(StoreRefused):
        await add_product(store)
    async with store.begin() as session:
        await session.execute(update(ProductRow).values(deleted_at=datetime.now(UTC)))
    await add_product(store)


async def test_a_status_that_medusa_does_not_know_is_refused(store: Store) -> None:
    with pytest.raises(StoreRefused, match="product_status_check"):
        await add_product(store, status="archived")


async def test_a_negative_price_and_an_item_without_its_cart_are_refused(store: Store) -> None:
    item = {"title": "Cap", "quantity": 1, "unit_price": 1, "raw_unit_price": {"value": "1"}}
    async with store.begin() as session:
        await session.execute(insert(CartRow).values(id="cart_1", currency_code="eur"))
    for change in ({"cart_id": "cart_2"}, {"cart_id": "cart_1", "unit_price": -1}):
        with pytest.raises(StoreRefused):
            async with store.begin() as session:
                await session.execute(insert(CartLineItemRow).values(**item | change))


async def test_a_refusal_is_one_sentence_without_sql_and_without_values(store: Store) -> None:
    await add_product(store, handle="top-secret")
    with pytest.raises(StoreRefused) as refused:
        await add_product(store, handle="top-secret", description="for nobody's eyes")
    message = str(refused.value)
    assert not any(word in message for word in ("INSERT", "top-secret", "eyes", "\n"))
    assert refused.value.__cause__ is None


async def test_fifty_concurrent_updates_all_succeed(store: Store) -> None:
    for number in range(50):
        await add_product(store, handle=f"cap-{number}")
    service = ProductService(store)
    products = await service.list()
    await asyncio.gather(
        *(service.update(product.id, title=product.handle) for product in products)
    )
    assert all(product.title == product.handle for product in await service.list())


async def test_a_cancelled_transaction_leaves_the_store_usable(store: Store) -> None:
    async def hang() -> None:
        async with store.begin() as session:
            await session.execute(insert(ProductRow).values(title="Cap", handle="cap"))
            begun.set()
            await asyncio.Event().wait()

    for _ in range(12):
        begun = asyncio.Event()
        task = asyncio.create_task(hang())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await add_product(store)


async def test_a_locked_database_is_unavailable_and_says_so_in_time(sqlite_url: str) -> None:
    url = parse_database_url(sqlite_url)
    store = Store(url)
    await add_product(store)
    (product,) = await ProductService(store).list()
    other = sqlite3.connect(str(url.database))
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"unavailable: database is locked$") as locked:
        await ProductService(store).update(product.id, title="Hat")
    # Before the method's own timeout, so that the reason reaches whoever looks at the run.
    assert time.monotonic() - began < 4
    assert "UPDATE" not in str(locked.value)
    other.rollback()
    other.close()
    await ProductService(store).update(product.id, title="Hat")
    await store.close()


async def test_readers_go_on_while_another_writes(sqlite_url: str) -> None:
    url = parse_database_url(sqlite_url)
    store = Store(url)
    other = sqlite3.connect(str(url.database))
    other.execute("BEGIN IMMEDIATE")
    assert await ProductService(store).list() == []
    other.close()
    await store.close()


async def test_a_database_that_is_gone_is_unavailable_and_its_password_unsaid() -> None:
    store = Store(parse_database_url("postgres://shop:hunter2@127.0.0.1:1/shop"))
    with pytest.raises(StoreUnavailable, match=r"database shop at 127\.0\.0\.1:1") as gone:
        await store.ping()
    assert "hunter2" not in str(gone.value)
    await store.close()


async def test_a_connection_that_the_server_ended_is_replaced(postgres_shop_url: str) -> None:
    store = Store(parse_database_url(postgres_shop_url))
    await store.ping()
    other = Store(parse_database_url(postgres_shop_url))
    async with other.begin() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await store.ping()
    await store.close()
    await other.close()


async def test_a_connection_that_ends_in_the_middle_is_unavailable(postgres_shop_url: str) -> None:
    store = Store(parse_database_url(postgres_shop_url))
    with pytest.raises(StoreUnavailable):
        async with store.begin() as session:
            await session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    await store.ping()
    await store.close()


async def test_a_database_without_tables_says_that_it_was_not_migrated(
    postgres_url: str, tmp_path: Path
) -> None:
    for url in (postgres_url, f"sqlite:///{tmp_path}/empty.db"):
        store = Store(parse_database_url(url))
        with pytest.raises(StoreUnavailable, match="has not been migrated"):
            await ProductService(store).list()
        await store.close()


async def test_the_store_is_closed_when_its_user_is_done(database_url: str) -> None:
    opened = open_store(Settings.model_validate({"database_url": database_url}))
    store = await anext(opened)
    await store.ping()
    with pytest.raises(StopAsyncIteration):
        await anext(opened)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("postgres://shop@db/shop", "postgresql+psycopg://shop@db/shop"),
        ("postgresql://shop@db/shop", "postgresql+psycopg://shop@db/shop"),
        (
            "postgresql+psycopg://db/shop?sslmode=require",
            "postgresql+psycopg://db/shop?sslmode=require",
        ),
        ("sqlite:////data/shop.db", "sqlite+aiosqlite:////data/shop.db"),
        ("sqlite+aiosqlite:////data/shop.db", "sqlite+aiosqlite:////data/shop.db"),
    ],
)
def test_a_database_url_gets_its_async_driver(
    written: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", written)
    assert Settings().database_url.get_secret_value() == meant


def test_the_default_is_a_file_under_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Settings().url.database == str(tmp_path / ".euryale" / "shop.db")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://shop:hunter2@db/shop", "begins with mysql://; known are postgres://"),
        ("shop:hunter2", "can't be parsed"),
        ("postgres://shop:hunter2@db:port/shop", "can't be parsed"),
        ("sqlite://", "in memory is lost"),
        ("sqlite:///:memory:", "in memory is lost"),
    ],
)
def test_an_invalid_database_url_is_refused_without_repeating_its_password(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ValueError, match=reason) as refused:
        Settings()
    assert "hunter2" not in str(refused.value) + repr(refused.value)


def test_settings_never_show_the_password() -> None:
    settings = Settings.model_validate({"database_url": "postgres://shop:hunter2@db/shop"})
    assert "hunter2" not in f"{settings!r}{settings}{settings.model_dump_json()}{settings.url!r}"
