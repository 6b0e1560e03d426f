"""Orders for tests, written into the store as a shop leaves them."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, update

from worker.services.rows import table_of
from worker.store import Store
from worker.store.tables import OrderItemRow, OrderLineItemRow, OrderRow

order, item, line = table_of(OrderRow), table_of(OrderItemRow), table_of(OrderLineItemRow)


async def add_order(
    store: Store,
    order_id: str,
    made_at: datetime,
    *items: tuple[str, str, str],
    currency_code: str = "eur",
    **values: Any,
) -> None:
    """Add an order of items, each a product, a quantity and a unit price."""
    times = {"created_at": made_at, "updated_at": made_at}
    row = {"id": order_id, "display_id": 1, "currency_code": currency_code, **times, **values}
    async with store.begin() as session:
        await session.execute(insert(order).values(row))
        for number, (product_id, quantity, price) in enumerate(items, 1):
            line_id = f"ordli_{order_id}_{number}"
            await session.execute(
                insert(line).values(
                    id=line_id,
                    title=product_id.title(),
                    product_id=product_id,
                    unit_price=Decimal(price),
                    raw_unit_price={"value": price},
                    **times,
                )
            )
            await session.execute(
                insert(item).values(
                    id=f"orditem_{order_id}_{number}",
                    order_id=order_id,
                    item_id=line_id,
                    version=1,
                    quantity=Decimal(quantity),
                    raw_quantity={"value": quantity},
                    **times,
                )
            )


async def change_order(store: Store, order_id: str, **values: Any) -> None:
    async with store.begin() as session:
        await session.execute(update(order).where(order.c.id == order_id).values(values))


async def add_version(store: Store, order_id: str, *, quantity: str, price: str | None) -> None:
    """Change an order as Medusa does: a second version with other rows for the same items."""
    async with store.begin() as session:
        await session.execute(update(order).where(order.c.id == order_id).values(version=2))
        await session.execute(
            insert(item).values(
                id=f"orditem_{order_id}_changed",
                order_id=order_id,
                item_id=f"ordli_{order_id}_1",
                version=2,
                quantity=Decimal(quantity),
                raw_quantity={"value": quantity},
                unit_price=None if price is None else Decimal(price),
            )
        )
