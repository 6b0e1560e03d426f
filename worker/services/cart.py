"""Carts, as Medusa's cart service has them: soft-deleted with their items, and restored."""

from collections import defaultdict
from collections.abc import Sequence

from pydantic import AwareDatetime
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from euryale import mutation, read
from worker.services.entities import Cart
from worker.services.errors import CartNotFound
from worker.services.rows import Conditions, Row, live_rows, slices, table_of
from worker.store import Store
from worker.store.tables import CartLineItemRow, CartRow

_cart = table_of(CartRow)
_item = table_of(CartLineItemRow)


class CartService:
    """Lists, finds, deletes and restores carts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @read
    async def retrieve(self, cart_id: str) -> Cart:
        """One cart with its items.

        Raises:
            CartNotFound: There is none of that id, or it was deleted.
        """
        async with self._store.session() as session:
            carts = await _with_items(
                session, await live_rows(session, _cart, _cart.c.id == cart_id)
            )
        if not carts:
            raise CartNotFound(f"no cart has the id {cart_id!r}")
        return carts[0]

    @mutation(undo="restore")
    async def delete(self, cart_ids: list[str], *, deleted_at: AwareDatetime) -> list[str]:
        """Soft-delete those of the carts that live, and their items, all in one transaction.

        `deleted_at` is the deletion's mark: an attempt that is made again, because the answer to
        the first one was lost, finds by it what the first one deleted and reports the same. So it
        must stay the same over a call's attempts, and differ between calls: in an activity
        `temporalio.activity.info().scheduled_time`, in a handler or workflow its own clock.

        Args:
            cart_ids: The carts; those deleted before, with another mark, are left as they are.
            deleted_at: The time that the carts and their items get as `deleted_at`.

        Returns:
            The ids of the carts deleted under this mark, ordered: what compensation restores.
        """
        live = {"deleted_at": deleted_at}
        async with self._store.begin() as session:
            deleted: list[str] = []
            for ids in slices(cart_ids):
                await session.execute(
                    update(_cart)
                    .where(_cart.c.id.in_(ids), _cart.c.deleted_at.is_(None))
                    .values(live)
                )
                mine = select(_cart.c.id).where(
                    _cart.c.id.in_(ids), _cart.c.deleted_at == deleted_at
                )
                await session.execute(
                    update(_item)
                    .where(_item.c.cart_id.in_(mine), _item.c.deleted_at.is_(None))
                    .values(live)
                )
                deleted.extend(await session.scalars(mine))
        return sorted(set(deleted))

    @mutation
    async def restore(
        self, cart_ids: list[str], *, deleted_at: AwareDatetime | None = None
    ) -> list[str]:
        """Bring deleted carts back, each with the items that were deleted along with it.

        The carts are as they were before: their `updated_at` does not change. Doing it twice is
        harmless.

        Args:
            cart_ids: The carts; those that live are left as they are.
            deleted_at: If given, only carts deleted under this mark: one that somebody else
                deleted stays deleted.

        Returns:
            The ids of those of the carts that live now, ordered.
        """
        async with self._store.begin() as session:
            restored: list[str] = []
            for ids in slices(cart_ids):
                chosen: Conditions = [_cart.c.id.in_(ids), _cart.c.deleted_at.is_not(None)]
                if deleted_at is not None:
                    chosen.append(_cart.c.deleted_at == deleted_at)
                along = select(_cart.c.id).where(
                    *chosen,
                    _cart.c.id == _item.c.cart_id,
                    _cart.c.deleted_at == _item.c.deleted_at,
                )
                # The items first: they know their deletion by their cart's mark.
                await session.execute(
                    update(_item).where(along.correlate(_item).exists()).values(deleted_at=None)
                )
                await session.execute(update(_cart).where(*chosen).values(deleted_at=None))
                restored.extend(
                    await session.scalars(
                        select(_cart.c.id).where(_cart.c.id.in_(ids), _cart.c.deleted_at.is_(None))
                    )
                )
        return sorted(set(restored))

    # The last method: inside the class, its name hides the type in the annotations that follow.
    @read
    async def list(
        self,
        *,
        ids: list[str] | None = None,
        customer_id: str | None = None,
        updated_before: AwareDatetime | None = None,
        skip: int = 0,
        take: int | None = None,
    ) -> list[Cart]:
        """The live carts that match, with their items, in the order of their ids.

        Args:
            ids: Only these; ids that don't exist are left out.
            customer_id: Only this customer's.
            updated_before: Only those last changed before this time.
            skip: How many to leave out at the beginning.
            take: How many at most; all if None.
        """
        conditions: Conditions = []
        if ids is not None:
            conditions.append(_cart.c.id.in_(ids))
        if customer_id is not None:
            conditions.append(_cart.c.customer_id == customer_id)
        if updated_before is not None:
            conditions.append(_cart.c.updated_at < updated_before)
        async with self._store.session() as session:
            rows = await live_rows(session, _cart, *conditions, skip=skip, take=take)
            return await _with_items(session, rows)


async def _with_items(session: AsyncSession, carts: Sequence[Row]) -> list[Cart]:
    """The carts as values: one query for the items of all of them."""
    items: defaultdict[str, list[Row]] = defaultdict(list)
    for ids in slices([cart["id"] for cart in carts]):
        for item in await live_rows(session, _item, _item.c.cart_id.in_(ids)):
            items[item["cart_id"]].append(item)
    return [
        Cart.model_validate({**cart, "items": [dict(item) for item in items[cart["id"]]]})
        for cart in carts
    ]
