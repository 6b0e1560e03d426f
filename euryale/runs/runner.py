"""How runs of jobs are held: in Temporal's sandbox, with the application's code passed through.

Two things are added to Temporal's own sandbox. The modules that the worker has already loaded
(services, libraries) are passed through instead of being executed again for each run; only job
files and workflow modules are isolated and checked. And a handler that blocks its thread again and
again fails its run, where Temporal alone would repeat the workflow task for ever.
"""

import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.exceptions import ApplicationError
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import (
    SandboxedWorkflowRunner,
    SandboxMatcher,
    SandboxRestrictions,
)
from temporalio.workflow import SandboxImportNotificationPolicy

from euryale.errors import HandlerBlocked
from euryale.jobs.durable_ways import outward_calls
from euryale.registry import Registry
from euryale.runs.job_workflow import BLOCKED_FUNCTION, REGISTRY_FUNCTION, JobWorkflow
from euryale.runs.size_guard import SizeGuard
from euryale.runs.under_way import UnderWay
from euryale.sagas.run_undo import APP_FUNCTION

LONGEST_TURN = timedelta(seconds=2)
"""How long Temporal's worker lets a run keep its thread."""

BLOCKS_ALLOWED = 3
"""Workflow tasks of one run that may block before it fails. One alone can be a busy machine."""


class JobWorkflowRunner(WorkflowRunner):
    """Runs jobs and the application's workflows; leaves all other workflows to another runner."""

    def __init__(
        self, registry: Registry, inner: WorkflowRunner, workflows: Iterable[type] = ()
    ) -> None:
        self._registry = registry
        self._inner = inner
        self._ours = frozenset((JobWorkflow, *workflows))
        isolated = {workflow.__module__ for workflow in workflows}
        isolated |= modules_below({job.source.path for job in registry.jobs.values()})
        restrictions = replace(
            SandboxRestrictions.default,
            invalid_module_members=without_zones(SandboxRestrictions.invalid_module_members_default)
            | outward_matcher(),
        )
        self._sandbox = SandboxedWorkflowRunner(
            # A run imports its job's module when it begins, so a warning about a late import would
            # come with every run.
            restrictions=restrictions.with_passthrough_modules(
                *passed_through(isolated)
            ).with_import_notification_policy(SandboxImportNotificationPolicy.SILENT)
        )
        self._blocked: dict[str, list[str]] = {}

    def prepare_workflow(self, defn: Any) -> None:
        """Check a workflow's definition when the worker starts."""
        self._runner_of(defn.cls).prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Any) -> None:
        """Hand the worker's failure types on."""
        self._inner.set_worker_level_failure_exception_types(types)
        self._sandbox.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Make what holds one run on this worker."""
        told = {**det.extern_functions, APP_FUNCTION: lambda: self._registry.app}
        det = replace(det, extern_functions=told)
        if det.defn.cls is not JobWorkflow:
            return self._runner_of(det.defn.cls).create_instance(det)
        functions: dict[str, Callable[..., Any]] = {
            **det.extern_functions,
            REGISTRY_FUNCTION: lambda: self._registry,
            BLOCKED_FUNCTION: functools.partial(self._note_block, det.info.run_id),
        }
        interceptors = [*det.interceptor_classes, SizeGuard, UnderWay]
        det = replace(det, extern_functions=functions, interceptor_classes=interceptors)
        return _GuardedInstance(self._sandbox.create_instance(det), det, self._blocked)

    def _runner_of(self, workflow: type) -> WorkflowRunner:
        return self._sandbox if workflow in self._ours else self._inner

    def _note_block(self, run_id: str, place: str) -> None:
        self._blocked.setdefault(run_id, []).append(place)


class _GuardedInstance(WorkflowInstance):
    """A run that fails when its handler has blocked its thread too often in a row."""

    def __init__(
        self,
        instance: WorkflowInstance,
        det: WorkflowInstanceDetails,
        blocked: dict[str, list[str]],
    ) -> None:
        self._instance = instance
        # The worker asks for the contexts of each payload, several times, and Temporal's sandbox
        # compiles and enters a piece of code for every answer: 1 ms of CPU a call. They are a
        # plain look-up in which nothing of the application runs, so it's made without that.
        inside: Any = getattr(instance, "globals_and_locals", {}).get("__temporal_in_sandbox")
        self._contexts: WorkflowInstance = instance if inside is None else inside
        self._job = det.info.workflow_type
        self._run_id = det.info.run_id
        self._blocked = blocked
        # After two seconds Temporal's worker goes on without waiting for the thread's end. It would
        # take the run out of its cache while that still moves, and then neither ever ends.
        self._moving = threading.Lock()

    def activate(self, act: Any) -> Any:
        """Let the run go on, or fail it; never when it is only taken out of the worker's cache."""
        with self._moving:
            return self._activate(act)

    def _activate(self, act: Any) -> Any:
        places = self._blocked.get(self._run_id, ())
        evicted = any(job.HasField("remove_from_cache") for job in act.jobs)
        if len(places) >= BLOCKS_ALLOWED and not evicted:
            del self._blocked[self._run_id]
            raise self._failure(places)
        blocks = len(places)
        began = time.monotonic()
        completion = self._instance.activate(act)
        took = time.monotonic() - began
        if (
            took > LONGEST_TURN.total_seconds()
            and not evicted
            and len(self._blocked.get(self._run_id, ())) == blocks
        ):
            # The interruption hit some other task than that of the handler.
            self._blocked.setdefault(self._run_id, []).append(self._job)
        # An interrupted activation comes back as well, one block later; nobody hears it.
        interrupted = len(self._blocked.get(self._run_id, ())) > blocks
        if not interrupted and not evicted and not act.is_replaying:
            self._blocked.pop(self._run_id, None)
        return completion

    def _failure(self, places: Sequence[str]) -> ApplicationError:
        error = HandlerBlocked(
            f"the handler of '{self._job}' kept its thread for over two seconds without awaiting "
            f"anything, {len(places)} times in a row",
            where=places[-1],
            mend="move the work into a service's method; what a handler does itself must be quick. "
            "Where it begins tens of thousands of calls at once, let `container.each` begin them",
        )
        # Temporal's worker turns this one kind of error, raised by an activation, into the
        # failure of the run instead of the workflow task.
        return ApplicationError(str(error), type=type(error).__name__, non_retryable=True)

    def get_thread_id(self) -> int | None:
        """See the base class; without it a blocked thread could not be interrupted."""
        return self._instance.get_thread_id()

    def get_serialization_context(self, command_info: Any) -> Any:
        """See the base class."""
        return self._contexts.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        """See the base class."""
        return self._contexts.get_external_store_context(command_info)

    def get_info(self) -> Any:
        """See the base class."""
        return self._instance.get_info()


