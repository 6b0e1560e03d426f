"""The workflow that recalculates what every product has sold, batch by batch."""

from pydantic import BaseModel, Field
from temporalio import workflow

from activities.sales import SalesActivities
from euryale import Saga
from worker.services import SalesBatch


class RecalculateAggregatesInput(BaseModel):
    """How the products are taken.

    Attributes:
        products_per_step: How many products one step recalculates, in one transaction.
    """

    products_per_step: int = Field(default=500, ge=1, le=5_000)


class RecalculateAggregatesResult(BaseModel):
    """How many products were looked at, and how many rows of their sales were changed."""

    products: int = 0
    changed: int = 0


@workflow.defn(name="recalculate-product-sales")
class RecalculateAggregates:
    """Brings `product_sales` up to date, and back to what it was if that can't be completed.

    All steps bear one mark. A run of a million products has two thousand steps, each of some
    hundred bytes: what they replaced stays in the table.
    """

    @workflow.run
    async def run(
        self,
        input: RecalculateAggregatesInput,  # noqa: A002 -- Temporal's name
    ) -> RecalculateAggregatesResult:
        """Recalculate the sales of all products."""
        mark = workflow.now()
        after: str | None = None
        total = RecalculateAggregatesResult()
        async with Saga() as saga:
            while True:
                batch = SalesBatch(mark=mark, after=after, take=input.products_per_step)
                done = await saga.step(
                    SalesActivities.recalculate,
                    batch,
                    summary=f"{batch.take} products after {after}" if after else "the first",
                )
                total = RecalculateAggregatesResult(
                    products=total.products + done.products,
                    changed=total.changed + done.changed,
                )
                if done.products < batch.take:
                    return total
                after = done.until
