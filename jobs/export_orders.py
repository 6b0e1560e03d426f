"""Exports the orders of the day before, for those who do the books."""

from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict
from temporalio import workflow

from euryale import Container, ScheduledJobConfig
from worker.days import day_of
from workflows.export_orders import ExportOrders, ExportOrdersInput

ZONE = "Europe/Berlin"

config = ScheduledJobConfig(
    name="export-orders-nightly",
    schedule="30 1 * * *",
    time_zone=ZONE,
    description="Exports the orders of the day before as CSV and Parquet.",
)


class Data(BaseModel):
    """What a run may be told: another day than the one before it fired."""

    model_config = ConfigDict(extra="forbid")

    day: date | None = None


async def handler(container: Container, data: Data, scheduled_for: datetime) -> dict[str, object]:
    day = data.day or day_of(scheduled_for, ZONE) - timedelta(days=1)
    if day >= day_of(container.now(), ZONE):
        raise ValueError(f"{day} isn't over in {ZONE}: an export of it would lack orders")

    export = await workflow.execute_child_workflow(
        ExportOrders.run,
        ExportOrdersInput(day=day, time_zone=ZONE),
        id=f"{workflow.info().workflow_id}/export-orders",
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
    )
    container.resolve("logger").info(
        "exported orders" if export.made else "the export held the same already",
        day=str(day),
        orders=export.orders,
        version=export.version,
    )
    return export.model_dump(mode="json")
