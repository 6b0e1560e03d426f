"""Per-item code over a service that also takes many items."""

from benchmarks.shop import ProductService
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="each-in-bulk", schedule="0 0 * * *")


async def handler(container: Container, data: dict[str, int]) -> None:
    """Publish each product."""
    product_service = container.resolve(ProductService)
    numbers = range(data["first"], data["last"] + 1)
    await container.each(numbers, product_service.publish_one)
