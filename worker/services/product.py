"""Products, as Medusa's product service has them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

from pydantic import BaseModel
from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from euryale import BulkCall, ChangedSince, mutation, read
from worker.services.entities import Product, ProductChanges, ProductStatus
from worker.services.errors import ProductNotFound, known_names
from worker.services.rows import Conditions, Row, live_rows, table_of
from worker.services.undo_log import found_before, keep, record_undo_of, this_call
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
    @mutation(undo="take_back", bulk="update_many", idempotent=True, timeout=timedelta(seconds=5))
    async def update(self, product_id: str, **changes: Unpack[ProductChanges]) -> Product:
        """Change the given fields of one product, and no others; doing it twice is harmless.

        Raises:
            ProductNotFound: There is none of that id, or it was deleted.
            TypeError: A field is not one that can be changed.
            ValueError: A value is not one that its field takes.
        """
        call = this_call({"product_id": product_id, **changes})
        (product,) = await self.update_many([call])
        if isinstance(product, Exception):
            raise product
        record_undo_of(call)
        return product

    async def update_many(self, calls: Sequence[BulkCall]) -> Sequence[Product | Exception]:
        """Carry many updates out in one transaction; each fails by itself, as `update` does."""
        ends: dict[int, Product | Exception] = {}
        changes: dict[int, _Change] = {}
        for number, call in enumerate(calls):
            try:
                changes[number] = _Change.of(call)
            except (TypeError, ValueError) as error:
                ends[number] = error
        async with self._store.begin() as session:
            known = await found_before(session, calls, ProductUpdate)
            # Several changes of one product come one after the other.
            while changes:
                turn = {change.product_id: number for number, change in reversed(changes.items())}
                ends |= await _carry_out(
                    session,
                    {number: changes.pop(number) for number in sorted(turn.values())},
                    known,
                )
        return [ends[number] for number in range(len(calls))]

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
            now = (await _locked(session, [product_id])).get(product_id)
            if now is None:
                raise ChangedSince(f"the product {product_id!r} was deleted")
            mine = {
                field: value
                for field, value in undo.before.items()
                if now[field] == undo.after[field] != value
            }
            if mine:
                await _change(session, {product_id: mine})
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


@dataclass(frozen=True, slots=True)
class _Change:
    """What one call changes, in terms of the table."""

    call: BulkCall
    product_id: str
    values: dict[str, Any]

    @classmethod
    def of(cls, call: BulkCall) -> "_Change":
        values = dict(call.arguments)
        product_id = values.pop("product_id")
        known = list(ProductChanges.__annotations__)
        for field in values:
            if field not in known:
                raise TypeError(f"a product has no field {field!r}: {known_names(field, known)}")
        if "status" in values:
            values["status"] = ProductStatus(values["status"]).value
        return cls(call, product_id, values)


async def _carry_out(
    session: AsyncSession, changes: Mapping[int, _Change], known: Mapping[str, ProductUpdate]
) -> dict[int, Product | Exception]:
    """Carry changes of different products out, where their calls haven't before."""
    ids = [change.product_id for change in changes.values()]
    before = await _locked(session, ids)
    new = [
        change
        for change in changes.values()
        if change.values
        and change.product_id in before
        and change.call.idempotency_key not in known
    ]
    after = before
    if new:
        await _change(session, {change.product_id: change.values for change in new})
        after = await _rows(session, ids)
        await keep(session, [(change.call, _update(change, before, after)) for change in new])
    return {
        number: Product.model_validate(dict(after[change.product_id]))
        if change.product_id in after
        else ProductNotFound(f"no product has the id {change.product_id!r}")
        for number, change in changes.items()
    }


def _update(change: _Change, before: Mapping[str, Row], after: Mapping[str, Row]) -> ProductUpdate:
    """What a change did, as the store has it: a number may lose digits on the way."""
    was, now = before[change.product_id], after[change.product_id]
    return ProductUpdate(
        before={field: was[field] for field in change.values},
        after={field: now[field] for field in change.values},
    )


async def _locked(session: AsyncSession, ids: Sequence[str]) -> dict[str, Row]:
    """The live products of these ids, which no one else changes until the transaction's end.

    In the order of their ids, so that two who lock several can't wait for each other.
    """
    statement = select(_product).where(_product.c.id.in_(ids), _product.c.deleted_at.is_(None))
    found = await session.execute(statement.order_by(_product.c.id).with_for_update())
    return {row["id"]: row for row in found.mappings()}


async def _rows(session: AsyncSession, ids: Sequence[str]) -> dict[str, Row]:
    statement = select(_product).where(_product.c.id.in_(ids), _product.c.deleted_at.is_(None))
    return {row["id"]: row for row in (await session.execute(statement)).mappings()}


async def _change(session: AsyncSession, changes: Mapping[str, Mapping[str, Any]]) -> None:
    """Set the given fields of each product; those that get the same ones in one go."""
    alike: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for product_id, values in changes.items():
        alike[tuple(sorted(values))].append(
            {"the_id": product_id, **{f"to_{field}": value for field, value in values.items()}}
        )
    for fields, given in alike.items():
        statement = (
            update(_product)
            .where(_product.c.id == bindparam("the_id"))
            .values({field: bindparam(f"to_{field}") for field in fields})
            .values(updated_at=datetime.now(UTC))
        )
        await session.execute(statement, given)
