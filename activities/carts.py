"""Deleting carts, and bringing them back."""

from datetime import datetime

from pydantic import BaseModel
from temporalio import activity

from euryale import StepResponse, step
from worker.services import CartService


class DeletedCarts(BaseModel):
    """What one deletion did, so that exactly that can be taken back.

    Attributes:
        cart_ids: The carts that it deleted.
        deleted_at: The mark that it left on them.
    """

    cart_ids: list[str]
    deleted_at: datetime


class CartActivities:
    """Steps on carts; the worker gives each call the shop's cart service."""

    def __init__(self, carts: CartService) -> None:
        self._carts = carts

    @activity.defn(name="cart.restore-deleted")
    async def restore(self, deleted: DeletedCarts) -> None:
        """Bring back what one deletion deleted, and nothing that somebody else did."""
        await self._carts.restore(deleted.cart_ids, deleted_at=deleted.deleted_at)

    @step("cart.delete-expired", compensation=restore)
    async def delete(self, cart_ids: list[str]) -> StepResponse[list[str], DeletedCarts]:
        """Soft-delete the carts and their items."""
        # The same over all attempts of this step, so a repeated one finds what the first one did.
        mark = activity.info().scheduled_time
        deleted = await self._carts.delete(cart_ids, deleted_at=mark)
        return StepResponse(output=deleted, undo=DeletedCarts(cart_ids=deleted, deleted_at=mark))
