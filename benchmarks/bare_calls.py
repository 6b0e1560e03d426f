"""The measured loop without Euryale: a plain workflow and a plain activity of temporalio."""

import asyncio
from dataclasses import dataclass

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from benchmarks.shop import Product
    from euryale.config import Retry
    from euryale.services.service import DEFAULT_TIMEOUT

RETRY_POLICY = Retry().policy()
"""What Euryale gives its calls, so that both sides ask the same of the server."""


CALLS = {"one after the other": 1, "50 at once": 50}
"""How many calls are made at once, by the way's name."""


@dataclass
class Loop:
    """How many calls, and how many of them at once."""

    calls: int
    at_once: int


@dataclass
class Update:
    """The input of the activity."""

    product_id: str
    status: str
    price: int


@activity.defn(name="product.update")
async def update(change: Update) -> Product:
    """Return the product as it would be after the change."""
    return Product(
        id=change.product_id,
        title="A shirt of linen",
        status=change.status,
        price=change.price,
        tags=["a", "b"],
    )


@workflow.defn(name="calls")
class Calls:
    """Makes the calls, so many at once, and returns the sum of what came back."""

    @workflow.run
    async def run(self, loop: Loop) -> int:
        """Make the calls."""
        total = 0
        for start in range(0, loop.calls, loop.at_once):
            numbers = range(start, min(start + loop.at_once, loop.calls))
            products = await asyncio.gather(
                *(
                    workflow.execute_activity(
                        update,
                        Update(f"prod_{number}", status="published", price=number),
                        start_to_close_timeout=DEFAULT_TIMEOUT,
                        retry_policy=RETRY_POLICY,
                    )
                    for number in numbers
                )
            )
            total += sum(product.price for product in products)
        return total
