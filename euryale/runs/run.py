"""A run: starting one by hand, and following it while it goes on."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from temporalio.client import Client, WorkflowHandle, WorkflowHistoryEventFilterType
from temporalio.service import RPCError, RPCStatusCode

from euryale.app import Euryale
from euryale.jobs.job import Job
from euryale.runs.memo import MEMO, run_memo
from euryale.runs.progress import Progress, Retrying, retrying_in

QUIET = timedelta(seconds=2)
"""How long a history may be quiet before the server is asked what is being tried again: attempts
that failed are in no history until the last one."""

_RECONNECT = timedelta(seconds=1)

_AWAY = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)


async def start_run(
    client: Client,
    app: Euryale,
    job: Job,
    data: Mapping[str, Any] | None = None,
    *,
    operator: str = "",
    note: str = "",
) -> WorkflowHandle[Any, Any]:
    """Start a run of a job now, beside its schedule and whatever else runs.

    Args:
        client: A connected client.
        app: The application that the job is one of.
        job: The job.
        data: What the handler gets as `data`; by default what the job's config says.
        operator: Who starts it, for the record; see `operators.operator_name`.
        note: Why, for the record.

    Raises:
        DataInvalid: The data is not what the handler declares; nothing is started.
        RPCError: The server can't be reached or refuses.
    """
    given = dict(job.config.data if data is None else data)
    job.validate_data(given)
    said = {key: text for key, text in (("operator", operator), ("note", note)) if text}
    return await client.start_workflow(
        job.name,
        given,
        id=f"{app.name}/{job.name}/{uuid.uuid4().hex[:8]}",
        task_queue=app.queue,
        memo={MEMO: run_memo(job.config) | said},
        static_summary=job.config.description or None,
        static_details=_details(operator, note),
    )


def _details(operator: str, note: str) -> str | None:
    """What Temporal's Web UI shows of who started a run and why; it reads it as Markdown."""
    if not operator and not note:
        return None
    by = f" by `{operator.replace('`', '')}`" if operator else ""
    return f"Started by hand{by}" + (f": {note}" if note else "")


async def follow(client: Client, handle: WorkflowHandle[Any, Any]) -> AsyncIterator[Progress]:
    """Follow a run until it ends, also over a restart of the server.

    Yields:
        The progress whenever it changed; the last one has an `ended`.

    Raises:
        RPCError: The server answers, but refuses: it doesn't know the run, for example.
    """
    progress = Progress()
    run_id = handle.first_execution_run_id or handle.run_id
    while progress.ended is None:
        run = client.get_workflow_handle(handle.id, run_id=run_id)
        try:
            async for latest in _pages(run, progress):
                progress = latest
                yield progress
        except RPCError as error:
            if not _may_come_back(error):
                raise
            await asyncio.sleep(_RECONNECT.total_seconds())
        if progress.continued_in:
            # The next run counts its events from one again.
            run_id = progress.continued_in
            progress = replace(progress, continued_in="", event=0, under_way={})


async def _pages(run: WorkflowHandle[Any, Any], progress: Progress) -> AsyncIterator[Progress]:
    """Fold one page of the history after the other; a page is what happened since the last one."""
    events = run.fetch_history_events(wait_new_event=True)
    while progress.ended is None and not progress.continued_in:
        poll = asyncio.ensure_future(events.fetch_next_page())
        try:
            while not (await asyncio.wait({poll}, timeout=QUIET.total_seconds()))[0]:
                retrying = await _retrying(run, progress)
                if retrying != progress.retrying:
                    progress = replace(progress, retrying=retrying)
                    yield progress
            await poll
        finally:
            poll.cancel()
        for event in events.current_page or ():
            progress = progress.after(event)
        yield progress
        if events.next_page_token is None:
            return


async def _retrying(run: WorkflowHandle[Any, Any], progress: Progress) -> tuple[Retrying, ...]:
    try:
        description = await run.describe()
    except RPCError as error:
        if not _may_come_back(error):
            raise
        return progress.retrying
    return retrying_in(description.raw_description.pending_activities)


def _may_come_back(error: RPCError) -> bool:
    """Whether the server is only away; not where it is this task that gave the call up."""
    task = asyncio.current_task()
    # A connection that breaks in the middle of an answer has no status of its own.
    broken = error.status is RPCStatusCode.UNKNOWN and error.message == "transport error"
    return (error.status in _AWAY or broken) and not (task is not None and task.cancelling())


async def until_ended(client: Client, workflow_id: str, run_id: str) -> None:
    """Wait until a run has ended, also over a restart of the server.

    Raises:
        RPCError: The server answers, but refuses: it doesn't know the run, for example.
    """
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    while True:
        try:
            async for _ in handle.fetch_history_events(
                wait_new_event=True, event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT
            ):
                return
        except RPCError as error:
            if not _may_come_back(error):
                raise
            await asyncio.sleep(_RECONNECT.total_seconds())
