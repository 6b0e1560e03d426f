"""The measured loop as a job."""

import asyncio

from benchmarks.shop import CatalogService
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="calls", schedule="0 0 * * *")


async def handler(container: Container, data: dict[str, int]) -> int:
    """Make the calls, so many at once, and return the sum of what came back."""
    catalog_service = container.resolve(CatalogService)
    total = 0
    for start in range(0, data["calls"], data["at_once"]):
        numbers = range(start, min(start + data["at_once"], data["calls"]))
        products = await asyncio.gather(
            *(
                catalog_service.update(f"prod_{number}", status="published", price=number)
                for number in numbers
            )
        )
        total += sum(product.price for product in products)
    return total
