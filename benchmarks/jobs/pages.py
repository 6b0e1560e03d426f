"""A service's method that takes many items, page by page."""

from benchmarks.shop import ProductService
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="pages", schedule="0 0 * * *")


async def handler(container: Container, data: dict[str, int]) -> None:
    """Publish page by page."""
    product_service = container.resolve(ProductService)
    cursor = data["first"] - 1
    while cursor < data["last"]:
        cursor = await product_service.publish_page(cursor, data["last"])
