"""Runs as a command shows them: live while they go on, and how each of them ended."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from euryale.cli.screen import Screen
from euryale.cli.times import took
from euryale.runs.progress import Outcome, Progress, outcome_of
from euryale.runs.run import follow
from euryale.runs.sweep_progress import RunSweep, SweepWatch

_LONGEST_RESULT = 300
"""Characters of a result that are shown; the whole of it is in the Web UI and in JSON."""

_TIMES = "×"  # noqa: RUF001 -- the multiplication sign is meant

_PLAIN_EVERY = timedelta(seconds=2)
"""How often a plain line tells of a run, where no terminal shows it live."""


_LOOKED_AT = timedelta(seconds=1)
"""How often it is asked how far the sweeps of a run have come."""

_BAR = 30
"""Columns of a sweep's bar."""

_MOST_SWEEPS = 10
"""Sweeps of one run that are shown at once; a run may have many under way."""


@dataclass(frozen=True)
class StartedRun:
    """A run that a command started, under its job's name."""

    name: str
    handle: WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class EndedRun:
    """A run that a command has followed to its end."""

    run: StartedRun
    progress: Progress
    outcome: Outcome
    sweeps: tuple[RunSweep, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """How it ended, for programs."""
        failure = {
            "type": self.outcome.failure_type,
            "message": self.outcome.failure_message,
            "where": place(self.outcome.failure_where),
        }
        return {
            "name": self.run.name,
            "workflow_id": self.run.handle.id,
            "run_id": self.run.handle.first_execution_run_id or self.run.handle.run_id,
            "status": self.progress.status,
            "seconds": round(self.progress.elapsed.total_seconds(), 3),
            "calls": dict(self.progress.finished),
            "failed_calls": dict(self.progress.failed),
            "sweeps": [sweep.as_dict() for sweep in self.sweeps],
            "result": self.outcome.result,
            "failure": None if self.outcome.succeeded else failure,
        }

    def report(self) -> Text:
        """How it ended, for people."""
        text = self._headline()
        if calls := counts(self.progress):
            text.append("\n    calls     ", style="dim").append(calls)
        for sweep in self.sweeps[:_MOST_SWEEPS]:
            text.append("\n    swept     ", style="dim").append(f"{sweep.step}: {sweep}")
        if self.outcome.failure_where:
            text.append("\n    at        ", style="dim").append(place(self.outcome.failure_where))
        if self.outcome.result is not None:
            shown = json.dumps(self.outcome.result, ensure_ascii=False, default=str)
            if len(shown) > _LONGEST_RESULT:
                shown = f"{shown[:_LONGEST_RESULT]}…"
            text.append("\n    returned  ", style="dim").append(shown)
        return text

    def _headline(self) -> Text:
        after = f" after {took(self.progress.elapsed)}"
        if self.outcome.succeeded:
            return Text.assemble(
                ("✓ ", "green"),
                (self.run.name, "bold"),
                f" completed{after}".replace("after", "in"),
            )
        if self.progress.status == "failed":
            message = ": ".join(
                part for part in (self.outcome.failure_type, self.outcome.failure_message) if part
            )
            told = f" failed{after} with {message}"
        else:
            reason = self.outcome.failure_message
            told = f" was {self.progress.status}{after}" + (f": {reason}" if reason else "")
        return Text.assemble(("✗ ", "red"), (self.run.name, "bold"), told)


async def follow_runs(
    screen: Screen, client: Client, runs: Sequence[StartedRun]
) -> tuple[EndedRun, ...]:
    """Follow some runs until all have ended, and show how they get on."""
    latest: dict[str, _Latest] = {run.handle.id: _Latest(Progress()) for run in runs}

    async def one(run: StartedRun) -> EndedRun:
        now = latest[run.handle.id]
        run_id = run.handle.first_execution_run_id or run.handle.run_id or ""
        watch = SweepWatch(client, run.handle.id, run_id)
        async with _looking(watch, now):
            async for progress in follow(client, run.handle):
                now.progress = progress
        await watch.look(now.progress.sweeps)
        outcome = await outcome_of(client, now.progress)
        return EndedRun(run, now.progress, outcome, watch.sweeps)

    async with asyncio.TaskGroup() as group:
        following = [group.create_task(one(run)) for run in runs]
        if screen.as_json:
            await asyncio.wait(following)
        elif screen.console.is_terminal:
            view = _LiveView(runs, latest)
            with Live(view, console=screen.console, refresh_per_second=8, transient=True):
                await asyncio.wait(following)
        else:
            await _tell_plainly(screen, runs, latest, following)
    return tuple(task.result() for task in following)


@dataclass
class _Latest:
    """What is known of a run at this moment."""

    progress: Progress
    sweeps: tuple[RunSweep, ...] = ()


@asynccontextmanager
async def _looking(watch: SweepWatch, now: _Latest) -> AsyncIterator[None]:
    """Look at the sweeps again and again during the block, also over a restart of the server."""
    over = asyncio.Event()

    async def look() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), _LOOKED_AT.total_seconds())
                return
            with suppress(RPCError):
                await watch.look(now.progress.sweeps)
                under_way = [sweep for sweep in watch.sweeps if sweep.goes_on]
                now.sweeps = tuple(under_way[:_MOST_SWEEPS])

    looking = asyncio.ensure_future(look())
    try:
        yield
    finally:
        over.set()
        await looking


