"""Plain SQL without any engine: what the work itself costs, and the bound of all others."""

import asyncio
import os
from collections.abc import Sequence

from benchmarks.products import Products
from benchmarks.side import Side, main


class Plain(Side):
    """A loop in one process; killed, it has forgotten where it was."""

    name = "plain SQL"
    ways = {"one by one": [""], "batches": [""], "million": [""]}  # noqa: RUF012 -- see Side

    async def start(self) -> None:
        """There is no worker beside this process."""

    def worker_ids(self) -> Sequence[int]:
        """This process does the work."""
        return [os.getpid()]

    async def publish(self, scenario: str, way: str, first: int, count: int) -> None:  # noqa: ARG002 -- there is one way
        """Publish in a thread, row by row or page by page."""
        last = first + count - 1
        await asyncio.to_thread(
            _rows if scenario == "one by one" else _pages, self.products, first, last
        )


def _rows(products: Products, first: int, last: int) -> None:
    for number in range(first, last + 1):
        products.publish(number)
    products.close()


def _pages(products: Products, first: int, last: int) -> None:
    cursor = first - 1
    while cursor < last:
        cursor = products.publish_page(cursor, last)
    products.close()


if __name__ == "__main__":
    main(Plain)
