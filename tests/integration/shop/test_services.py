import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import Table, insert, select, update

from euryale.services.service import method_mark
from worker.services import (
    Cart,
    CartNotFound,
    CartService,
    CustomerNotFound,
    CustomerService,
    Product,
    ProductChanges,
    ProductNotFound,
    ProductService,
    ProductStatus,
    QueryService,
)
from worker.services.rows import table_of
from worker.settings import parse_database_url
from worker.store import Store, StoreRefused
from worker.store.tables import CartLineItemRow, CartRow, CustomerRow, ProductRow

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
MARK = datetime(2026, 2, 1, 12, 30, 0, 123456, tzinfo=UTC)
OTHER_MARK = MARK + timedelta(microseconds=1)

CARTS = ["cart_1", "cart_2", "cart_3"]


@pytest.fixture
async def shop(store: Store) -> Store:
    """Four products, three carts with two items each, two customers; untouched for long."""
    states: list[dict[str, Any]] = [
        {"status": "draft"},
        {"status": "draft", "metadata": {"season": "spring"}},
        {"status": "published"},
        {"status": "draft", "deleted_at": LONG_AGO},
    ]
    products = [
        {"id": f"prod_{number}", "title": f"Cap {number}", "handle": f"cap-{number}", **values}
        for number, values in enumerate(states, start=1)
    ]
    carts = [{"id": cart_id, "currency_code": "eur", "customer_id": "cus_1"} for cart_id in CARTS]
    items = [
        {
            "id": f"cali_{cart_id[-1]}{letter}",
            "cart_id": cart_id,
            "title": "Cap",
            "quantity": 2,
            "unit_price": Decimal("12.95"),
            "raw_unit_price": {"value": "12.95", "precision": 20},
        }
        for cart_id in CARTS
        for letter in "ab"
    ]
    customers = [{"id": f"cus_{n}", "email": f"{n}@example.com"} for n in (1, 2)]
    times = {"created_at": LONG_AGO, "updated_at": LONG_AGO}
    async with store.begin() as session:
        for row_class, rows in (
            (ProductRow, products),
            (CustomerRow, customers),
            (CartRow, carts),
            (CartLineItemRow, items),
        ):
            for row in rows:
                await session.execute(insert(row_class).values(**row, **times))
    return store


async def rows(store: Store, table: Table) -> dict[str, dict[str, Any]]:
    async with store.session() as session:
        found = (await session.execute(select(table))).mappings().all()
    return {row["id"]: dict(row) for row in found}


async def live_items(store: Store) -> list[str]:
    items = await rows(store, table_of(CartLineItemRow))
    return sorted(id_ for id_, item in items.items() if item["deleted_at"] is None)


async def test_products_are_listed_by_id_and_deleted_ones_are_not(shop: Store) -> None:
    assert [product.id for product in await ProductService(shop).list()] == [
        "prod_1",
        "prod_2",
        "prod_3",
    ]


async def test_products_are_listed_by_status_written_as_a_word_or_as_the_enum(shop: Store) -> None:
    service: Any = ProductService(shop)
    for status in ("draft", ProductStatus.DRAFT):
        assert [each.id for each in await service.list(status=status)] == ["prod_1", "prod_2"]


async def test_products_are_listed_by_ids_and_page(shop: Store) -> None:
    service = ProductService(shop)
    found = await service.list(ids=["prod_3", "prod_1", "prod_4", "prod_9"])
    assert [product.id for product in found] == ["prod_1", "prod_3"]
    assert [product.id for product in await service.list(skip=1, take=1)] == ["prod_2"]
    assert [product.id for product in await service.list(skip=2)] == ["prod_3"]
    assert await service.list(take=0) == []
    assert await service.list(ids=[]) == []


async def test_a_negative_page_is_refused(shop: Store) -> None:
    with pytest.raises(ValueError, match="count rows"):
        await ProductService(shop).list(skip=-1)


