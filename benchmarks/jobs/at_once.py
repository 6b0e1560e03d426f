"""Per-item code, all items at once."""

import asyncio

from benchmarks.shop import ProductService
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="gather", schedule="0 0 * * *")


async def handler(container: Container, data: dict[str, int]) -> None:
    """Publish all products with one `gather`."""
    product_service = container.resolve(ProductService)
    numbers = range(data["first"], data["last"] + 1)
    await asyncio.gather(*(product_service.publish(number) for number in numbers))
