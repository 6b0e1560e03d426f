"""Exporting orders, and taking an export back."""

from datetime import timedelta

from pydantic import BaseModel
from temporalio import activity

from euryale import StepResponse, Unfinished, step
from worker.services import ExportService, MadeExport, OrderExport, OrdersOfDay


class WrittenExport(BaseModel):
    """What one step wrote.

    Attributes:
        orders: What it was given; the run in it is what its files are known by.
        result: What it made; None where that is unknown.
    """

    orders: OrdersOfDay
    result: OrderExport | None


def _written(unfinished: Unfinished[OrdersOfDay]) -> WrittenExport:
    return WrittenExport(orders=unfinished.input, result=None)


def _published(unfinished: Unfinished[MadeExport]) -> MadeExport:
    return unfinished.input


class ExportActivities:
    """Steps on exports."""

    def __init__(self, exports: ExportService) -> None:
        self._exports = exports

    @activity.defn(name="export.remove-orders")
    async def remove(self, written: WrittenExport) -> None:
        """Remove the files that one step wrote, where nobody has changed them since."""
        await self._exports.remove(written.orders, written.result)

    @activity.defn(name="export.preview-orders")
    async def preview(self, orders: OrdersOfDay) -> OrderExport:
        """Tell what a step would export."""
        return await self._exports.preview(orders)

    @step(
        "export.write-orders",
        compensation=remove,
        unfinished=_written,
        preview=preview,
        timeout=timedelta(hours=1),
        words="export the orders of {} day(s)",
    )
    async def write(self, orders: OrdersOfDay) -> StepResponse[OrderExport, WrittenExport]:
        """Write the orders of a day into files that nobody takes for an export yet."""
        result = await self._exports.write(orders)
        return StepResponse(output=result, undo=WrittenExport(orders=orders, result=result))

    @activity.defn(name="export.withdraw-manifest")
    async def withdraw(self, export: MadeExport) -> None:
        """Hide the manifest that one step showed, where nobody has changed it since."""
        await self._exports.withdraw(export)

    @step(
        "export.publish-manifest",
        compensation=withdraw,
        unfinished=_published,
        words="publish {} export(s)",
    )
    async def publish(self, export: MadeExport) -> StepResponse[None, MadeExport]:
        """Show the manifest of files that are all there: only now is it an export."""
        await self._exports.publish(export)
        return StepResponse(output=None, undo=export)
