"""A sweep, with what its undo needs."""

from benchmarks.sweeps import ProductSweeps
from euryale import ScheduledJobConfig, sweep

config = ScheduledJobConfig(name="sweep-undoable", schedule="0 0 * * *")


async def handler(data: dict[str, int]) -> None:
    """The same, so that it can be taken back."""
    numbers = (data["first"], data["last"])
    await sweep(ProductSweeps.drafts, ProductSweeps.publish_undoably, numbers)
