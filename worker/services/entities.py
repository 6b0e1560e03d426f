"""What the services give back: the shop's entities as frozen values that travel as JSON.

Their fields are Medusa's. They know nothing of the database, so that workflows may import them.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict  # what pydantic reads below Python 3.12


class ProductStatus(StrEnum):
    """How far a product is on its way to the customers."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    PUBLISHED = "published"
    REJECTED = "rejected"


class Entity(BaseModel):
    """What all entities have in common.

    Attributes:
        id: `<prefix>_<ULID>`.
        metadata: Whatever the shop's people and plugins attach to it.
        created_at: When it was made.
        updated_at: When it was last changed.
        deleted_at: When it was soft-deleted; None while it lives.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    metadata: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class Product(Entity):
    """A product. `handle` is its unique name in addresses."""

    title: str
    handle: str
    subtitle: str | None = None
    description: str | None = None
    is_giftcard: bool = False
    status: ProductStatus = ProductStatus.DRAFT
    thumbnail: str | None = None
    weight: float | None = None
    length: float | None = None
    height: float | None = None
    width: float | None = None
    origin_country: str | None = None
    hs_code: str | None = None
    mid_code: str | None = None
    material: str | None = None
    collection_id: str | None = None
    type_id: str | None = None
    discountable: bool = True
    external_id: str | None = None


class ProductChanges(TypedDict, total=False):
    """The fields of a product that an update may change; an absent one stays as it is."""

    title: str
    handle: str
    subtitle: str | None
    description: str | None
    is_giftcard: bool
    status: ProductStatus
    thumbnail: str | None
    weight: float | None
    length: float | None
    height: float | None
    width: float | None
    origin_country: str | None
    hs_code: str | None
    mid_code: str | None
    material: str | None
    collection_id: str | None
    type_id: str | None
    discountable: bool
    external_id: str | None
    metadata: dict[str, Any] | None


class CartLineItem(Entity):
    """An item in a cart. `unit_price` is in the cart's currency, in whole units and fractions."""

    cart_id: str
    title: str
    quantity: int
    unit_price: Decimal
    raw_unit_price: dict[str, Any]
    variant_id: str | None = None
    product_id: str | None = None
    product_title: str | None = None


class Cart(Entity):
    """A cart with its items, ordered by id."""

    region_id: str | None = None
    customer_id: str | None = None
    sales_channel_id: str | None = None
    email: str | None = None
    currency_code: str
    shipping_address_id: str | None = None
    billing_address_id: str | None = None
    completed_at: datetime | None = None
    locale: str | None = None
    items: tuple[CartLineItem, ...] = ()


class Customer(Entity):
    """A customer. `has_account` is false for one who bought as a guest."""

    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company_name: str | None = None
    phone: str | None = None
    has_account: bool = False
    created_by: str | None = None
