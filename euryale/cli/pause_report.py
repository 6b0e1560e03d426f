"""What pausing or resuming schedules came to, as a command shows it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.text import Text

from euryale.cli.screen import FAILED, Screen
from euryale.schedules.pauses import Outcome, PauseState
from euryale.schedules.pausing import Changed, Told

_STYLES: Mapping[Outcome, str] = {
    "paused": "yellow",
    "frozen": "yellow",
    "resumed": "green",
    "failed": "red",
}
"""The colors of what was done; the rest is dim, since nothing was done about it."""

_MANY: Mapping[Outcome, str] = {
    "was paused already": "were paused already",
    "was frozen already": "were frozen already",
    "was not paused": "were not paused",
    "stays paused": "stay paused",
}
"""What is said of several schedules, where that differs."""


@contextmanager
def counting(screen: Screen) -> Iterator[Told]:
    """Show on a terminal how many schedules are done.

    Yields:
        What is to be told of each one that is done.
    """
    console = Console(stderr=True)
    shown = console.is_terminal and not screen.as_json
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task("")
        yield lambda done, total: progress.update(task, completed=done, total=total)


def report(
    screen: Screen, fields: Mapping[str, Any], changed: Sequence[Changed], *text: Text
) -> None:
    """Print what became of each schedule.

    Args:
        screen: The command's screen.
        fields: What else programs are told.
        changed: What became of each schedule.
        text: What else people are told, before.

    Raises:
        typer.Exit: Some schedule failed.
    """
    width = max((len(each.outcome) for each in changed), default=0)
    screen.result(
        {**fields, "schedules": [_as_dict(each) for each in changed]},
        *text,
        *(_line(each, width) for each in changed),
        *([_summary(changed)] if len(changed) > 1 else []),
    )
    if any(each.outcome == "failed" for each in changed):
        raise typer.Exit(FAILED)


def _line(changed: Changed, width: int) -> Text:
    style = _STYLES.get(changed.outcome, "dim")
    note = _told(changed)
    return Text.assemble(
        (changed.outcome.ljust(width), style), f"  {changed.name}", (note and f": {note}", "dim")
    )


def _told(changed: Changed) -> str:
    """Why a schedule failed, or what notes it bears and bore."""
    if changed.after is None:
        return changed.error
    before = changed.before or changed.after
    if before.paused and changed.after.paused and before.note != changed.after.note:
        return f"{changed.after.note}; before: {before.note}"
    # Of a schedule that was paused, what counts is why it was.
    return before.note if before.paused else changed.after.note if changed.after.paused else ""


def _summary(changed: Sequence[Changed]) -> Text:
    counts = Counter(each.outcome for each in changed)
    told = (
        f"{count:,} {_MANY.get(outcome, outcome) if count > 1 else outcome}"
        for outcome, count in counts.most_common()
    )
    return Text(", ".join(told), style="bold")


def _as_dict(changed: Changed) -> dict[str, Any]:
    return {
        "name": changed.name,
        "outcome": changed.outcome,
        "before": _state(changed.before),
        "after": _state(changed.after),
        "error": changed.error or None,
    }


def _state(state: PauseState | None) -> dict[str, Any] | None:
    return None if state is None else {"paused": state.paused, "note": state.note}
