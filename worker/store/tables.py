"""The shop's tables, under the names that Medusa v2 gives to them and to their columns.

Only what this shop's services need. As in Medusa, tables of different modules (a cart and its
customer, an item and its product) don't reference each other by foreign keys.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import REAL, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.expression import false, true

from worker.store.types import Json, Money, UtcDateTime, new_id, utc_now

_LIVE = text("deleted_at IS NULL")


def _index(name: str, *columns: str, unique: bool = False) -> Index:
    """An index over the live rows only; unique ones let a deleted row's value be used again."""
    return Index(name, *columns, unique=unique, sqlite_where=_LIVE, postgresql_where=_LIVE)


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """What every table has: times of creation, change and soft deletion, and metadata.

    Nothing sets `updated_at` behind a service's back: taking a deletion back must restore the row
    exactly as it was.
    """

    type_annotation_map = {  # noqa: RUF012  # SQLAlchemy's own protocol
        str: Text(),
        float: REAL(),
        datetime: UtcDateTime(),
        Decimal: Money(),
        dict[str, Any]: Json,
    }

    created_at: Mapped[datetime] = mapped_column(
        default=_now, server_default=utc_now(), sort_order=100
    )
    updated_at: Mapped[datetime] = mapped_column(
        default=_now, server_default=utc_now(), sort_order=101
    )
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=102)
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", sort_order=99)


class ProductRow(Base):
    """A product."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint(
            "status IN ('draft', 'proposed', 'published', 'rejected')", name="product_status_check"
        ),
        _index("IDX_product_handle_unique", "handle", unique=True),
        _index("IDX_product_status", "status"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("prod"))
    title: Mapped[str]
    handle: Mapped[str]
    subtitle: Mapped[str | None]
    description: Mapped[str | None]
    is_giftcard: Mapped[bool] = mapped_column(default=False, server_default=false())
    status: Mapped[str] = mapped_column(default="draft", server_default="draft")
    thumbnail: Mapped[str | None]
    weight: Mapped[float | None]
    length: Mapped[float | None]
    height: Mapped[float | None]
    width: Mapped[float | None]
    origin_country: Mapped[str | None]
    hs_code: Mapped[str | None]
    mid_code: Mapped[str | None]
    material: Mapped[str | None]
    collection_id: Mapped[str | None]
    type_id: Mapped[str | None]
    discountable: Mapped[bool] = mapped_column(default=True, server_default=true())
    external_id: Mapped[str | None]


class ProductVariantRow(Base):
    """What of a product can be bought: a size, a color."""

    __tablename__ = "product_variant"
    __table_args__ = (
        _index("IDX_product_variant_sku_unique", "sku", unique=True),
        _index("IDX_product_variant_product_id", "product_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("variant"))
    title: Mapped[str]
    sku: Mapped[str | None]
    barcode: Mapped[str | None]
    ean: Mapped[str | None]
    upc: Mapped[str | None]
    allow_backorder: Mapped[bool] = mapped_column(default=False, server_default=false())
    manage_inventory: Mapped[bool] = mapped_column(default=True, server_default=true())
    variant_rank: Mapped[int | None] = mapped_column(default=0, server_default="0")
    product_id: Mapped[str] = mapped_column(ForeignKey("product.id", ondelete="CASCADE"))


class CustomerRow(Base):
    """A customer; consent to the newsletter lives in the metadata."""

    __tablename__ = "customer"
    __table_args__ = (
        _index("IDX_customer_email_has_account_unique", "email", "has_account", unique=True),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("cus"))
    email: Mapped[str | None]
    first_name: Mapped[str | None]
    last_name: Mapped[str | None]
    company_name: Mapped[str | None]
    phone: Mapped[str | None]
    has_account: Mapped[bool] = mapped_column(default=False, server_default=false())
    created_by: Mapped[str | None]


class CartRow(Base):
    """A cart. It has no expiry: how long it lay untouched tells."""

    __tablename__ = "cart"
    __table_args__ = (
        _index("IDX_cart_customer_id", "customer_id"),
        # Not in Medusa: the cleanup looks for live carts by the time of their last change, and
        # would otherwise read every cart that the shop ever had.
        _index("IDX_cart_updated_at", "updated_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("cart"))
    region_id: Mapped[str | None]
    customer_id: Mapped[str | None]
    sales_channel_id: Mapped[str | None]
    email: Mapped[str | None]
    currency_code: Mapped[str]
    shipping_address_id: Mapped[str | None]
    billing_address_id: Mapped[str | None]
    completed_at: Mapped[datetime | None]
    locale: Mapped[str | None]


class CartLineItemRow(Base):
    """An item in a cart; deleted and restored along with it."""

    __tablename__ = "cart_line_item"
    __table_args__ = (
        CheckConstraint("unit_price >= 0", name="cart_line_item_unit_price_check"),
        _index("IDX_line_item_cart_id", "cart_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("cali"))
    cart_id: Mapped[str] = mapped_column(ForeignKey("cart.id", ondelete="CASCADE"))
    title: Mapped[str]
    quantity: Mapped[int]
    unit_price: Mapped[Decimal]
    raw_unit_price: Mapped[dict[str, Any]]
    variant_id: Mapped[str | None]
    product_id: Mapped[str | None]
    product_title: Mapped[str | None]
