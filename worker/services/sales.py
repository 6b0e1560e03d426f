"""What each product has sold: recalculated from the orders, with the way back in the table."""

from datetime import UTC, datetime, timedelta
from itertools import islice

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from euryale import ChangedSince, mutation, read
from worker.services.order_sums import Sums, product_ids, sums_of
from worker.services.rows import Row, live_rows, table_of
from worker.store import Store
from worker.store.tables import ProductSalesRow

_sales = table_of(ProductSalesRow)

KEPT = timedelta(days=30)
"""How long a replaced row is kept, so that the recalculation that replaced it can be taken back."""

_NAMED = 5
"""How many products a sentence about changed ones names."""

_Key = tuple[str, str]


class SalesBatch(BaseModel):
    """A part of the products, in the order of their ids.

    Attributes:
        mark: The recalculation's own time, which its rows get as `calculated_at` and those that
            they replace as `deleted_at`: the same over all attempts, and no other recalculation's.
        after: The product after which the batch begins; None for the first batch.
        take: How many products at most.
    """

    model_config = ConfigDict(frozen=True)

    mark: AwareDatetime
    after: str | None = None
    take: int = 500


class SalesBatchResult(BaseModel):
    """What became of a batch.

    Attributes:
        until: Its last product; None where there was none.
        products: How many products it had.
        changed: How many of their rows were made, replaced or removed.
    """

    model_config = ConfigDict(frozen=True)

    until: str | None
    products: int
    changed: int


class SalesService:
    """Brings `product_sales` up to date with the orders, and takes that back.

    A row whose sums changed is not overwritten: it is soft-deleted under the recalculation's mark,
    and another is made under the same mark. So the way back lies in the table, however many
    products there are, and a history holds a mark instead of rows. Replaced rows are kept for
    thirty days.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @read
    async def preview(self, batch: SalesBatch) -> SalesBatchResult:
        """What `recalculate` would do."""
        async with self._store.session() as session:
            products, found, rows = await self._read(session, batch)
        return _result(products, len(_differing(found, rows)))

    @mutation(undo="restore", words="recalculate the sales of {} batch(es) of products")
    async def recalculate(self, batch: SalesBatch) -> SalesBatchResult:
        """Bring the sales of a batch of products up to date, in one transaction.

        Doing it twice is harmless: a second attempt knows what the first one did by its mark.
        """
        async with self._store.begin() as session:
            await self._lock(session)
            products, found, rows = await self._read(session, batch)
            differing = _differing(found, rows)
            mine = {key for key in differing if _is_of(rows.get(key), batch)}
            await _remove(session, [rows[key]["id"] for key in mine])
            replaced = [rows[key]["id"] for key in differing - mine if key in rows]
            await session.execute(
                update(_sales).where(_sales.c.id.in_(replaced)).values(deleted_at=batch.mark)
            )
            made = [_values(key, found[key], batch) for key in sorted(differing & found.keys())]
            if made:
                await session.execute(insert(_sales), made)
            if not products:
                return _result(products, 0)
            within = _within(batch.after, products[-1])
            await session.execute(
                delete(_sales).where(within, _sales.c.deleted_at < batch.mark - KEPT)
            )
            changed = await _keys(session, within, _marked(batch))
        return _result(products, len(changed))

    @mutation
    async def restore(self, batch: SalesBatch, until: str | None = None) -> None:
        """Take a recalculation back: its rows go, and those that they replaced are as they were.

        Doing it twice is harmless. A product of which another recalculation, or somebody, has
        changed the sales since is left as it is.

        Args:
            batch: What `recalculate` was given.
            until: The last product; by default all after the batch's beginning that bear its mark.

        Raises:
            ChangedSince: Products were left as they are; all others are restored. Or the
                recalculation is too old, and nothing is.
        """
        if batch.mark < datetime.now(UTC) - KEPT:
            raise ChangedSince(
                f"what was recalculated at {batch.mark.isoformat()} can't be taken back: the rows "
                f"that it replaced were kept for {KEPT.days} days"
            )
        within = _within(batch.after, until)
        async with self._store.begin() as session:
            await self._lock(session)
            touched = await _keys(session, within, _marked(batch))
            changed = await _keys(session, within, _changed_since(batch)) & touched
            live = await _keys(session, within, _sales.c.deleted_at.is_(None), _not_of(batch))
            changed |= live & touched
            kept = tuple_(_sales.c.product_id, _sales.c.currency_code).not_in(sorted(changed))
            await session.execute(
                delete(_sales).where(within, _sales.c.calculated_at == batch.mark, kept)
            )
            await session.execute(
                update(_sales)
                .where(within, _sales.c.deleted_at == batch.mark, kept)
                .values(deleted_at=None)
            )
        if changed:
            products = sorted({product for product, _ in changed})
            named = ", ".join(islice(products, _NAMED))
            more = f" and {len(products) - _NAMED} more" if len(products) > _NAMED else ""
            raise ChangedSince(
                f"the sales of {named}{more} were changed after {batch.mark.isoformat()}; they "
                "were left as they are, and `recalculate-aggregates` brings them up to date"
            )

    async def _lock(self, session: AsyncSession) -> None:
        """Let no other recalculation in between, and see all orders as of one moment."""
        if self._store.dialect == "postgresql":
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            # Two at once would make two live rows of one product. Readers don't wait. The lock
            # comes before the first read: what is read is as of then.
            await session.execute(text("LOCK TABLE product_sales IN SHARE ROW EXCLUSIVE MODE"))

    async def _read(
        self, session: AsyncSession, batch: SalesBatch
    ) -> tuple[list[str], dict[_Key, Sums], dict[_Key, Row]]:
        """The batch's products, what the orders say of them, and what the table does."""
        products = await product_ids(session, after=batch.after, take=batch.take)
        found = await sums_of(session, products)
        rows = await live_rows(session, _sales, _sales.c.product_id.in_(products))
        return products, found, {(row["product_id"], row["currency_code"]): row for row in rows}


