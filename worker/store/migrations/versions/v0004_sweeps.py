"""What the engine's sweeps keep: how far each slab has come, what undoes it, and dead letters."""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _created_at() -> sa.Column[datetime]:
    return sa.Column(
        "created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()
    )


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "euryale_sweep",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("sweep", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("until", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("dead", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("finished", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("closed", sa.Boolean(), nullable=False, server_default=sa.false()),
        _created_at(),
        sa.UniqueConstraint("sweep", "number", name="euryale_sweep_unique"),
    )
    op.create_table(
        "euryale_sweep_undo",
        # No foreign key: the database would look each row's slab up.
        sa.Column("slab", _ID, primary_key=True, nullable=False),
        sa.Column("key", sa.Text(), primary_key=True, nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "euryale_sweep_dead_letter",
        sa.Column("id", _ID, primary_key=True),
        sa.Column(
            "slab", _ID, sa.ForeignKey("euryale_sweep.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        _created_at(),
    )
    op.create_index("euryale_sweep_dead_letter_slab", "euryale_sweep_dead_letter", ["slab", "id"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("euryale_sweep_dead_letter")
    op.drop_table("euryale_sweep_undo")
    op.drop_table("euryale_sweep")
