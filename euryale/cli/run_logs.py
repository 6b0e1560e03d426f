"""`euryale logs`: what happened in a run, and the lines that its handler logged."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

from rich.text import Text

from euryale.cli.cancel import RunArgument
from euryale.cli.options import AddressOption, AppOption, NamespaceOption, OutputOption
from euryale.cli.screen import Screen, reporting

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from euryale.project import Project
    from euryale.runs.log_lines import LogLine
    from euryale.runs.runs import Run
    from euryale.runs.story import StoryLine

_REPLAYED = timedelta(seconds=20)
"""How long a worker may take to replay a run whose lines are asked for; for a thousand calls that
takes some four seconds."""

_LATE = timedelta(seconds=5)
"""From when on the wait for a worker is worth a word."""

_LONGEST_TEXT = 500

_WORDS = {"cancel": "asked to end", "stuck": "a worker could not go on with it"}

_STYLES = {
    "failed": "red",
    "timed out": "red",
    "terminated": "red",
    "cancelled": "yellow",
    "under way": "cyan",
}


def logs(
    run: RunArgument,
    *,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Tell what happened in a run: each call with its time and attempts, and its log lines."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415 -- slow to import

        asyncio.run(_logs(screen, load_project(app), run, address, namespace))


async def _logs(
    screen: Screen, project: "Project", text: str, address: str | None, namespace: str | None
) -> None:
    from euryale.runs.runs import find_run  # noqa: PLC0415
    from euryale.runs.story import story, with_retries  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415 -- slow to import
    from euryale.time.zones import time_zone  # noqa: PLC0415

    client = await connect(address=address, namespace=namespace)
    found = await find_run(client, project.app.name, text)
    handle = client.get_workflow_handle(found.workflow_id, run_id=found.run_id)
    events = [event async for event in handle.fetch_history_events()]
    told = story(events)
    if found.ended is None:
        described = await handle.describe()
        told = with_retries(told, described.raw_description.pending_activities)
    lines, missing = await _lines(client, handle, project)
    summaries = await _summaries(client, told)
    job = project.registry.jobs.get(found.job)
    zone = time_zone(job.timetable.zone if job else "UTC")
    both: list[StoryLine | LogLine] = [*told, *lines]
    merged = sorted(both, key=lambda each: each.time)
    screen.result(
        {
            "name": found.job,
            "workflow_id": found.workflow_id,
            "run_id": found.run_id,
            "status": found.status,
            "operator": found.operator,
            "note": found.note,
            "lines": [_as_dict(each, summaries) for each in merged],
            "log_lines_missing": missing or None,
        },
        _headline(found, project.app.name, zone),
        *(_line(each, found, summaries, zone) for each in merged),
    )
    if missing:
        screen.note(f"the lines that its handler logged are not shown: {missing}")


async def _lines(
    client: "Client", handle: "WorkflowHandle[Any, Any]", project: "Project"
) -> "tuple[tuple[LogLine, ...], str]":
    """The lines that the handler logged; or none, and why they can't be told."""
    from temporalio.api.sdk.v1 import WorkflowMetadata  # noqa: PLC0415 -- slow to import
    from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError  # noqa: PLC0415
    from temporalio.service import RPCError  # noqa: PLC0415

    from euryale.cli.run import is_served  # noqa: PLC0415
    from euryale.runs.log_lines import log_lines  # noqa: PLC0415

    if not await is_served(client, project.app.queue):
        return (), (
            f"a worker makes them anew by a replay, and none has asked for work on task queue "
            f"'{project.app.queue}' in the last minute"
        )
    try:
        metadata = await handle.query(
            "__temporal_workflow_metadata", result_type=WorkflowMetadata, rpc_timeout=_REPLAYED
        )
    except (WorkflowQueryFailedError, WorkflowQueryRejectedError, RPCError) as error:
        reason = " ".join(str(error).split())
        return (), f"no worker could replay the run: {reason[:_LONGEST_TEXT]}"
    return log_lines(metadata.current_details), ""


async def _summaries(client: "Client", told: "Sequence[StoryLine]") -> Mapping[int, str]:
    """What the calls are about, by the lines' identity, with the client's data converter."""
    with_summary = [line for line in told if line.summary is not None]
    payloads = [line.summary for line in with_summary if line.summary is not None]
    values = await client.data_converter.decode(payloads) if payloads else []
    return {id(line): str(value) for line, value in zip(with_summary, values, strict=True)}


