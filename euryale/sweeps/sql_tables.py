"""The tables of sweeps over SQL databases, for the application's migrations."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
)

metadata = MetaData()
"""Holds the tables; Alembic takes it beside the application's own in `target_metadata`."""

_Id = BigInteger().with_variant(Integer(), "sqlite")

slabs = Table(
    "euryale_sweep",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("sweep", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("after", Text, nullable=False),
    Column("until", Text, nullable=False),
    Column("position", Text, nullable=False),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("dead", BigInteger, nullable=False, server_default="0"),
    Column("finished", Boolean, nullable=False, server_default=false()),
    Column("closed", Boolean, nullable=False, server_default=false()),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("sweep", "number", name="euryale_sweep_unique"),
)
"""How far each slab of each sweep has come; keys are JSON, and empty where there is none."""

undo_log = Table(
    "euryale_sweep_undo",
    metadata,
    # No foreign key: the database would look each row's slab up.
    Column("slab", _Id, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("before", Text, nullable=False),
    Column("after", Text),
    sqlite_with_rowid=False,  # rows lie in the order in which they are taken back
)
"""What each row was before and after, in terms of JSON; or what a step kept of it."""

dead_letters = Table(
    "euryale_sweep_dead_letter",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("slab", _Id, ForeignKey("euryale_sweep.id", ondelete="CASCADE"), nullable=False),
    Column("key", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("euryale_sweep_dead_letter_slab", "slab", "id"),
)
"""The rows that were set aside, and why."""
