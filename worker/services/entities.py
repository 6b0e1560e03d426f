"""What the services give back: the shop's entities as frozen values that travel as JSON.

Their fields are Medusa's. They know nothing of the database, so that workflows may import them.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
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


class NotificationStatus(StrEnum):
    """How far a message is on its way to its receiver."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"


class NewNotification(BaseModel):
    """A message that is about to be sent.

    Attributes:
        to: The address.
        channel: The way that it takes, such as `email`.
        template: What it is made from.
        data: What else is worth knowing of it.
        resource_type: What kind of thing it is about, such as `newsletter`.
        resource_id: Which of these.
        receiver_id: The id of the one who gets it, such as a customer's.
        idempotency_key: No two live notifications bear the same.
        external_id: What the message is called where it goes, such as a mail's Message-ID.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    to: str
    channel: str
    template: str
    data: dict[str, Any]
    resource_type: str
    resource_id: str
    receiver_id: str
    idempotency_key: str
    external_id: str | None = None


class Notification(Entity):
    """A message to somebody; `NewNotification` says what its fields mean."""

    model_config = ConfigDict(serialize_by_alias=True)

    to: str
    from_: str | None = Field(default=None, alias="from")
    channel: str
    template: str | None = None
    data: dict[str, Any] | None = None
    trigger_type: str | None = None
    resource_id: str | None = None
    resource_type: str | None = None
    receiver_id: str | None = None
    original_notification_id: str | None = None
    idempotency_key: str | None = None
    external_id: str | None = None
    provider_id: str | None = None
    provider_data: dict[str, Any] | None = None
    status: NotificationStatus = NotificationStatus.PENDING