def _differing(found: dict[_Key, Sums], rows: dict[_Key, Row]) -> set[_Key]:
    """Of which products and currencies the table says something else than the orders."""
    return {
        key
        for key in found.keys() | rows.keys()
        if key not in found or key not in rows or not found[key].matches(rows[key])
    }


def _is_of(row: Row | None, batch: SalesBatch) -> bool:
    """Whether an earlier attempt of the same recalculation made the row."""
    return row is not None and row["calculated_at"] == batch.mark


async def _remove(session: AsyncSession, ids: list[str]) -> None:
    await session.execute(delete(_sales).where(_sales.c.id.in_(ids)))


def _values(key: _Key, sums: Sums, batch: SalesBatch) -> dict[str, object]:
    product_id, currency_code = key
    return {
        "product_id": product_id,
        "currency_code": currency_code,
        **sums.values(),
        "calculated_at": batch.mark,
        "created_at": batch.mark,
        "updated_at": batch.mark,
    }


def _result(products: list[str], changed: int) -> SalesBatchResult:
    until = products[-1] if products else None
    return SalesBatchResult(until=until, products=len(products), changed=changed)


def _within(after: str | None, until: str | None) -> ColumnElement[bool]:
    return and_(
        _sales.c.product_id > (after or ""),
        *(() if until is None else (_sales.c.product_id <= until,)),
    )


def _marked(batch: SalesBatch) -> ColumnElement[bool]:
    """Rows that the recalculation made, and those that it replaced."""
    return or_(_sales.c.calculated_at == batch.mark, _sales.c.deleted_at == batch.mark)


def _not_of(batch: SalesBatch) -> ColumnElement[bool]:
    return _sales.c.calculated_at != batch.mark


def _changed_since(batch: SalesBatch) -> ColumnElement[bool]:
    """Rows that the recalculation made, and that are no longer as it made them."""
    return and_(
        _sales.c.calculated_at == batch.mark,
        or_(_sales.c.deleted_at.is_not(None), _sales.c.updated_at != batch.mark),
    )


async def _keys(session: AsyncSession, *conditions: ColumnElement[bool]) -> set[_Key]:
    columns = (_sales.c.product_id, _sales.c.currency_code)
    return {
        (product_id, currency_code)
        for product_id, currency_code in await session.execute(select(*columns).where(*conditions))
    }
