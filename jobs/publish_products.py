"""Publishes the products that were drafted during the day, as the v1 guide of Medusa does."""

from euryale import Container, ScheduledJobConfig
from worker.services import ProductService, ProductStatus

config = ScheduledJobConfig(
    name="publish-once-a-day",
    schedule="0 0 * * *",
    description="Publishes every draft product.",
)


async def handler(container: Container) -> dict[str, int]:
    logger = container.resolve("logger")
    product_service = container.resolve(ProductService)

    drafts = await product_service.list(status=ProductStatus.DRAFT)
    for product in drafts:
        await product_service.update(product.id, status=ProductStatus.PUBLISHED)

    logger.info("published the drafts", products=len(drafts))
    return {"published": len(drafts)}
