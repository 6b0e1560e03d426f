"""Updates of many products at once: each call has its own end, its own undo and its own key."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from euryale import BulkCall
from worker.services import Product, ProductNotFound, ProductService, ProductStatus
from worker.services.rows import table_of
from worker.store import Store, StoreRefused
from worker.store.tables import ProductRow, UndoLogRow

product, undo_log = table_of(ProductRow), table_of(UndoLogRow)


@pytest.fixture
async def service(store: Store) -> ProductService:
    rows = [{"id": f"prod_{n}", "title": f"Cap {n}", "handle": f"cap-{n}"} for n in range(4)]
    async with store.begin() as session:
        await session.execute(insert(product), rows)
        await session.execute(
            update(product).where(product.c.id == "prod_3").values(deleted_at=datetime.now(UTC))
        )
    return ProductService(store)


def call(number: int, key: str = "", **changes: Any) -> BulkCall:
    return BulkCall({"product_id": f"prod_{number}", **changes}, key or f"run/{number}", 1)


def told(ends: Any) -> list[Any]:
    return [
        (end.id, end.title, end.status.value) if isinstance(end, Product) else type(end).__name__
        for end in ends
    ]


async def kept(store: Store) -> int:
    async with store.session() as session:
        return await session.scalar(select(func.count()).select_from(undo_log)) or 0


async def test_each_call_ends_by_itself(store: Store, service: ProductService) -> None:
    calls = [
        call(0, status=ProductStatus.PUBLISHED),
        call(3, title="deleted"),
        call(9, title="unknown"),
        call(1, titel="no field"),
        call(2, key="run/bad", status="archived"),
        call(2, title="Hat", weight=1.1),
        call(1, key="run/empty"),
    ]
    ends = await service.update_many(calls)
    assert told(ends) == [
        ("prod_0", "Cap 0", "published"),
        "ProductNotFound",
        "ProductNotFound",
        "TypeError",
        "ValueError",
        ("prod_2", "Hat", "draft"),
        ("prod_1", "Cap 1", "draft"),
    ]
    assert isinstance(ends[1], ProductNotFound)
    assert "'prod_3'" in str(ends[1])
    assert [each.undo is not None for each in calls] == [True, *[False] * 4, True, False]
    assert calls[0].undo.before == {"status": "draft"}
    assert calls[5].undo.before == {"title": "Cap 2", "weight": None}
    assert await kept(store) == 2
    assert [each.title for each in await service.list()] == ["Cap 0", "Cap 1", "Hat"]


async def test_a_call_that_is_made_again_changes_nothing_and_records_the_same(
    store: Store, service: ProductService
) -> None:
    first = call(0, title="Hat")
    await service.update_many([first])
    await service.update("prod_0", title="A later title")
    again, new = call(0, title="Hat"), call(1, title="Scarf")
    ends = await service.update_many([again, new])
    assert told(ends) == [("prod_0", "A later title", "draft"), ("prod_1", "Scarf", "draft")]
    assert again.undo == first.undo
    assert await kept(store) == 2


async def test_changes_of_one_product_come_one_after_the_other(service: ProductService) -> None:
    calls = [call(0, key=f"run/{title}", title=title) for title in ("Hat", "Scarf", "Shoe")]
    ends = await service.update_many([*calls, call(1, title="Glove")])
    assert [end[1] for end in told(ends)] == ["Hat", "Scarf", "Shoe", "Glove"]
    assert [each.undo.before["title"] for each in calls] == ["Cap 0", "Hat", "Scarf"]
    for each in reversed(calls):
        await service.take_back("prod_0", each.undo)
    assert (await service.retrieve("prod_0")).title == "Cap 0"


async def test_what_the_store_refuses_of_one_leaves_nothing_of_all(
    store: Store, service: ProductService
) -> None:
    with pytest.raises(StoreRefused):
        await service.update_many([call(0, title="Hat"), call(1, handle="cap-2")])
    assert (await service.retrieve("prod_0")).title == "Cap 0"
    assert await kept(store) == 0


async def test_outside_of_a_call_nothing_is_kept(store: Store, service: ProductService) -> None:
    for title in ("Hat", "Scarf"):
        assert (await service.update("prod_0", title=title)).title == title
    assert await kept(store) == 0
