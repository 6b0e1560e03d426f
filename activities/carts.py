"""Deleting carts, and bringing them back."""

from datetime import timedelta

from pydantic import AwareDatetime, BaseModel
from temporalio import activity

from euryale import StepResponse, Unfinished, step
from worker.services import CartService


class CartDeletion(BaseModel):
    """One deletion, so that exactly that can be taken back.

    Attributes:
        cart_ids: The carts.
        deleted_at: The mark that it leaves on them: the same over all attempts of the step, so that
            a repeated one finds what the first one did.
    """

    cart_ids: list[str]
    deleted_at: AwareDatetime


def cut_off(step: Unfinished[CartDeletion]) -> CartDeletion:
    """Whatever a deletion came to, its mark tells which carts are its own."""
    return step.input


class CartActivities:
    """Steps on carts; the worker gives each call the shop's cart service."""

    def __init__(self, carts: CartService) -> None:
        self._carts = carts

    @activity.defn(name="cart.restore-deleted")
    async def restore(self, deletion: CartDeletion) -> None:
        """Bring back what one deletion deleted, and nothing that somebody else did."""
        await self._carts.restore(deletion.cart_ids, deleted_at=deletion.deleted_at)

    @activity.defn(name="cart.find-expired")
    async def find(self, deletion: CartDeletion) -> list[str]:
        """Which of the carts a deletion would delete."""
        return [cart.id for cart in await self._carts.list(ids=deletion.cart_ids)]

    # One transaction is quick; a worker that died in the middle is noticed after this time.
    @step(
        "cart.delete-expired",
        compensation=restore,
        unfinished=cut_off,
        preview=find,
        timeout=timedelta(seconds=10),
        words="delete {} carts",
    )
    async def delete(self, deletion: CartDeletion) -> StepResponse[list[str], CartDeletion]:
        """Soft-delete the carts and their items."""
        deleted = await self._carts.delete(deletion.cart_ids, deleted_at=deletion.deleted_at)
        undo = deletion.model_copy(update={"cart_ids": deleted})
        return StepResponse(output=deleted, undo=undo)
