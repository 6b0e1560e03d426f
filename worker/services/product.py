"""Products, as Medusa's product service has them."""

from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

from pydantic import BaseModel
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from euryale import ChangedSince, mutation, read
from worker.services.entities import Product, ProductChanges, ProductStatus
from worker.services.errors import ProductNotFound, known_names
from worker.services.rows import Conditions, Row, live_rows, table_of
from worker.services.undo_log import found_before, keep
from worker.store import Store
from worker.store.tables import ProductRow

_product = table_of(ProductRow)


class ProductUpdate(BaseModel):
    """What one update of a product changed: its fields before and after."""

    before: dict[str, Any]
    after: dict[str, Any]


class ProductService:
    """Lists, finds and updates products."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @read
    async def retrieve(self, product_id: str) -> Product:
        """One product.

        Raises:
            ProductNotFound: There is none of that id, or it was deleted.
        """
        async with self._store.session() as session:
            rows = await live_rows(session, _product, _product.c.id == product_id)
        if not rows:
            raise ProductNotFound(f"no product has the id {product_id!r}")
        return Product.model_validate(dict(rows[0]))

    # One row is quick. A worker that died in the middle is noticed after this time.
    @mutation(undo="take_back", timeout=timedelta(seconds=5))
    async def update(self, product_id: str, **changes: Unpack[ProductChanges]) -> Product:
        """Change the given fields of one product, and no others; doing it twice is harmless.

        Raises:
            ProductNotFound: There is none of that id, or it was deleted.
            TypeError: A field is not one that can be changed.
            ValueError: A value is not one that its field takes.
        """
        known = list(ProductChanges.__annotations__)
        for field in changes:
            if field not in known:
                raise TypeError(f"a product has no field {field!r}: {known_names(field, known)}")
        if not changes:
            return await self.retrieve(product_id)
        values = dict(changes)
        if "status" in changes:
            values["status"] = ProductStatus(changes["status"]).value
        async with self._store.begin() as session:
            row = await _locked(session, product_id)
            if await found_before(session, ProductUpdate) is None:
                before = {field: row[field] for field in values}
                row = await _changed(session, product_id, values)
                # As they are stored: a number may lose digits on the way.
                after = {field: row[field] for field in values}
                await keep(session, ProductUpdate(before=before, after=after))
        return Product.model_validate(dict(row))

    @mutation(timeout=timedelta(seconds=5))
    async def take_back(self, product_id: str, undo: ProductUpdate) -> None:
        """Give the fields that one update changed their earlier values back.

        A field that somebody changed since stays as it is. `updated_at` becomes the present: it
        tells others, such as a sync, that the product changed again. Doing it twice is harmless.

        Raises:
            ChangedSince: A field was changed since, or the product was deleted; the other fields
                are given back all the same.
        """
        async with self._store.begin() as session:
            try:
                now = await _locked(session, product_id)
            except ProductNotFound:
                raise ChangedSince(f"the product {product_id!r} was deleted") from None
            mine = {
                field: value
                for field, value in undo.before.items()
                if now[field] == undo.after[field] != value
            }
            if mine:
                await _changed(session, product_id, mine)
        changed = [
            f"{field} is {now[field]!r} now"
            for field, value in undo.before.items()
            if now[field] not in (value, undo.after[field])
        ]
        if changed:
            raise ChangedSince(f"of the product {product_id!r}, {', '.join(changed)}")

    # The last method: inside the class, its name hides the type in the annotations that follow.
    @read
    async def list(
        self,
        *,
        ids: list[str] | None = None,
        status: ProductStatus | None = None,
        skip: int = 0,
        take: int | None = None,
    ) -> list[Product]:
        """The live products that match, in the order of their ids.

        Args:
            ids: Only these; ids that don't exist are left out.
            status: Only those of this status.
            skip: How many to leave out at the beginning.
            take: How many at most; all if None.
        """
        conditions: Conditions = []
        if ids is not None:
            conditions.append(_product.c.id.in_(ids))
        if status is not None:
            conditions.append(_product.c.status == ProductStatus(status).value)
        async with self._store.session() as session:
            rows = await live_rows(session, _product, *conditions, skip=skip, take=take)
        return [Product.model_validate(dict(row)) for row in rows]


async def _locked(session: AsyncSession, product_id: str) -> Row:
    """The live product of that id, which no one else changes until the transaction's end."""
    statement = (
        select(_product)
        .where(_product.c.id == product_id, _product.c.deleted_at.is_(None))
        .with_for_update()
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise ProductNotFound(f"no product has the id {product_id!r}")
    return row


async def _changed(session: AsyncSession, product_id: str, values: dict[str, Any]) -> Row:
    statement = (
        update(_product)
        .where(_product.c.id == product_id)
        .values(**values, updated_at=datetime.now(UTC))
        .returning(_product)
    )
    row: Row = (await session.execute(statement)).mappings().one()
    return row
