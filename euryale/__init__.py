"""Euryale: Medusa-style scheduled jobs as Temporal schedules and durable workflows."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from euryale.app import Euryale
    from euryale.config import Retry, ScheduledJobConfig
    from euryale.container import Container
    from euryale.durable_service import CallFailed
    from euryale.errors import EuryaleError
    from euryale.hooks import LogHook, MailHook, WebhookHook
    from euryale.idempotency import idempotency_key
    from euryale.job import JobSource
    from euryale.job_plugin import JobPlugin
    from euryale.logger import DurableLogger
    from euryale.plugin import EuryalePlugin
    from euryale.provider import Provider, instance, per_activity, singleton
    from euryale.saga import Saga, StepResponse, step
    from euryale.service import mutation, read
    from euryale.watchdog import Watchdog

__all__ = [
    "CallFailed",
    "Container",
    "DurableLogger",
    "Euryale",
    "EuryaleError",
    "EuryalePlugin",
    "JobPlugin",
    "JobSource",
    "LogHook",
    "MailHook",
    "Provider",
    "Retry",
    "Saga",
    "ScheduledJobConfig",
    "StepResponse",
    "Watchdog",
    "WebhookHook",
    "idempotency_key",
    "instance",
    "mutation",
    "per_activity",
    "read",
    "singleton",
    "step",
]

# A name's module is imported when the name is first used, so that `euryale --help` needn't wait
# for Temporal's SDK, nor a service's module for the worker's.
_MODULES = {
    "CallFailed": "durable_service",
    "Container": "container",
    "DurableLogger": "logger",
    "Euryale": "app",
    "EuryaleError": "errors",
    "EuryalePlugin": "plugin",
    "JobPlugin": "job_plugin",
    "JobSource": "job",
    "LogHook": "hooks",
    "MailHook": "hooks",
    "Provider": "provider",
    "Retry": "config",
    "Saga": "saga",
    "ScheduledJobConfig": "config",
    "StepResponse": "saga",
    "Watchdog": "watchdog",
    "WebhookHook": "hooks",
    "idempotency_key": "idempotency",
    "instance": "provider",
    "mutation": "service",
    "per_activity": "provider",
    "read": "service",
    "singleton": "provider",
    "step": "saga",
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
