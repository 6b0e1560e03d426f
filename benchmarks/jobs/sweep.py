"""A sweep."""

from benchmarks.sweeps import ProductSweeps
from euryale import ScheduledJobConfig, sweep

config = ScheduledJobConfig(name="sweep", schedule="0 0 * * *")


async def handler(data: dict[str, int]) -> None:
    """Publish all drafts of the range."""
    numbers = (data["first"], data["last"])
    await sweep(ProductSweeps.drafts, ProductSweeps.publish, numbers)
