"""What each product has sold: recalculated from the orders, with the way back in the table.

A row whose sums changed is not overwritten: it is soft-deleted under the recalculation's mark, and
another is made under the same mark. So what has to be kept beside the table, to take that back, is
a mark. Replaced rows are kept for thirty days.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from euryale import ChangedSince
from worker.services.order_sums import Sums, sums_of
from worker.services.rows import Row, table_of
from worker.store.tables import OrderLineItemRow, ProductRow, ProductSalesRow

_product = table_of(ProductRow)
_line = table_of(OrderLineItemRow)
_sales = table_of(ProductSalesRow)

KEPT = timedelta(days=30)
"""How long a replaced row is kept, so that the recalculation that replaced it can be taken back."""

_Key = tuple[str, str]


def products_with_sales() -> Select[Any]:
    """The products that were ordered, or have sales in the table; deleted ones, too."""
    ordered, told = (
        exists().where(table.c.product_id == _product.c.id, table.c.deleted_at.is_(None))
        for table in (_line, _sales)
    )
    return select(_product).where(or_(ordered, told))


def recalculate(connection: Connection, products: Sequence[str], mark: datetime) -> set[str]:
    """Bring the sales of some products up to date with the orders.

    Args:
        connection: The transaction. It sees the orders as of one moment. Of two recalculations at
            once the later one fails, and is tried again.
        products: Their ids.
        mark: The recalculation's own time, which its rows get as `calculated_at` and those that
            they replace as `deleted_at`: no other one has it.

    Returns:
        The products whose sales have changed.
    """
    found = sums_of(connection, products)
    theirs = _sales.c.product_id.in_(products)
    live = connection.execute(select(_sales).where(theirs, _sales.c.deleted_at.is_(None)))
    rows = {(row["product_id"], row["currency_code"]): row for row in live.mappings()}
    differing = _differing(found, rows)
    replaced = [rows[key]["id"] for key in differing if key in rows]
    if replaced:
        connection.execute(update(_sales).where(_sales.c.id.in_(replaced)).values(deleted_at=mark))
    made = [_values(key, found[key], mark) for key in sorted(differing & found.keys())]
    if made:
        dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
        # Where another one has made the same row since this transaction began, Postgres refuses
        # this statement for now, and not for good as it would without these words.
        connection.execute(dialect.insert(_sales).on_conflict_do_nothing(), made)
    connection.execute(delete(_sales).where(theirs, _sales.c.deleted_at < mark - KEPT))
    return {product for product, _ in differing}


def restore(connection: Connection, products: Collection[str], mark: datetime) -> set[str]:
    """Take a recalculation back: its rows go, and those that they replaced are as they were.

    Args:
        connection: The transaction.
        products: The ids of the products that it changed.
        mark: Its mark.

    Returns:
        The products that were left as they are, since another recalculation or somebody has changed
        their sales.

    Raises:
        ChangedSince: The rows that it replaced aren't kept any more.
    """
    if mark < datetime.now(UTC) - KEPT:
        raise ChangedSince(
            f"what was recalculated at {mark.isoformat()} can't be taken back: the rows that it "
            f"replaced were kept for {KEPT.days} days"
        )
    theirs = _sales.c.product_id.in_(products)
    touched = _keys(connection, theirs, _marked(mark))
    changed = _keys(connection, theirs, _changed_since(mark))
    of_others = and_(_sales.c.deleted_at.is_(None), _sales.c.calculated_at != mark)
    changed |= _keys(connection, theirs, of_others) & touched
    kept = tuple_(_sales.c.product_id, _sales.c.currency_code).not_in(sorted(changed))
    connection.execute(delete(_sales).where(theirs, _sales.c.calculated_at == mark, kept))
    connection.execute(
        update(_sales).where(theirs, _sales.c.deleted_at == mark, kept).values(deleted_at=None)
    )
    return {product for product, _ in changed}


def count_changed(connection: Connection, mark: datetime) -> int:
    """How many rows of `product_sales` a recalculation made, replaced or removed."""
    columns = (_sales.c.product_id, _sales.c.currency_code)
    rows = select(*columns).where(_marked(mark)).distinct().subquery()
    return connection.execute(select(func.count()).select_from(rows)).scalar_one()


def _differing(found: dict[_Key, Sums], rows: dict[_Key, Row]) -> set[_Key]:
    """Of which products and currencies the table says something else than the orders."""
    return {
        key
        for key in found.keys() | rows.keys()
        if key not in found or key not in rows or not found[key].matches(rows[key])
    }


def _values(key: _Key, sums: Sums, mark: datetime) -> dict[str, object]:
    product_id, currency_code = key
    return {
        "product_id": product_id,
        "currency_code": currency_code,
        **sums.values(),
        "calculated_at": mark,
        "created_at": mark,
        "updated_at": mark,
    }


def _marked(mark: datetime) -> ColumnElement[bool]:
    """Rows that the recalculation made, and those that it replaced."""
    return or_(_sales.c.calculated_at == mark, _sales.c.deleted_at == mark)


def _changed_since(mark: datetime) -> ColumnElement[bool]:
    """Rows that the recalculation made, and that are no longer as it made them."""
    return and_(
        _sales.c.calculated_at == mark,
        or_(_sales.c.deleted_at.is_not(None), _sales.c.updated_at != mark),
    )


def _keys(connection: Connection, *conditions: ColumnElement[bool]) -> set[_Key]:
    columns = (_sales.c.product_id, _sales.c.currency_code)
    return {
        (product, code) for product, code in connection.execute(select(*columns).where(*conditions))
    }
