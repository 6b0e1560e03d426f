"""What mutations found before they changed it, by their idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

_JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make the table."""
    on_sqlite = op.get_context().dialect.name == "sqlite"
    now = sa.text("(strftime('%Y-%m-%d %H:%M:%f000', 'now'))" if on_sqlite else "now()")
    op.create_table(
        "undo_log",
        sa.Column("idempotency_key", sa.Text(), primary_key=True, nullable=False),
        sa.Column("undo", _JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=now),
        sa.Column("deleted_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("undo_log")
