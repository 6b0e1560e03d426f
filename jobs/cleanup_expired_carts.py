"""Deletes carts that nobody has touched for a day, as the v2 guide of Medusa does."""

from datetime import timedelta

from temporalio import workflow

from euryale import Container, ScheduledJobConfig
from worker.services import QueryService
from workflows.delete_carts import DeleteCarts, DeleteCartsInput

config = ScheduledJobConfig(
    name="cleanup-expired-carts",
    schedule="0 */6 * * *",
    description="Deletes the carts that nobody has touched for a day.",
)


async def handler(container: Container) -> dict[str, int]:
    logger = container.resolve("logger")
    query = container.resolve(QueryService)

    expired = await query.graph(
        entity="cart",
        fields=["id"],
        filters={"updated_at": {"$lte": container.now() - timedelta(days=1)}},
    )
    logger.info("found expired carts", carts=len(expired.data))

    result = await workflow.execute_child_workflow(
        DeleteCarts.run,
        DeleteCartsInput(cart_ids=[cart["id"] for cart in expired.data]),
        id=f"{workflow.info().workflow_id}/delete-carts",
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
    )
    logger.info("deleted expired carts", carts=len(result.cart_ids))
    return {"deleted": len(result.cart_ids)}
