"""Recalculates what every product has sold from the orders, instead of counting along with them."""

from temporalio import workflow

from euryale import Container, ScheduledJobConfig
from workflows.recalculate_aggregates import RecalculateAggregates, RecalculateAggregatesInput

config = ScheduledJobConfig(
    name="recalculate-aggregates",
    schedule="0 3 * * *",
    description="Brings each product's sales up to date with the orders.",
)


async def handler(container: Container) -> dict[str, int]:
    result = await workflow.execute_child_workflow(
        RecalculateAggregates.run,
        RecalculateAggregatesInput(),
        id=f"{workflow.info().workflow_id}/recalculate-product-sales",
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
    )
    container.resolve("logger").info(
        "recalculated sales", products=result.products, changed=result.changed
    )
    return {"products": result.products, "changed": result.changed}