def _as_dict(line: "StoryLine | LogLine", summaries: Mapping[int, str]) -> dict[str, Any]:
    from euryale.runs.story import StoryLine  # noqa: PLC0415 -- slow to import

    if not isinstance(line, StoryLine):
        return {
            "time": line.time.isoformat(),
            "kind": "log",
            "level": line.level,
            "text": line.text,
        }
    return {
        "time": line.time.isoformat(),
        "kind": line.kind,
        "name": line.name,
        "state": line.state,
        "seconds": None if line.took is None else round(line.took.total_seconds(), 3),
        "attempts": line.attempts,
        "by": line.by,
        "text": line.text,
        "summary": summaries.get(id(line), ""),
        "sent_bytes": line.sent,
        "received_bytes": line.received,
        "workflow_id": line.workflow_id or None,
    }


def _headline(run: "Run", app: str, zone: tzinfo) -> Text:
    from euryale.cli.run_table import STYLES  # noqa: PLC0415 -- slow to import
    from euryale.cli.times import moment, took  # noqa: PLC0415

    name = run.workflow_id.removeprefix(f"{app}/")
    verb = "in" if run.status == "completed" else "after"
    return Text.assemble(
        (name, "bold"),
        "  ",
        (run.status, STYLES[run.status]),
        f" {verb} {took(run.elapsed(datetime.now(UTC)))}, started "
        f"{moment(run.started.astimezone(zone).replace(microsecond=0))}",
    )


def _line(
    line: "StoryLine | LogLine", run: "Run", summaries: Mapping[int, str], zone: tzinfo
) -> Text:
    from euryale.runs.story import StoryLine  # noqa: PLC0415 -- slow to import

    stamp = (f"{line.time.astimezone(zone):%H:%M:%S.%f}"[:-3], "dim")
    if not isinstance(line, StoryLine):
        style = {"error": "red", "warning": "yellow"}.get(line.level, "")
        return Text.assemble(stamp, "  ", (line.level, style or "green"), " ", (line.text, style))
    text = Text.assemble(stamp, "  ", _what(line, run))
    for part in _parts(line, summaries):
        text.append(f" · {part}", style="dim")
    return text


def _what(line: "StoryLine", run: "Run") -> Text:
    style = _STYLES.get(line.state, "")
    if line.kind == "start":
        return Text(_started(run))
    if line.kind in _WORDS:
        return Text(_WORDS[line.kind], style="yellow")
    if line.kind == "end":
        return Text(line.state, style=style or "green")
    named = {
        "timer": "a timer",
        "signal": f"signal {line.name}",
        "child workflow": f"{line.name} (child workflow)",
    }
    name = named.get(line.kind, line.name)
    return Text.assemble((name, "bold"), *([(f" {line.state}", style)] if style else []))


def _started(run: "Run") -> str:
    if not run.by_hand:
        return "started by its schedule"
    by = f" by {run.operator}" if run.operator else ""
    return f"started by hand{by}" + (f": {run.note}" if run.note else "")


def _parts(line: "StoryLine", summaries: Mapping[int, str]) -> list[str]:
    """What else is told of a line, in short."""
    parts = []
    if summary := summaries.get(id(line)):
        parts.append(summary)
    if (duration := _duration(line)) is not None:
        parts.append(duration)
    if line.attempts > 1:
        parts.append(f"{line.attempts} attempts")
    if line.text:
        parts.append(line.text[:_LONGEST_TEXT])
    if line.sent and line.kind == "start":
        parts.append(f"data {_bytes(line.sent)}")
    if line.received:
        parts.append(f"result {_bytes(line.received)}")
    if line.by:
        parts.append(f"by {line.by}")
    if line.kind == "child workflow" and line.workflow_id:
        parts.append(line.workflow_id)
    return parts


def _duration(line: "StoryLine") -> str | None:
    """How long it took, where that is worth a word."""
    from euryale.cli.times import took  # noqa: PLC0415 -- slow to import

    if line.took is None or line.kind == "timer":
        return None
    if line.kind == "start":
        return f"waited {took(line.took)} for a worker" if line.took > _LATE else None
    seconds = line.took.total_seconds()
    return took(line.took) if seconds >= 1 else f"{1000 * seconds:.0f} ms"


def _bytes(count: int) -> str:
    return f"{count:,} B" if count < 10_000 else f"{count / 1024:,.0f} KiB"  # noqa: PLR2004
