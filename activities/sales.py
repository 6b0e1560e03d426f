"""Recalculating what products have sold, and taking a recalculation back."""

from pydantic import BaseModel
from temporalio import activity

from euryale import StepResponse, Unfinished, step
from worker.services import SalesBatch, SalesBatchResult, SalesService


class RecalculatedSales(BaseModel):
    """What one step recalculated.

    Attributes:
        batch: What it was given; the mark in it is on every row that it touched.
        until: Its last product; None where that is unknown.
    """

    batch: SalesBatch
    until: str | None


def _recalculated(unfinished: Unfinished[SalesBatch]) -> RecalculatedSales:
    # The steps come one after the other, so that nothing after this one's beginning is another's.
    return RecalculatedSales(batch=unfinished.input, until=None)


class SalesActivities:
    """Steps on what products have sold."""

    def __init__(self, sales: SalesService) -> None:
        self._sales = sales

    @activity.defn(name="sales.restore-batch")
    async def restore(self, recalculated: RecalculatedSales) -> None:
        """Bring back the rows that one step replaced, where nobody has changed them since."""
        await self._sales.restore(recalculated.batch, recalculated.until)

    @activity.defn(name="sales.preview-batch")
    async def preview(self, batch: SalesBatch) -> SalesBatchResult:
        """Tell what a step would change."""
        return await self._sales.preview(batch)

    @step(
        "sales.recalculate-batch",
        compensation=restore,
        unfinished=_recalculated,
        preview=preview,
        words="recalculate the sales of {} batch(es) of products",
    )
    async def recalculate(
        self, batch: SalesBatch
    ) -> StepResponse[SalesBatchResult, RecalculatedSales]:
        """Bring the sales of some products up to date with the orders."""
        result = await self._sales.recalculate(batch)
        return StepResponse(output=result, undo=RecalculatedSales(batch=batch, until=result.until))
