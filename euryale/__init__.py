"""Euryale: Medusa-style scheduled jobs as Temporal schedules and durable workflows."""

from euryale.errors import EuryaleError
from euryale.service import mutation, read

__all__ = [
    "EuryaleError",
    "mutation",
    "read",
]
