"""The catalog as a service: sends products to it as they are in the shop."""

import hashlib
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from euryale import idempotency_key, mutation, read
from worker.catalog import Catalog
from worker.services.entities import Product


class Refusal(BaseModel):
    """A product that the catalog refused, and would refuse again as it is."""

    model_config = ConfigDict(frozen=True)

    product_id: str
    reason: str


class CatalogService:
    """Makes, replaces and removes products in the catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @read
    async def is_configured(self) -> bool:
        """Whether the settings name a catalog."""
        return self._catalog.is_configured

    @mutation(timeout=timedelta(minutes=1), words="send {} products to the catalog")
    async def send(self, product: Product) -> Refusal | None:
        """Have the catalog hold a product as it is here: removed, if it was deleted.

        The request's `Idempotency-Key` is the same over all attempts of a call, as long as the
        product stays the same too: one that was changed in between must not be taken for the one
        that came before.

        Raises:
            CatalogUnavailable: It may be taken later.
            CatalogRefused: No product would be taken.
        """
        key = _key(idempotency_key(), product)
        if product.deleted_at is None:
            body = product.model_dump(mode="json", exclude={"deleted_at"})
            reason = await self._catalog.put(product.id, body, key=key)
        else:
            reason = await self._catalog.delete(product.id, key=key)
        return None if reason is None else Refusal(product_id=product.id, reason=reason)


def _key(call: str, product: Product) -> str:
    """A key that fits into any header: a call's own has no limit to its length."""
    return hashlib.sha256(f"{call}\n{product.model_dump_json()}".encode()).hexdigest()
