"""What can go wrong in the store, in sentences without SQL and without customers' data.

A failed call's error ends in a history that many people can read. SQLAlchemy's own messages hold
the statement and its parameters, so they stop here, at one place.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_MIGRATION_MISSING = ("42P01", "42703")
"""Postgres's codes for a table and for a column that don't exist."""


class StoreUnavailable(Exception):
    """The database is locked, gone or not migrated: the same call may succeed later."""


class StoreRefused(ValueError):
    """A constraint or a type refuses the change: the same call will fail again."""


@contextmanager
def database_errors(place: str) -> Iterator[None]:
    """Turn the driver's errors into the two of this module.

    Args:
        place: The database as a person would name it, without its password.

    Raises:
        StoreUnavailable: Trying again can help.
        StoreRefused: Trying again can't help.
    """
    try:
        yield
    except PoolTimeoutError:
        raise StoreUnavailable(
            f"the shop's store, {place}, is unavailable: all its connections are in use"
        ) from None
    except (IntegrityError, DataError) as error:
        raise StoreRefused(
            f"the shop's store, {place}, refuses the change: {_reason(error)}"
        ) from None
    except DBAPIError as error:
        reason = _reason(error)
        if _is_migration_missing(error, reason):
            raise StoreUnavailable(
                f"the shop's store, {place}, has not been migrated: {reason}; "
                "`python -m worker.seed` makes its tables"
            ) from None
        if isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated:
            # `from None`: a cause would carry the statement along, into logs and histories.
            raise StoreUnavailable(f"the shop's store, {place}, is unavailable: {reason}") from None
        raise


def _reason(error: DBAPIError) -> str:
    """The driver's first line: those after it can repeat the row's values."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__


def _is_migration_missing(error: DBAPIError, reason: str) -> bool:
    if isinstance(error, ProgrammingError):
        return getattr(error.orig, "sqlstate", None) in _MIGRATION_MISSING
    return reason.startswith(("no such table", "no such column"))
