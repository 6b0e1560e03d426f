"""The shop's tables, under the names that Medusa v2 gives to them and to their columns.

Only what this shop's services need. As in Medusa, tables of different modules (a cart and its
customer, an item and its product) don't reference each other by foreign keys. Two tables are the
shop's own, since Medusa has nothing like them: `product_sales` and `sync_state`. The engine's own
tables for sweeps stand beside them.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import REAL, CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.expression import false, true

from euryale.sweeps import sql_tables as sweep_tables
from worker.store.types import Json, Money, UtcDateTime, new_id, utc_now

_LIVE = text("deleted_at IS NULL")


def _index(name: str, *columns: str, unique: bool = False) -> Index:
    """An index over the live rows only; unique ones let a deleted row's value be used again."""
    return Index(name, *columns, unique=unique, sqlite_where=_LIVE, postgresql_where=_LIVE)


def _now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """What every table has: times of creation, change and soft deletion.

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


class WithMetadata:
    """What most tables have besides: whatever the shop's people and plugins attach to a row."""

    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", sort_order=99)


class ProductRow(WithMetadata, Base):
    """A product."""

    __tablename__ = "product"
    __table_args__ = (
        CheckConstraint(
            "status IN ('draft', 'proposed', 'published', 'rejected')", name="product_status_check"
        ),
        _index("IDX_product_handle_unique", "handle", unique=True),
        _index("IDX_product_status", "status"),
        # Not in Medusa: a sync reads on from where the last one stopped, deleted ones included.
        Index("IDX_product_updated_at_id", "updated_at", "id"),
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


class ProductVariantRow(WithMetadata, Base):
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


class CustomerRow(WithMetadata, Base):
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


class CartRow(WithMetadata, Base):
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


class CartLineItemRow(WithMetadata, Base):
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


class OrderRow(WithMetadata, Base):
    """An order. Its items are the rows of `order_item` that bear its present `version`."""

    __tablename__ = "order"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'completed', 'draft', 'archived', 'canceled',"
            " 'requires_action')",
            name="order_status_check",
        ),
        _index("IDX_order_display_id", "display_id"),
        _index("IDX_order_customer_id", "customer_id"),
        # Not in Medusa: an export reads the orders of a day, page by page.
        _index("IDX_order_created_at_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("order"))
    display_id: Mapped[int]
    region_id: Mapped[str | None]
    customer_id: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1, server_default="1")
    sales_channel_id: Mapped[str | None]
    status: Mapped[str] = mapped_column(default="pending", server_default="pending")
    is_draft_order: Mapped[bool] = mapped_column(default=False, server_default=false())
    email: Mapped[str | None]
    currency_code: Mapped[str]
    shipping_address_id: Mapped[str | None]
    billing_address_id: Mapped[str | None]
    no_notification: Mapped[bool | None]
    canceled_at: Mapped[datetime | None]


class OrderLineItemRow(WithMetadata, Base):
    """What was ordered, and at which price, as it was on that day.

    As in Medusa it knows neither its order nor a quantity: an order that is changed gets a new
    version with other quantities of the same items, so both are told by `order_item`.
    """

    __tablename__ = "order_line_item"
    __table_args__ = (
        _index("IDX_order_line_item_product_id", "product_id"),
        _index("IDX_order_line_item_variant_id", "variant_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("ordli"))
    title: Mapped[str]
    subtitle: Mapped[str | None]
    thumbnail: Mapped[str | None]
    variant_id: Mapped[str | None]
    product_id: Mapped[str | None]
    product_title: Mapped[str | None]
    product_handle: Mapped[str | None]
    variant_sku: Mapped[str | None]
    variant_title: Mapped[str | None]
    is_tax_inclusive: Mapped[bool] = mapped_column(default=False, server_default=false())
    unit_price: Mapped[Decimal]
    raw_unit_price: Mapped[dict[str, Any]]


class OrderItemRow(WithMetadata, Base):
    """How much of a line item belongs to one version of an order.

    A unit price stands here only where it was changed after the order was made.
    """

    __tablename__ = "order_item"
    __table_args__ = (
        _index("IDX_order_item_order_id_version", "order_id", "version"),
        _index("IDX_order_item_item_id", "item_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("orditem"))
    order_id: Mapped[str] = mapped_column(ForeignKey("order.id", ondelete="CASCADE"))
    version: Mapped[int]
    item_id: Mapped[str] = mapped_column(ForeignKey("order_line_item.id", ondelete="CASCADE"))
    quantity: Mapped[Decimal]
    raw_quantity: Mapped[dict[str, Any]]
    unit_price: Mapped[Decimal | None]
    raw_unit_price: Mapped[dict[str, Any] | None]


class NotificationRow(Base):
    """A message to somebody: what was to be sent, and how that ended."""

    __tablename__ = "notification"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'success', 'failure')", name="notification_status_check"
        ),
        _index("IDX_notification_idempotency_key_unique", "idempotency_key", unique=True),
        _index("IDX_notification_receiver_id", "receiver_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("noti"))
    to: Mapped[str]
    from_: Mapped[str | None] = mapped_column("from")
    channel: Mapped[str]
    template: Mapped[str | None]
    data: Mapped[dict[str, Any] | None]
    trigger_type: Mapped[str | None]
    resource_id: Mapped[str | None]
    resource_type: Mapped[str | None]
    receiver_id: Mapped[str | None]
    original_notification_id: Mapped[str | None]
    idempotency_key: Mapped[str | None]
    external_id: Mapped[str | None]
    provider_id: Mapped[str | None]
    provider_data: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(default="pending", server_default="pending")


class ProductSalesRow(Base):
    """What a product has sold in one currency; the shop's own table, recalculated from the orders.

    Medusa has no such sums. A row is replaced as a whole, never added to, so that its sums can't
    drift away from the orders; `calculated_at` tells when that was.
    """

    __tablename__ = "product_sales"
    __table_args__ = (
        _index(
            "IDX_product_sales_product_id_currency_code_unique",
            *("product_id", "currency_code"),
            unique=True,
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True, default=new_id("psales"))
    product_id: Mapped[str]
    currency_code: Mapped[str]
    quantity: Mapped[Decimal]
    revenue: Mapped[Decimal]
    raw_revenue: Mapped[dict[str, Any]]
    orders: Mapped[int]
    first_order_at: Mapped[datetime]
    last_order_at: Mapped[datetime]
    calculated_at: Mapped[datetime]


class SyncStateRow(WithMetadata, Base):
    """How far a sync with another system has come; the shop's own table, Medusa has none.

    A sync is known by its `name`, such as `products`. All that was changed until `synced_until` has
    been sent; `position` tells rows of that same time apart, such as by the last one's id.
    """

    __tablename__ = "sync_state"

    name: Mapped[str] = mapped_column(primary_key=True)
    synced_until: Mapped[datetime | None]
    position: Mapped[str | None]


class UndoLogRow(Base):
    """What one mutation found before it changed it; the shop's own table, Medusa has none.

    Written in the transaction of the change, under the call's idempotency key: an attempt that is
    made again, because the answer to the first one was lost, finds what the first one found. Once
    the call is over, Temporal's history has it, too; rows older than that is kept may be deleted.
    """

    __tablename__ = "undo_log"

    idempotency_key: Mapped[str] = mapped_column(primary_key=True)
    undo: Mapped[dict[str, Any]]


METADATA = (Base.metadata, sweep_tables.metadata)
"""All tables of the store: the shop's, and those in which sweeps keep how far they came."""
