"""The seeds' plain loop, where a repetition does no harm."""

from benchmarks.shop import ProductService
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="idempotent-loop", schedule="0 0 * * *")


async def handler(container: Container, data: dict[str, int]) -> None:
    """Publish one product after the other."""
    product_service = container.resolve(ProductService)
    for number in range(data["first"], data["last"] + 1):
        await product_service.publish_again(number)
