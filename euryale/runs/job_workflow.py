"""The workflow of every job: it runs the job's handler as workflow code.

One dynamic workflow serves all jobs, so the workflow type that the Web UI shows is the job's own
name. The job's module is imported inside Temporal's sandbox for each run; the engine's own
modules are passed through.
"""

import asyncio
import importlib
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception
from temporalio.worker.workflow_sandbox import RestrictedWorkflowAccessError

from euryale.errors import HandlerNotDurable, JobNotServed, JobUnknown, PayloadTooLarge, RunTimedOut
from euryale.jobs.durability import durable_way
from euryale.jobs.job import Job, give_options, inspect_handler, validate_data
from euryale.registry import Registry
from euryale.runs.failures import bounded, innermost, told
from euryale.runs.job_undo import take_back, wants_undo
from euryale.runs.lateness import turn_of_run
from euryale.runs.limits import PAYLOAD_LIMIT
from euryale.runs.logger import DurableLogger
from euryale.runs.memo import MEMO
from euryale.sagas.saga_failed import SagaFailed
from euryale.services.container import Container
from euryale.services.durable_calls import DurableCalls
from euryale.time.timetable import nominal

REGISTRY_FUNCTION = "euryale_registry"
"""The extern function that gives a run its worker's registry."""

BLOCKED_FUNCTION = "euryale_blocked"
"""The extern function that a run tells where its handler was when its thread was interrupted."""


@workflow.defn(dynamic=True)
class JobWorkflow:
    """Runs the handler of the job that the workflow type names."""

    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> RawValue:
        """Run the job's handler with the run's data.

        An exception that leaves the handler fails the run under its own type and message. Only a
        job that this worker doesn't serve fails the workflow *task* instead, so that the run
        waits for a worker that does.
        """
        registry: Registry = workflow.extern_functions()[REGISTRY_FUNCTION]()
        job = _served(registry, workflow.info().workflow_type)
        with workflow.unsafe.sandbox_unrestricted():
            _refuse_if_edited(registry, job)
        try:
            result = await _run_handler(registry, job, args)
            return _encode_result(job, result)
        except asyncio.CancelledError:
            if wants_undo(job):
                await take_back(registry.app)
            raise
        except Exception as error:  # noqa: BLE001 -- whatever the handler raises fails its run
            _tell(job, error)
            failure = _failure(job, error)
            if wants_undo(job):
                report = await take_back(registry.app)
                # A cancelled run is to end as one; its memo has the report.
                if not is_cancelled_exception(error):
                    undone = SagaFailed(failure, report)
                    raise undone.with_traceback(error.__traceback__) from failure
            raise failure from failure.__cause__
        except SystemExit as error:
            if wants_undo(job):
                await take_back(registry.app)
            raise ApplicationError(
                f"the handler of '{job.name}' asked the process to exit ({error.code})",
                type="SystemExit",
                non_retryable=True,
            ) from None
        except BaseException as error:
            # Temporal raises an exception of its own in a thread that didn't yield for two
            # seconds. Where it hit is known only here; what follows from it is the runner's.
            if type(error).__name__ == "_InterruptDeadlockError":
                workflow.extern_functions()[BLOCKED_FUNCTION](_line(job, error) or job.where)
            raise


def _served(registry: Registry, name: str) -> Job:
    try:
        return registry.job(name)
    except JobUnknown:
        left_out = ", ".join(problem.where for problem in registry.errors)
        raise JobNotServed(
            f"this worker doesn't serve the job '{name}'"
            + (f"; it had to leave out {left_out}" if left_out else ""),
            where=workflow.info().workflow_id,
            mend="start a worker that has its job file, and the run goes on there; or, if the job "
            "is gone, remove its schedule with `euryale apply --prune`",
        ) from None