def without_zones(matcher: SandboxMatcher) -> SandboxMatcher:
    """The same without `zoneinfo`, of which Temporal's list refuses what changes its caches.

    For that a zone would be a proxy, and `datetime.astimezone` takes none: no handler could tell
    the time in a zone.
    """
    kept = {name: each for name, each in matcher.children.items() if name != "zoneinfo"}
    return replace(matcher, children=kept)


def outward_matcher() -> SandboxMatcher:
    """What the sandbox refuses beyond Temporal's own list: libraries that reach outside."""
    return SandboxMatcher(
        children={
            module: SandboxMatcher(use=set(names), only_runtime=True)
            for module, names in outward_calls().items()
        }
    )


def modules_below(folders: Iterable[Path]) -> set[str]:
    """The loaded modules whose files lie in the folders: the job files and what they share."""
    roots = [folder.resolve() for folder in folders]
    return {
        name
        for name, module in tuple(sys.modules.items())
        if (file := getattr(module, "__file__", None))
        and any(Path(file).is_relative_to(root) for root in roots)
    }


def passed_through(isolated: Iterable[str]) -> frozenset[str]:
    """The modules that runs share with the worker: all that are loaded, save the isolated ones.

    A passed-through module takes its submodules along, so the packages around an isolated module
    are left out too.
    """
    apart = set(isolated)
    for name in tuple(apart):
        while "." in name:
            name = name.rpartition(".")[0]  # noqa: PLW2901 -- climbs to the root package
            apart.add(name)
    apart |= {"__main__", "sys", "builtins"}
    return frozenset({"euryale"} | (set(sys.modules) - apart))
