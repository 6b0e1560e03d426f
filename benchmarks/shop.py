"""The benchmark's application: a service that publishes products, and one whose work takes no time.

Which database the products are in says the environment, as in an application.
"""

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy import Engine

from benchmarks.products import Products, product_id
from benchmarks.sweeps import ProductSweeps, open_engine
from euryale import BulkCall, Euryale, mutation, singleton

PRODUCTS_URL = "EURYALE_BENCHMARK_PRODUCTS"

TIMEOUT = timedelta(seconds=2)
"""A row takes no millisecond. So soon is a call of a dead worker made again; the bare side's is the
same."""


def open_products() -> Products:
    """The products of the database that the environment names."""
    return Products(os.environ[PRODUCTS_URL])


def open_products_engine() -> Iterator[Engine]:
    """The same database as SQLAlchemy has it."""
    engine = open_engine(os.environ[PRODUCTS_URL])
    yield engine
    engine.dispose()


class ProductService:
    """Publishes products, with the statements that every side of the benchmark uses."""

    def __init__(self, products: Products) -> None:
        self._products = products

    @mutation(timeout=TIMEOUT)
    async def publish(self, number: int) -> None:
        """Publish one product."""
        await asyncio.to_thread(self._products.publish, number)

    @mutation(timeout=TIMEOUT, idempotent=True)
    async def publish_again(self, number: int) -> None:
        """Publish one product; a repetition does no harm."""
        await asyncio.to_thread(self._products.publish, number)

    @mutation(timeout=TIMEOUT, bulk="publish_many")
    async def publish_one(self, number: int) -> None:
        """Publish one product; many of these calls are one statement."""
        await asyncio.to_thread(self._products.publish, number)

    async def publish_many(self, calls: Sequence[BulkCall]) -> list[None]:
        """Publish the products of the calls."""
        ids = [product_id(call.arguments["number"]) for call in calls]
        await asyncio.to_thread(self._products.publish_ids, ids)
        return [None] * len(calls)

    @mutation(timeout=TIMEOUT)
    async def publish_page(self, after: int, until: int) -> int:
        """Publish a page of drafts, and return its last number."""
        return await asyncio.to_thread(self._products.publish_page, after, until)

    @mutation(timeout=TIMEOUT)
    async def fired(self, job: str, due: float, at: float) -> None:
        """Record a firing."""
        await asyncio.to_thread(self._products.fired, job, due, at)


class Product(BaseModel):
    """What a call returns."""

    id: str
    title: str
    status: str
    price: int
    tags: list[str]


class CatalogService:
    """Stands for a service whose own work takes no time, so that what is left is the engine's."""

    @mutation
    async def update(self, product_id: str, *, status: str, price: int) -> Product:
        """Return the product as it would be after the change."""
        return Product(
            id=product_id, title="A shirt of linen", status=status, price=price, tags=["a", "b"]
        )


app = Euryale(
    name="euryale",
    services={"product": ProductService, "catalog": CatalogService},
    providers=[singleton(open_products), singleton(open_products_engine)],
    activities=[ProductSweeps],
)
