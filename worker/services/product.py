"""Products, as Medusa's product service has them."""

from datetime import UTC, datetime, timedelta
from typing import Unpack

from sqlalchemy import update

from euryale import mutation, read
from worker.services.entities import Product, ProductChanges, ProductStatus
from worker.services.errors import ProductNotFound, known_names
from worker.services.rows import Conditions, live_rows, table_of
from worker.store import Store
from worker.store.tables import ProductRow

_product = table_of(ProductRow)


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
    @mutation(timeout=timedelta(seconds=5))
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
        statement = (
            update(_product)
            .where(_product.c.id == product_id, _product.c.deleted_at.is_(None))
            .values(**values, updated_at=datetime.now(UTC))
            .returning(_product)
        )
        async with self._store.begin() as session:
            row = (await session.execute(statement)).mappings().one_or_none()
        if row is None:
            raise ProductNotFound(f"no product has the id {product_id!r}")
        return Product.model_validate(dict(row))

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