async def _tell_plainly(
    screen: Screen,
    runs: Sequence[StartedRun],
    latest: Mapping[str, _Latest],
    following: Sequence[asyncio.Task[EndedRun]],
) -> None:
    told: dict[str, str] = {}
    pending: set[asyncio.Task[EndedRun]] = set(following)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=_PLAIN_EVERY.total_seconds())
        for run in runs:
            now = latest[run.handle.id]
            progress = now.progress
            swept = [f"{sweep.step}: {sweep}" for sweep in now.sweeps]
            doing = " · ".join(filter(None, [_doing(progress).plain, *swept]))
            if progress.ended is None and doing and told.get(run.handle.id) != doing:
                told[run.handle.id] = doing
                screen.console.print(
                    f"  {run.name}: {doing} ({took(progress.elapsed)})", soft_wrap=True
                )


class _LiveView:
    """What the terminal shows of the runs at each moment."""

    def __init__(self, runs: Sequence[StartedRun], latest: Mapping[str, _Latest]) -> None:
        self._runs = runs
        self._latest = latest
        self._spinner = Spinner("dots", style="cyan")

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 2, 0, 0))
        sweeps: list[RenderableType] = []
        for run in self._runs:
            now = self._latest[run.handle.id]
            progress = now.progress
            if now.sweeps and progress.ended is None:
                sweeps.append(Padding(sweep_bars(now.sweeps), (0, 0, 0, 2)))
            table.add_row(
                self._mark(progress),
                Text(run.name, style="bold"),
                Text(took(progress.elapsed), style="dim", justify="right"),
                _doing(progress),
            )
        return Group(table, *sweeps)

    def _mark(self, progress: Progress) -> RenderableType:
        if progress.ended is None:
            return self._spinner
        done = progress.status == "completed"
        return Text("✓" if done else "✗", style="green" if done else "red")


def sweep_bars(sweeps: Sequence[RunSweep]) -> Table:
    """A bar for each sweep; one of unknown length pulses."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for sweep in sweeps:
        progress = sweep.progress
        total = progress.total if progress else None
        done = progress.rows + progress.dead_letters if progress else 0
        bar = ProgressBar(total=total, completed=done, width=_BAR, pulse=total is None)
        table.add_row(sweep.step, bar, Text(str(sweep)))
    return table


def _doing(progress: Progress) -> Text:
    """What a run has done, and what holds it up."""
    text = Text(counts(progress))
    held_up = [
        f"{one.call} is tried again (attempt {one.attempt}): {_first_line(one.reason)}"
        for one in progress.retrying
    ]
    if progress.stuck:
        held_up.append(f"waits for a worker: {_first_line(progress.stuck)}")
    for reason in held_up[:3]:
        text.append(" · " if text.plain else "").append(reason, style="yellow")
    return text


def place(where: str) -> str:
    """A line of a file as seen from the working directory, if it lies below that.

    Example:
        >>> place(f"{Path.cwd()}/jobs/publish.py:17"), place("/elsewhere/publish.py:17")
        ('jobs/publish.py:17', '/elsewhere/publish.py:17')
    """
    return where.removeprefix(f"{Path.cwd()}{os.sep}")


def counts(progress: Progress) -> str:
    """The calls that ended, by name, with how often each did."""
    ended = [f"{name} {_TIMES}{count}" for name, count in progress.finished.items()]
    ended += [f"{name} {_TIMES}{count} failed" for name, count in progress.failed.items()]
    return ", ".join(ended)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