async def test_a_status_that_does_not_exist_is_refused_before_the_database(shop: Store) -> None:
    service: Any = ProductService(shop)
    with pytest.raises(ValueError, match="archived"):
        await service.list(status="archived")
    with pytest.raises(ValueError, match="archived"):
        await service.update("prod_1", status="archived")


async def test_an_update_changes_what_is_given_and_nothing_else(shop: Store) -> None:
    service = ProductService(shop)
    before = await service.retrieve("prod_2")
    after = await service.update("prod_2", status=ProductStatus.PUBLISHED)
    assert after.updated_at - datetime.now(UTC) < timedelta(minutes=1)
    assert after == before.model_copy(
        update={"status": ProductStatus.PUBLISHED, "updated_at": after.updated_at}
    )
    assert await service.retrieve("prod_2") == after
    assert (await service.retrieve("prod_1")).updated_at == LONG_AGO


async def test_an_update_tells_none_from_not_given(shop: Store) -> None:
    service = ProductService(shop)
    await service.update("prod_2", subtitle="For the sun", weight=1.5)
    assert (await service.update("prod_2", title="Hat")).subtitle == "For the sun"
    emptied = await service.update("prod_2", subtitle=None, metadata=None)
    assert (emptied.subtitle, emptied.metadata, emptied.weight) == (None, None, 1.5)


async def test_an_update_of_nothing_touches_nothing(shop: Store) -> None:
    assert (await ProductService(shop).update("prod_1")).updated_at == LONG_AGO


async def test_every_field_of_an_update_is_a_field_of_the_product() -> None:
    changes = set(ProductChanges.__annotations__)
    assert changes == set(Product.model_fields) - {"id", "created_at", "updated_at", "deleted_at"}
    assert changes < set(table_of(ProductRow).c.keys()) | {"metadata"}


@pytest.mark.parametrize("product_id", ["prod_9", "prod_4", "", "' OR 1=1 --"])
async def test_an_unknown_or_deleted_product_is_named(shop: Store, product_id: str) -> None:
    service = ProductService(shop)
    with pytest.raises(ProductNotFound) as unknown:
        await service.retrieve(product_id)
    assert repr(product_id) in str(unknown.value)
    with pytest.raises(ProductNotFound):
        await service.update(product_id, title="Hat")


async def test_an_unknown_field_of_an_update_is_refused_with_the_nearest(shop: Store) -> None:
    service: Any = ProductService(shop)
    with pytest.raises(TypeError, match="no field 'titel': did you mean 'title'"):
        await service.update("prod_1", titel="Hat")


async def test_a_handle_that_another_product_has_is_refused_for_good(shop: Store) -> None:
    with pytest.raises(StoreRefused):
        await ProductService(shop).update("prod_1", handle="cap-2")


async def test_a_cart_comes_with_its_items(shop: Store) -> None:
    cart = await CartService(shop).retrieve("cart_2")
    assert [item.id for item in cart.items] == ["cali_2a", "cali_2b"]
    assert cart.items[0].unit_price == Decimal("12.95")
    assert cart.items[0].raw_unit_price == {"value": "12.95", "precision": 20}


async def test_carts_are_listed_with_their_items(shop: Store) -> None:
    service = CartService(shop)
    assert [len(cart.items) for cart in await service.list()] == [2, 2, 2]
    assert [cart.id for cart in await service.list(skip=1, take=1)] == ["cart_2"]
    assert len(await service.list(customer_id="cus_1")) == 3
    assert await service.list(customer_id="cus_2") == []
    assert await service.list(updated_before=LONG_AGO) == []
    assert len(await service.list(updated_before=LONG_AGO + timedelta(microseconds=1))) == 3


async def test_deleting_carts_takes_their_items_along(shop: Store) -> None:
    service = CartService(shop)
    deleted = await service.delete(["cart_3", "cart_1", "cart_9"], deleted_at=MARK)
    assert deleted == ["cart_1", "cart_3"]
    assert [cart.id for cart in await service.list()] == ["cart_2"]
    assert await live_items(shop) == ["cali_2a", "cali_2b"]
    with pytest.raises(CartNotFound, match="'cart_1'"):
        await service.retrieve("cart_1")
    assert (await rows(shop, table_of(CartRow)))["cart_1"]["deleted_at"] == MARK


