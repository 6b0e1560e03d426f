"""Euryale: Medusa-style scheduled jobs as Temporal schedules and durable workflows."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from euryale.app import Euryale
    from euryale.config import Retry, ScheduledJobConfig
    from euryale.errors import EuryaleError
    from euryale.jobs.job import JobSource
    from euryale.jobs.job_plugin import JobPlugin
    from euryale.plugin import EuryalePlugin
    from euryale.runs.logger import DurableLogger
    from euryale.sagas.lock import Lock
    from euryale.sagas.saga import Saga
    from euryale.sagas.saga_failed import SagaFailed
    from euryale.sagas.step import ChangedSince, PermanentFailure, StepResponse, Unfinished, step
    from euryale.sagas.undo_report import StepUndo, UndoReport
    from euryale.services.bulk import BulkCall
    from euryale.services.call_payload import CallFailed
    from euryale.services.container import Container
    from euryale.services.idempotency import call_attempt, idempotency_key
    from euryale.services.provider import Provider, instance, per_activity, singleton
    from euryale.services.service import mutation, read
    from euryale.services.undo_record import record_undo
    from euryale.sweeps.declaration import sweep_query, sweep_step
    from euryale.sweeps.messages import SweepResult
    from euryale.sweeps.sweep import SweepFailed, sweep
    from euryale.watchdog.hooks import LogHook, MailHook, WebhookHook
    from euryale.watchdog.watchdog import Watchdog

__all__ = [
    "BulkCall",
    "CallFailed",
    "ChangedSince",
    "Container",
    "DurableLogger",
    "Euryale",
    "EuryaleError",
    "EuryalePlugin",
    "JobPlugin",
    "JobSource",
    "Lock",
    "LogHook",
    "MailHook",
    "PermanentFailure",
    "Provider",
    "Retry",
    "Saga",
    "SagaFailed",
    "ScheduledJobConfig",
    "StepResponse",
    "StepUndo",
    "SweepFailed",
    "SweepResult",
    "UndoReport",
    "Unfinished",
    "Watchdog",
    "WebhookHook",
    "call_attempt",
    "idempotency_key",
    "instance",
    "mutation",
    "per_activity",
    "read",
    "record_undo",
    "singleton",
    "step",
    "sweep",
    "sweep_query",
    "sweep_step",
]

# A name's module is imported when the name is first used, so that `euryale --help` needn't wait
# for Temporal's SDK, nor a service's module for the worker's.
_MODULES = {
    "BulkCall": "services.bulk",
    "CallFailed": "services.call_payload",
    "ChangedSince": "sagas.step",
    "Container": "services.container",
    "DurableLogger": "runs.logger",
    "Euryale": "app",
    "EuryaleError": "errors",
    "EuryalePlugin": "plugin",
    "JobPlugin": "jobs.job_plugin",
    "JobSource": "jobs.job",
    "Lock": "sagas.lock",
    "LogHook": "watchdog.hooks",
    "MailHook": "watchdog.hooks",
    "PermanentFailure": "sagas.step",
    "Provider": "services.provider",
    "Retry": "config",
    "Saga": "sagas.saga",
    "SagaFailed": "sagas.saga_failed",
    "ScheduledJobConfig": "config",
    "StepResponse": "sagas.step",
    "StepUndo": "sagas.undo_report",
    "SweepFailed": "sweeps.sweep",
    "SweepResult": "sweeps.messages",
    "UndoReport": "sagas.undo_report",
    "Unfinished": "sagas.step",
    "Watchdog": "watchdog.watchdog",
    "WebhookHook": "watchdog.hooks",
    "call_attempt": "services.idempotency",
    "idempotency_key": "services.idempotency",
    "instance": "services.provider",
    "mutation": "services.service",
    "per_activity": "services.provider",
    "read": "services.service",
    "record_undo": "services.undo_record",
    "singleton": "services.provider",
    "step": "sagas.step",
    "sweep": "sweeps.sweep",
    "sweep_query": "sweeps.declaration",
    "sweep_step": "sweeps.declaration",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'euryale' has no attribute {name!r}")
    # Not importlib.import_module: the sandbox sees only what goes through __import__, and hands
    # over the worker's own module instead of making another.
    module = __import__(f"euryale.{_MODULES[name]}", fromlist=[name])
    value = globals()[name] = getattr(module, name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