def _refuse_if_edited(registry: Registry, job: Job) -> None:
    """Leave a run to a worker that has the file as it is now: its tasks fail here till then.

    Each run imports its job's file anew. In the middle of a deployment that would be another
    release's code, or half a file, and the run would fail for good.
    """
    if registry.was_edited(job):
        raise JobNotServed(
            f"{job.file} was changed after this worker had read it",
            where=job.where,
            mend="start the worker anew; the run goes on there",
        )


async def _run_handler(registry: Registry, job: Job, args: Sequence[RawValue]) -> Any:
    turn = await turn_of_run(job)
    if turn and turn.superseded:
        return None
    module = importlib.import_module(job.module)
    converter = workflow.payload_converter()
    data = converter.from_payload(args[0].payload) if args else dict(job.config.data)
    # The handler is inspected here, inside the sandbox, so that `data` is an instance of the
    # class that the handler's own module defines. Options are read on the worker: they are in no
    # history.
    signature = inspect_handler(module.handler, where=job.where)
    declared = None if signature.data_type is None else TypeAdapter(signature.data_type)
    given: Mapping[str, Any] = {
        "container": Container(registry.services, DurableCalls(job.config.retry)),
        "data": validate_data(declared, data, job=job.name),
        "plugin_options": give_options(signature.options_type, job.source.plugin_options)
        if "plugin_options" in signature.parameters
        else None,
        "scheduled_for": nominal(job.timetable, turn.fired_at)
        if turn
        else workflow.info().workflow_start_time,
    }
    arguments = {name: given[name] for name in signature.parameters}
    timeout = workflow.memo_value(MEMO, default={}, type_hint=dict).get("timeout")
    try:
        async with asyncio.timeout(timeout) as limit:
            return await module.handler(**arguments)
    except (Exception, asyncio.CancelledError) as error:
        # What was waited for may answer the cancellation with an error of its own.
        if not limit.expired():
            raise
        raise RunTimedOut(
            f"the run of '{job.name}' took longer than its timeout of {timeout:g} seconds",
            where=job.where,
            mend="give the config a longer timeout, or the handler less to do",
        ) from error


def _encode_result(job: Job, result: Any) -> RawValue:
    payload = workflow.payload_converter().to_payload(result)
    if payload.ByteSize() > PAYLOAD_LIMIT:
        raise PayloadTooLarge(
            f"the result of '{job.name}' has {payload.ByteSize():,} bytes; Temporal carries "
            f"{PAYLOAD_LIMIT:,} at the most",
            where=job.where,
            mend="return a summary, and keep the rest in a service",
        )
    return RawValue(payload)


def _failure(job: Job, error: Exception) -> Exception:
    """The failure of a run: the exception's own type, message, traceback and causes."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, FailureError):
        return bounded(error)
    message = str(error)
    if isinstance(error, ExceptionGroup):
        message += ": " + "; ".join(f"{type(one).__name__}: {one}" for one in error.exceptions)
    kind = type(error).__name__
    if isinstance(error, RestrictedWorkflowAccessError):
        name = error.qualified_name.removesuffix(".__call__")
        refused = HandlerNotDurable(
            f"the handler of '{job.name}' used {name}, which isn't the same under replay",
            where=_line(job, error) or job.where,
            mend=durable_way(error.qualified_name),
        )
        kind, message = type(refused).__name__, str(refused)
    failure = ApplicationError(message, type=kind, non_retryable=True)
    failure.__cause__ = error.__cause__
    return bounded(failure.with_traceback(error.__traceback__))


def _tell(job: Job, error: Exception) -> None:
    """Log why the run fails, with the line of the job's file that it came through."""
    if is_cancelled_exception(error):
        return
    first = innermost(error)
    kind = first.type if isinstance(first, ApplicationError) else None
    DurableLogger.of_run().error(
        "run failed",
        action="run_failed",
        error=f"{kind or type(first).__name__}: {told(first)}",
        where=_line(job, error) or job.where,
    )


def _line(job: Job, error: BaseException) -> str:
    """The last line of the job's own file that the error came through, as `file:line`."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(job.file)
    ]
    return f"{job.where.rpartition(':')[0]}:{lines[-1]}" if lines else ""
