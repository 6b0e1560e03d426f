"""The workflow that deletes carts, and brings them back when it can't be completed."""

from pydantic import BaseModel
from temporalio import workflow

from activities.carts import CartActivities, CartDeletion
from euryale import Saga


class DeleteCartsInput(BaseModel):
    """Which carts to delete."""

    cart_ids: list[str]


class DeleteCartsResult(BaseModel):
    """Which carts were deleted: those asked for, less those that were gone already."""

    cart_ids: list[str]


@workflow.defn(name="delete-carts")
class DeleteCarts:
    """Soft-deletes carts with their items, as one step that knows its way back."""

    @workflow.run
    async def run(self, input: DeleteCartsInput) -> DeleteCartsResult:  # noqa: A002 -- Temporal's name
        """Delete the carts."""
        async with Saga() as saga:
            deleted = await saga.step(
                CartActivities.delete,
                CartDeletion(cart_ids=input.cart_ids, deleted_at=workflow.now()),
                summary=f"{len(input.cart_ids)} carts",
            )
            return DeleteCartsResult(cart_ids=deleted)
