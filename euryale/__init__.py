"""Euryale: Medusa-style scheduled jobs as Temporal schedules and durable workflows."""

from euryale.app import Euryale
from euryale.config import Retry, ScheduledJobConfig
from euryale.container import Container
from euryale.durable_service import CallFailed
from euryale.errors import EuryaleError
from euryale.idempotency import idempotency_key
from euryale.job import JobSource
from euryale.logger import DurableLogger
from euryale.plugin import EuryalePlugin
from euryale.provider import Provider, instance, per_activity, singleton
from euryale.saga import Saga, StepResponse, step
from euryale.service import mutation, read

__all__ = [
    "CallFailed",
    "Container",
    "DurableLogger",
    "Euryale",
    "EuryaleError",
    "EuryalePlugin",
    "JobSource",
    "Provider",
    "Retry",
    "Saga",
    "ScheduledJobConfig",
    "StepResponse",
    "idempotency_key",
    "instance",
    "mutation",
    "per_activity",
    "read",
    "singleton",
    "step",
]
