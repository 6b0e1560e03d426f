"""The few numbers that tell what a run changed in the shop."""

from sqlalchemy import func, select

from worker.services.rows import table_of
from worker.store import Store
from worker.store.tables import (
    CartLineItemRow,
    CartRow,
    NotificationRow,
    ProductRow,
    ProductSalesRow,
)

_product, _cart, _item = table_of(ProductRow), table_of(CartRow), table_of(CartLineItemRow)
_sales, _notification = table_of(ProductSalesRow), table_of(NotificationRow)

_COUNTS = {
    "draft products": (_product, _product.c.status == "draft"),
    "published products": (_product, _product.c.status == "published"),
    "carts": (_cart, None),
    "cart items": (_item, None),
    "product sales": (_sales, None),
    "mails sent": (_notification, _notification.c.status == "success"),
}


async def figures(store: Store) -> dict[str, int]:
    """Count what a reader of the shop looks at before and after a run: live rows only."""
    found: dict[str, int] = {}
    async with store.session() as session:
        for name, (table, condition) in _COUNTS.items():
            statement = select(func.count()).select_from(table).where(table.c.deleted_at.is_(None))
            if condition is not None:
                statement = statement.where(condition)
            found[name] = await session.scalar(statement) or 0
    return found
