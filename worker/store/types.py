"""Column types that mean the same on SQLite and on Postgres, and how ids are made."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Float, Numeric, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine
from ulid import ULID

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""JSON, stored as JSONB by Postgres; None is SQL's NULL."""


def new_id(prefix: str) -> Callable[[], str]:
    """A maker of ids `<prefix>_<ULID>`, which sort by the time they were made.

    Example:
        >>> new_id("prod")()[:5]
        'prod_'
    """

    def make() -> str:
        return f"{prefix}_{ULID()}"

    return make


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time: aware on the way in, in UTC on the way out.

    SQLite has no such type: there it is a text without a zone, in UTC, that sorts by time.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone, whose meaning would depend on the machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; add one, such as UTC")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give back what SQLite dropped, and turn the session's zone on Postgres into UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An amount: Medusa's `numeric`. SQLite has none; 15 digits of a REAL are exact enough.

    Medusa keeps the exact value beside it, in the `raw_` column.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """REAL on SQLite, numeric elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Float())
        return dialect.type_descriptor(Numeric())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """SQLite's driver takes no Decimal."""
        return float(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """On SQLite the shortest decimal that means the number stored."""
        return value if value is None or dialect.name != "sqlite" else Decimal(repr(value))


class utc_now(FunctionElement[datetime]):  # noqa: N801  # written like the SQL function that it is
    """The database's present time, in the form in which `UtcDateTime` stores it."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(utc_now)
def _utc_now(_element: utc_now, _compiler: SQLCompiler, **_options: Any) -> str:
    return "now()"


@compiles(utc_now, "sqlite")
def _utc_now_sqlite(_element: utc_now, _compiler: SQLCompiler, **_options: Any) -> str:
    # Six digits of a second, as SQLAlchemy writes them: otherwise the texts wouldn't sort by time.
    return "(strftime('%Y-%m-%d %H:%M:%f000', 'now'))"
