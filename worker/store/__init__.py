"""The shop's store: tables with Medusa's names, in an SQLite file or a Postgres database."""

from worker.store.engine import Store, open_store
from worker.store.errors import StoreRefused, StoreUnavailable
from worker.store.migrations import upgrade

__all__ = ["Store", "StoreRefused", "StoreUnavailable", "open_store", "upgrade"]
