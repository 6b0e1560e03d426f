"""What the orders say that products have sold, computed exactly.

Orders that were canceled or are drafts don't count. What was returned does, as it was ordered.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, func, select

from worker.services.rows import Row, table_of
from worker.store.tables import OrderItemRow, OrderLineItemRow, OrderRow
from worker.store.types import Money

_order = table_of(OrderRow)
_item = table_of(OrderItemRow)
_line = table_of(OrderLineItemRow)

_PRECISION = 20
"""The precision that Medusa writes beside an exact amount."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What one product has sold in one currency."""

    quantity: Decimal
    revenue: Decimal
    orders: int
    first_order_at: datetime
    last_order_at: datetime

    def values(self) -> dict[str, Any]:
        """The sums as the columns of `product_sales`."""
        return {
            "quantity": self.quantity,
            "revenue": self.revenue,
            "raw_revenue": {"value": str(self.revenue), "precision": _PRECISION},
            "orders": self.orders,
            "first_order_at": self.first_order_at,
            "last_order_at": self.last_order_at,
        }

    def matches(self, row: Row) -> bool:
        """Whether a row of `product_sales` says the same; its exact revenue counts."""
        revenue = Decimal(row["raw_revenue"]["value"])
        rest = ("quantity", "orders", "first_order_at", "last_order_at")
        return revenue == self.revenue and all(row[name] == getattr(self, name) for name in rest)


def sums_of(connection: Connection, products: Sequence[str]) -> dict[tuple[str, str], Sums]:
    """The sums of each of the products by product and currency; none where nothing was sold."""
    if not products:
        return {}
    price: ColumnElement[Decimal] = func.coalesce(
        _item.c.unit_price, _line.c.unit_price, type_=Money()
    )
    key = (_line.c.product_id, _order.c.currency_code)
    counted = _counted(products)
    # By price, and multiplied here: SQLite would multiply and add in binary fractions, and the
    # revenue of 3 x 0.1 would differ from itself on another day.
    amounts = (
        select(*key, price.label("price"), func.sum(_item.c.quantity, type_=Money()))
        .select_from(_sold)
        .where(counted)
        .group_by(*key, price)
    )
    quantities: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    revenues: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for product_id, currency_code, unit_price, quantity in connection.execute(amounts):
        quantities[product_id, currency_code] += quantity
        revenues[product_id, currency_code] += quantity * unit_price
    created_at = _order.c.created_at
    counts = (
        select(*key, func.count(_order.c.id.distinct()), func.min(created_at), func.max(created_at))
        .select_from(_sold)
        .where(counted)
        .group_by(*key)
    )
    return {
        (product_id, currency_code): Sums(
            quantity=quantities[product_id, currency_code],
            revenue=revenues[product_id, currency_code],
            orders=orders,
            first_order_at=first,
            last_order_at=last,
        )
        for product_id, currency_code, orders, first, last in connection.execute(counts)
    }


_sold: FromClause = _line.join(_item, _item.c.item_id == _line.c.id).join(
    _order,
    # An order that was changed has items of several versions: only its present ones count.
    and_(_order.c.id == _item.c.order_id, _order.c.version == _item.c.version),
)


def _counted(products: Sequence[str]) -> ColumnElement[bool]:
    return and_(
        _line.c.product_id.in_(products),
        *(table.c.deleted_at.is_(None) for table in (_line, _item, _order)),
        _order.c.canceled_at.is_(None),
        _order.c.is_draft_order.is_(False),
    )
