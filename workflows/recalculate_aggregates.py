"""The workflow that recalculates what every product has sold, by a sweep."""

from datetime import timedelta

from pydantic import BaseModel, Field
from temporalio import workflow

from activities.sales import Recalculation, SalesActivities
from euryale import Retry, Saga, sweep


class RecalculateAggregatesInput(BaseModel):
    """How the products are taken.

    Attributes:
        products_at_once: How many products are recalculated in one transaction.
        products_per_slab: How many at the most by one activity.
    """

    products_at_once: int = Field(default=500, ge=1, le=5_000)
    products_per_slab: int = Field(default=10_000, ge=1)


class RecalculateAggregatesResult(BaseModel):
    """How many products were looked at, and how many rows of their sales were changed."""

    products: int = 0
    changed: int = 0


@workflow.defn(name="recalculate-product-sales")
class RecalculateAggregates:
    """Brings `product_sales` up to date, and back to what it was if that can't be completed.

    All rows that it makes or replaces bear one mark. What it replaced stays in the table, so that
    neither the history nor the sweep's own undo log grows with more than marks.
    """

    @workflow.run
    async def run(
        self,
        input: RecalculateAggregatesInput,  # noqa: A002 -- Temporal's name
    ) -> RecalculateAggregatesResult:
        """Recalculate the sales of all products."""
        recalculation = Recalculation(mark=workflow.now())
        async with Saga() as saga:
            done = await sweep(
                SalesActivities.products,
                SalesActivities.recalculate,
                recalculation,
                batch=input.products_at_once,
                slab=input.products_per_slab,
                saga=saga,
            )
            changed = await workflow.execute_activity_method(
                SalesActivities.count_changed,
                recalculation,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=Retry().policy(),
            )
        return RecalculateAggregatesResult(products=done.rows, changed=changed)
