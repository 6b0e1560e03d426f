"""Orders and notifications, and what the jobs remember: sales, and how far syncs came."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_LIVE = sa.text("deleted_at IS NULL")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_MONEY = sa.Numeric().with_variant(sa.Float(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def _text(name: str, *, nullable: bool = True, **options: Any) -> "sa.Column[Any]":
    return sa.Column(name, sa.Text(), nullable=nullable, **options)


def _key() -> "sa.Column[Any]":
    return _text("id", primary_key=True, nullable=False)


def _flag(name: str) -> "sa.Column[Any]":
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false())


def _reference(name: str, to: str) -> "sa.Column[Any]":
    return sa.Column(name, sa.Text(), sa.ForeignKey(to, ondelete="CASCADE"), nullable=False)


def _times() -> "list[sa.Column[Any]]":
    if op.get_context().dialect.name == "sqlite":
        now = sa.text("(strftime('%Y-%m-%d %H:%M:%f000', 'now'))")
    else:
        now = sa.text("now()")
    return [
        sa.Column("created_at", _MOMENT, nullable=False, server_default=now),
        sa.Column("updated_at", _MOMENT, nullable=False, server_default=now),
        sa.Column("deleted_at", _MOMENT),
    ]


def _index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(
        name, table, list(columns), unique=unique, sqlite_where=_LIVE, postgresql_where=_LIVE
    )


def upgrade() -> None:
    """Make the tables and their indexes."""
    _orders()
    _notifications()
    op.create_table(
        "product_sales",
        _key(),
        _text("product_id", nullable=False),
        _text("currency_code", nullable=False),
        sa.Column("quantity", _MONEY, nullable=False),
        sa.Column("revenue", _MONEY, nullable=False),
        sa.Column("raw_revenue", _JSON, nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("first_order_at", _MOMENT, nullable=False),
        sa.Column("last_order_at", _MOMENT, nullable=False),
        sa.Column("calculated_at", _MOMENT, nullable=False),
        *_times(),
    )
    _index(
        "IDX_product_sales_product_id_currency_code_unique",
        "product_sales",
        *("product_id", "currency_code"),
        unique=True,
    )
    op.create_table(
        "sync_state",
        _text("name", primary_key=True, nullable=False),
        sa.Column("synced_until", _MOMENT),
        _text("position"),
        sa.Column("metadata", _JSON),
        *_times(),
    )
    op.create_index("IDX_product_updated_at_id", "product", ["updated_at", "id"])


def _orders() -> None:
    op.create_table(
        "order",
        _key(),
        sa.Column("display_id", sa.Integer(), nullable=False),
        _text("region_id"),
        _text("customer_id"),
        sa.Column("version", sa.Integer(), nullable=False, server_default="1"),
        _text("sales_channel_id"),
        _text("status", nullable=False, server_default="pending"),
        _flag("is_draft_order"),
        _text("email"),
        _text("currency_code", nullable=False),
        _text("shipping_address_id"),
        _text("billing_address_id"),
        sa.Column("no_notification", sa.Boolean()),
        sa.Column("canceled_at", _MOMENT),
        sa.Column("metadata", _JSON),
        *_times(),
        sa.CheckConstraint(
            "status IN ('pending', 'completed', 'draft', 'archived', 'canceled',"
            " 'requires_action')",
            name="order_status_check",
        ),
    )
    _index("IDX_order_display_id", "order", "display_id")
    _index("IDX_order_customer_id", "order", "customer_id")
    _index("IDX_order_created_at_id", "order", "created_at", "id")

    op.create_table(
        "order_line_item",
        _key(),
        _text("title", nullable=False),
        _text("subtitle"),
        _text("thumbnail"),
        _text("variant_id"),
        _text("product_id"),
        _text("product_title"),
        _text("product_handle"),
        _text("variant_sku"),
        _text("variant_title"),
        _flag("is_tax_inclusive"),
        sa.Column("unit_price", _MONEY, nullable=False),
        sa.Column("raw_unit_price", _JSON, nullable=False),
        sa.Column("metadata", _JSON),
        *_times(),
    )
    _index("IDX_order_line_item_product_id", "order_line_item", "product_id")
    _index("IDX_order_line_item_variant_id", "order_line_item", "variant_id")

    op.create_table(
        "order_item",
        _key(),
        _reference("order_id", "order.id"),
        sa.Column("version", sa.Integer(), nullable=False),
        _reference("item_id", "order_line_item.id"),
        sa.Column("quantity", _MONEY, nullable=False),
        sa.Column("raw_quantity", _JSON, nullable=False),
        sa.Column("unit_price", _MONEY),
        sa.Column("raw_unit_price", _JSON),
        sa.Column("metadata", _JSON),
        *_times(),
    )
    _index("IDX_order_item_order_id_version", "order_item", "order_id", "version")
    _index("IDX_order_item_item_id", "order_item", "item_id")


def _notifications() -> None:
    op.create_table(
        "notification",
        _key(),
        _text("to", nullable=False),
        _text("from"),
        _text("channel", nullable=False),
        _text("template"),
        sa.Column("data", _JSON),
        _text("trigger_type"),
        _text("resource_id"),
        _text("resource_type"),
        _text("receiver_id"),
        _text("original_notification_id"),
        _text("idempotency_key"),
        _text("external_id"),
        _text("provider_id"),
        sa.Column("provider_data", _JSON),
        _text("status", nullable=False, server_default="pending"),
        *_times(),
        sa.CheckConstraint(
            "status IN ('pending', 'success', 'failure')", name="notification_status_check"
        ),
    )
    _index(
        "IDX_notification_idempotency_key_unique", "notification", "idempotency_key", unique=True
    )
    _index("IDX_notification_receiver_id", "notification", "receiver_id")


def downgrade() -> None:
    """Drop the tables, children first."""
    op.drop_index("IDX_product_updated_at_id", "product")
    for table in (
        "sync_state",
        "product_sales",
        "notification",
        "order_item",
        "order_line_item",
        "order",
    ):
        op.drop_table(table)
