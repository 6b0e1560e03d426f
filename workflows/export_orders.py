"""The workflow that exports the orders of a day: files first, their manifest last."""

from datetime import date

from pydantic import BaseModel
from temporalio import workflow

from activities.exports import ExportActivities
from euryale import Saga
from worker.services import MadeExport, OrderExport, OrdersOfDay


class ExportOrdersInput(BaseModel):
    """Which day, between the midnights of which IANA time zone."""

    day: date
    time_zone: str


@workflow.defn(name="export-orders")
class ExportOrders:
    """Exports the orders of a day, and leaves nothing of it if that can't be completed."""

    @workflow.run
    async def run(self, input: ExportOrdersInput) -> OrderExport:  # noqa: A002 -- Temporal's name
        """Export the day's orders as a new version, unless the newest one holds the same."""
        info = workflow.info()
        run = f"{info.workflow_id}/{info.run_id}"
        async with Saga() as saga:
            export = await saga.step(
                ExportActivities.write,
                OrdersOfDay(day=input.day, time_zone=input.time_zone, run=run),
                summary=f"orders of {input.day}",
            )
            if export.made:
                await saga.step(
                    ExportActivities.publish,
                    MadeExport(day=export.day, version=export.version, run=run),
                    summary=f"version {export.version}",
                )
            return export
