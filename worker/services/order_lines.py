"""The orders of a time as flat rows, one for each item, read page by page."""

from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from worker.services.rows import table_of
from worker.store.tables import OrderItemRow, OrderLineItemRow, OrderRow
from worker.store.types import Money

_order = table_of(OrderRow)
_item = table_of(OrderItemRow)
_line = table_of(OrderLineItemRow)

ORDERS_A_PAGE = 2_000
"""Orders read at a time: what is in memory, however many a day has."""

_PLACES = Decimal("1e-9")
_CONTEXT = Context(prec=38)

OrderLine = dict[str, Any]
"""A row: the order's columns, and its item's, which are None where an order has none."""


async def count_orders(session: AsyncSession, begin: datetime, end: datetime) -> int:
    """How many orders were made from `begin` until before `end`; drafts are none yet."""
    statement = select(func.count()).select_from(_order).where(_made_in(begin, end))
    return await session.scalar(statement) or 0


async def order_lines(
    session: AsyncSession, begin: datetime, end: datetime, *, page: int = ORDERS_A_PAGE
) -> AsyncIterator[list[OrderLine]]:
    """The items of the orders made from `begin` until before `end`, in the order of their making.

    Canceled orders are among them, and say so. Each order is as its present version has it.

    Args:
        session: Where to read.
        begin: The first moment.
        end: The first moment that doesn't count any more.
        page: How many orders are read at a time.
    """
    last: tuple[datetime, str] | None = None
    while True:
        rows = (await session.execute(_page(begin, end, last, page))).mappings().all()
        if not rows:
            return
        yield [_exact(dict(row)) for row in rows]
        last = rows[-1]["created_at"], rows[-1]["order_id"]


def _made_in(begin: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(
        _order.c.created_at >= begin,
        _order.c.created_at < end,
        _order.c.deleted_at.is_(None),
        _order.c.is_draft_order.is_(False),
    )


def _page(
    begin: datetime, end: datetime, last: tuple[datetime, str] | None, take: int
) -> Select[Any]:
    orders = select(_order).where(_made_in(begin, end))
    if last is not None:
        made_at, order_id = last
        orders = orders.where(
            or_(
                _order.c.created_at > made_at,
                and_(_order.c.created_at == made_at, _order.c.id > order_id),
            )
        )
    of = orders.order_by(_order.c.created_at, _order.c.id).limit(take).subquery()
    price: ColumnElement[Decimal] = func.coalesce(
        _item.c.unit_price, _line.c.unit_price, type_=Money()
    )
    items = and_(
        _item.c.order_id == of.c.id,
        _item.c.version == of.c.version,
        _item.c.deleted_at.is_(None),
    )
    return (
        select(
            of.c.id.label("order_id"),
            of.c.display_id,
            of.c.status,
            of.c.created_at,
            of.c.canceled_at,
            of.c.customer_id,
            of.c.email,
            of.c.currency_code,
            _line.c.id.label("item_id"),
            _line.c.product_id,
            _line.c.variant_id,
            _line.c.variant_sku.label("sku"),
            _line.c.product_title,
            _line.c.title,
            _item.c.quantity,
            price.label("unit_price"),
        )
        .select_from(of.outerjoin(_item, items).outerjoin(_line, _line.c.id == _item.c.item_id))
        .order_by(of.c.created_at, of.c.id, _item.c.id)
    )


def _exact(line: OrderLine) -> OrderLine:
    """The row with its amounts at nine decimals, and their product."""
    quantity, price = line["quantity"], line["unit_price"]
    total = None if quantity is None or price is None else _CONTEXT.multiply(quantity, price)
    amounts = {"quantity": quantity, "unit_price": price, "total": total}
    return line | {
        name: None if value is None else value.quantize(_PLACES, context=_CONTEXT)
        for name, value in amounts.items()
    }
