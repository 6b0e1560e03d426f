"""The first tables: product, product_variant, customer, cart, cart_line_item.

A migration is history: it spells its types out instead of importing the models, which move on.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

_LIVE = sa.text("deleted_at IS NULL")
_JSON = sa.JSON().with_variant(JSONB(), "postgresql")
_MONEY = sa.Numeric().with_variant(sa.Float(), "sqlite")


def _text(name: str, *, nullable: bool = True, **options: Any) -> "sa.Column[Any]":
    return sa.Column(name, sa.Text(), nullable=nullable, **options)


def _flag(name: str, *, default: bool) -> "sa.Column[Any]":
    value = sa.true() if default else sa.false()
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=value)


def _common() -> "list[sa.Column[Any]]":
    if op.get_context().dialect.name == "sqlite":
        now = sa.text("(strftime('%Y-%m-%d %H:%M:%f000', 'now'))")
    else:
        now = sa.text("now()")
    moment = sa.DateTime(timezone=True)
    return [
        sa.Column("metadata", _JSON),
        sa.Column("created_at", moment, nullable=False, server_default=now),
        sa.Column("updated_at", moment, nullable=False, server_default=now),
        sa.Column("deleted_at", moment),
    ]


def _index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(
        name, table, list(columns), unique=unique, sqlite_where=_LIVE, postgresql_where=_LIVE
    )


def upgrade() -> None:
    """Make the tables and their indexes."""
    op.create_table(
        "product",
        _text("id", primary_key=True, nullable=False),
        _text("title", nullable=False),
        _text("handle", nullable=False),
        _text("subtitle"),
        _text("description"),
        _flag("is_giftcard", default=False),
        _text("status", nullable=False, server_default="draft"),
        _text("thumbnail"),
        sa.Column("weight", sa.REAL()),
        sa.Column("length", sa.REAL()),
        sa.Column("height", sa.REAL()),
        sa.Column("width", sa.REAL()),
        _text("origin_country"),
        _text("hs_code"),
        _text("mid_code"),
        _text("material"),
        _text("collection_id"),
        _text("type_id"),
        _flag("discountable", default=True),
        _text("external_id"),
        *_common(),
        sa.CheckConstraint(
            "status IN ('draft', 'proposed', 'published', 'rejected')", name="product_status_check"
        ),
    )
    _index("IDX_product_handle_unique", "product", "handle", unique=True)
    _index("IDX_product_status", "product", "status")

    op.create_table(
        "product_variant",
        _text("id", primary_key=True, nullable=False),
        _text("title", nullable=False),
        _text("sku"),
        _text("barcode"),
        _text("ean"),
        _text("upc"),
        _flag("allow_backorder", default=False),
        _flag("manage_inventory", default=True),
        sa.Column("variant_rank", sa.Integer(), server_default="0"),
        sa.Column(
            "product_id",
            sa.Text(),
            sa.ForeignKey("product.id", ondelete="CASCADE"),
            nullable=False,
        ),
        *_common(),
    )
    _index("IDX_product_variant_sku_unique", "product_variant", "sku", unique=True)
    _index("IDX_product_variant_product_id", "product_variant", "product_id")

    op.create_table(
        "customer",
        _text("id", primary_key=True, nullable=False),
        _text("email"),
        _text("first_name"),
        _text("last_name"),
        _text("company_name"),
        _text("phone"),
        _flag("has_account", default=False),
        _text("created_by"),
        *_common(),
    )
    _index("IDX_customer_email_has_account_unique", "customer", "email", "has_account", unique=True)

    op.create_table(
        "cart",
        _text("id", primary_key=True, nullable=False),
        _text("region_id"),
        _text("customer_id"),
        _text("sales_channel_id"),
        _text("email"),
        _text("currency_code", nullable=False),
        _text("shipping_address_id"),
        _text("billing_address_id"),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        _text("locale"),
        *_common(),
    )
    _index("IDX_cart_customer_id", "cart", "customer_id")
    _index("IDX_cart_updated_at", "cart", "updated_at")

    op.create_table(
        "cart_line_item",
        _text("id", primary_key=True, nullable=False),
        sa.Column(
            "cart_id", sa.Text(), sa.ForeignKey("cart.id", ondelete="CASCADE"), nullable=False
        ),
        _text("title", nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", _MONEY, nullable=False),
        sa.Column("raw_unit_price", _JSON, nullable=False),
        _text("variant_id"),
        _text("product_id"),
        _text("product_title"),
        *_common(),
        sa.CheckConstraint("unit_price >= 0", name="cart_line_item_unit_price_check"),
    )
    _index("IDX_line_item_cart_id", "cart_line_item", "cart_id")


def downgrade() -> None:
    """Drop the tables, children first."""
    for table in ("cart_line_item", "cart", "customer", "product_variant", "product"):
        op.drop_table(table)