async def test_a_repeated_deletion_reports_what_its_first_attempt_deleted(shop: Store) -> None:
    service = CartService(shop)
    await service.delete(["cart_2"], deleted_at=OTHER_MARK)
    first = await service.delete(CARTS, deleted_at=MARK)
    assert first == ["cart_1", "cart_3"]
    assert await service.delete(CARTS, deleted_at=MARK) == first


async def test_deletions_of_the_same_carts_at_once_share_them_out(shop: Store) -> None:
    service = CartService(shop)
    one, other = await asyncio.gather(
        service.delete(CARTS, deleted_at=MARK), service.delete(CARTS, deleted_at=OTHER_MARK)
    )
    assert sorted(one + other) == CARTS


async def test_restoring_brings_carts_and_items_back_exactly_as_they_were(shop: Store) -> None:
    service = CartService(shop)
    before = await service.list()
    deleted = await service.delete(CARTS, deleted_at=MARK)
    for _ in range(2):
        assert await service.restore(deleted, deleted_at=MARK) == CARTS
        assert await service.list() == before


async def test_restoring_leaves_what_somebody_else_deleted(shop: Store) -> None:
    service = CartService(shop)
    item = table_of(CartLineItemRow)
    async with shop.begin() as session:
        await session.execute(
            update(item).where(item.c.id == "cali_1a").values(deleted_at=OTHER_MARK)
        )
    await service.delete(["cart_2"], deleted_at=OTHER_MARK)
    await service.delete(CARTS, deleted_at=MARK)
    assert await service.restore(CARTS, deleted_at=MARK) == ["cart_1", "cart_3"]
    assert await live_items(shop) == ["cali_1b", "cali_3a", "cali_3b"]


async def test_restoring_without_a_mark_restores_whoever_deleted(shop: Store) -> None:
    service = CartService(shop)
    await service.delete(["cart_1"], deleted_at=MARK)
    await service.delete(["cart_2"], deleted_at=OTHER_MARK)
    assert await service.restore(["cart_1", "cart_2"]) == ["cart_1", "cart_2"]
    assert len(await live_items(shop)) == 6


async def test_more_carts_than_one_statement_takes_are_deleted(sqlite_url: str) -> None:
    store = Store(parse_database_url(sqlite_url))
    async with store.begin() as session:
        await session.execute(insert(CartRow).values(id="cart_1", currency_code="eur"))
    many = [*(f"cart_x{number}" for number in range(33_000)), "cart_1"]
    assert await CartService(store).delete(many, deleted_at=MARK) == ["cart_1"]
    assert await CartService(store).restore(many, deleted_at=MARK) == ["cart_1"]
    await store.close()


async def test_customers_are_listed_and_found(shop: Store) -> None:
    service = CustomerService(shop)
    assert [customer.id for customer in await service.list()] == ["cus_1", "cus_2"]
    assert [each.id for each in await service.list(email="2@example.com")] == ["cus_2"]
    assert (await service.retrieve("cus_1")).email == "1@example.com"
    with pytest.raises(CustomerNotFound, match="'cus_9'"):
        await service.retrieve("cus_9")


async def test_results_survive_the_way_over_json(shop: Store) -> None:
    carts = await CartService(shop).list()
    adapter = TypeAdapter(list[Cart])
    assert adapter.validate_json(adapter.dump_json(carts)) == carts


def test_every_public_method_says_what_it_is() -> None:
    marks = {
        f"{service.__name__}.{name}": method_mark(method).kind
        for service in (ProductService, CartService, CustomerService, QueryService)
        for name, method in vars(service).items()
        if not name.startswith("_")
    }
    mutations = {name for name, kind in marks.items() if kind == "mutation"}
    assert mutations == {
        "ProductService.update",
        "ProductService.update_many",
        "ProductService.take_back",
        "CartService.delete",
        "CartService.restore",
    }
