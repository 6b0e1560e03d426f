"""`euryale pause --run` and `euryale resume --run`: whether the sweeps of a run go on."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.text import Text

if TYPE_CHECKING:
    from temporalio.client import Client

    from euryale.cli.screen import Screen
    from euryale.runs.runs import Run
    from euryale.runs.sweep_progress import RunSweep

Asked = Literal["pause", "resume"]
Outcome = Literal["paused", "was paused already", "resumed", "was not paused", "has ended"]


@dataclass(frozen=True, slots=True)
class ChangedSweep:
    """What became of one sweep."""

    sweep: "RunSweep"
    outcome: Outcome
    note: str

    def as_dict(self) -> dict[str, Any]:
        """The same for programs."""
        return self.sweep.as_dict() | {"outcome": self.outcome, "note": self.note or None}

    def __str__(self) -> str:
        note = f": {self.note}" if self.note else ""
        return f"{self.outcome}  {self.sweep.step} at {self.sweep.place}{note}"


async def change_sweeps(
    screen: "Screen",
    app: str,
    text: str,
    asked: Asked,
    note: str,
    *,
    said: bool,
    server: tuple[str | None, str | None],
) -> None:
    """Pause or resume the sweeps that a run has under way, and print what became of them.

    Args:
        screen: The command's screen.
        app: The application's name.
        text: The run, as somebody names it.
        asked: What is to be done.
        note: The line that says who does it and why.
        said: Whether somebody said why: then also a sweep that is paused already gets the note.
        server: The server's address and the namespace.

    Raises:
        NoSweepUnderWay: The run has none.
        RunUnknown: No run is named so.
    """
    from euryale.errors import NoSweepUnderWay  # noqa: PLC0415 -- slow to import
    from euryale.runs.runs import find_run  # noqa: PLC0415
    from euryale.runs.sweep_progress import sweeps_under_way  # noqa: PLC0415
    from euryale.server.connection import connect  # noqa: PLC0415

    address, namespace = server
    client = await connect(address=address, namespace=namespace)
    run = await find_run(client, app, text)
    sweeps = await sweeps_under_way(client, run)
    if not sweeps:
        raise NoSweepUnderWay(_why_not(run), where=run.workflow_id, mend=_instead(run))
    changed = await asyncio.gather(
        *(_change(client, sweep, asked, note, said=said) for sweep in sweeps)
    )
    screen.result(
        {
            "app": app,
            "name": run.job,
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "sweeps": [each.as_dict() for each in changed],
        },
        *(Text(str(each)) for each in changed),
    )
    if asked == "pause" and any(each.outcome == "paused" for each in changed):
        screen.note("what is under way of it stops after the batch that it is at")


async def _change(
    client: "Client", sweep: "RunSweep", asked: Asked, note: str, *, said: bool
) -> ChangedSweep:
    from temporalio.service import RPCError, RPCStatusCode  # noqa: PLC0415 -- slow to import

    progress = sweep.progress
    paused = progress is not None and progress.state in ("pausing", "paused")
    if asked == "resume" and not paused:
        return ChangedSweep(sweep, "was not paused", "")
    if asked == "pause" and paused and not said:
        return ChangedSweep(sweep, "was paused already", progress.note if progress else "")
    try:
        await client.get_workflow_handle(sweep.workflow_id).signal(asked, note)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return ChangedSweep(sweep, "has ended", "")
    if asked == "resume":
        return ChangedSweep(sweep, "resumed", note)
    return ChangedSweep(sweep, "was paused already" if paused else "paused", note)


def _why_not(run: "Run") -> str:
    if run.ended is None:
        return "the run has no sweep under way"
    return f"the run has ended ({run.status}), and its sweeps with it"


def _instead(run: "Run") -> str:
    if run.ended is None:
        return (
            f"`euryale pause {run.job}` keeps its schedule from starting others, and "
            "`euryale cancel` ends the run"
        )
    return f"`euryale runs {run.job}` lists those under way"
