"""Sends the products that were changed since the last sync to the catalog, as both guides do."""

from typing import Any

from temporalio import workflow

from euryale import Container, ScheduledJobConfig
from worker.services import CatalogService, SyncService
from workflows.sync_products import SyncProducts, SyncProductsInput

config = ScheduledJobConfig(
    name="sync-products-daily",
    schedule="0 0 * * *",
    description="Sends the products changed since the last sync to the catalog.",
)

_TOLD = 20


async def handler(container: Container) -> dict[str, Any]:
    logger = container.resolve("logger")
    if not await container.resolve(CatalogService).is_configured():
        logger.warning("nothing to sync to: CATALOG_URL names no catalog")
        return {"skipped": "no CATALOG_URL"}

    window = await container.resolve(SyncService).window()
    result = await workflow.execute_child_workflow(
        SyncProducts.run,
        SyncProductsInput(window=window),
        id=f"{workflow.info().workflow_id}/sync-products",
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
    )
    for refusal in result.refused[:_TOLD]:
        logger.warning(
            "the catalog refused a product", product=refusal.product_id, reason=refusal.reason
        )
    logger.info(
        "synced the products",
        replaced=result.replaced,
        removed=result.removed,
        refused=len(result.refused),
    )
    return {
        "replaced": result.replaced,
        "removed": result.removed,
        "refused": [f"{each.product_id}: {each.reason}" for each in result.refused[:_TOLD]],
    }
