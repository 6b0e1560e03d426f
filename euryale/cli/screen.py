"""What a command prints: text for people or JSON for programs, and errors as sentences."""

import json
import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from euryale.cli.options import Output

FAILED = 1
"""The exit code of a command that failed; 2 is for one that was called wrongly."""

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as shells have it."""

_PIPE_WIDTH = 1000
"""Columns where there is no terminal: lines are for `grep` then, and must not be broken."""


class Screen:
    """Where a command's output goes.

    Attributes:
        as_json: Whether programs read it.
        console: The standard output, for people.
    """

    def __init__(self, output: Output) -> None:
        self.as_json = output == "json"
        self.console = _console(stderr=False)
        self._errors = _console(stderr=True)

    def result(self, value: Any, *text: RenderableType) -> None:
        """Print a command's whole result: the value as JSON, or the text."""
        if self.as_json:
            print(json.dumps(value, indent=2, default=str), flush=True)  # noqa: T201 -- no terminal codes, no line breaks
            return
        for line in text:
            self.console.print(line, soft_wrap=isinstance(line, str | Text))

    def event(self, event: str, text: RenderableType = "", /, **fields: Any) -> None:
        """Print one of several things that a command tells while it goes on.

        Args:
            event: What happened, for programs.
            text: The same for people.
            fields: The particulars, for programs: one JSON object a line.
        """
        if self.as_json:
            line = json.dumps({"event": event, **fields}, default=str)
            print(line, flush=True)  # noqa: T201 -- as above
        else:
            self.console.print(text, soft_wrap=isinstance(text, str | Text))

    def log_line(self, line: str) -> None:
        """Print a line of a log as it is, its colors included; it may come from any thread."""
        if self.as_json:
            print(line, flush=True)  # noqa: T201 -- as above
        else:
            self.console.print(Text.from_ansi(line), soft_wrap=True)

    def note(self, text: str) -> None:
        """Tell people something that is not part of the result."""
        if not self.as_json:
            self._errors.print(Text(text, style="yellow"), soft_wrap=True)

    def error(self, error: Exception) -> None:
        """Print an error as one sentence, or as `{"error": {...}}`."""
        if self.as_json:
            print(json.dumps({"error": error_as_dict(error)}), flush=True)  # noqa: T201 -- as above
        else:
            self._errors.print(error_line(error), soft_wrap=True)


def error_line(error: Exception) -> Text:
    """An error for people, in one line."""
    return Text.assemble(("error: ", "bold red"), _sentence(error))


def error_as_dict(error: Exception) -> dict[str, str]:
    """An error for programs."""
    from euryale.errors import EuryaleError  # noqa: PLC0415 -- a second to import; help needs none

    if isinstance(error, EuryaleError):
        return error.as_dict()
    return {"code": type(error).__name__, "where": "", "what": _sentence(error), "mend": ""}


def _sentence(error: Exception) -> str:
    from euryale.errors import EuryaleError  # noqa: PLC0415 -- as above

    if isinstance(error, EuryaleError):
        return str(error)
    reason = " ".join(str(error).split())
    return (
        f"unexpected {type(error).__name__}{': ' if reason else ''}{reason} "
        "(EURYALE_LOG_LEVEL=debug shows where)"
    )


@contextmanager
def reporting(output: Output) -> Iterator[Screen]:
    """The screen of a command; what is raised in the context is printed, and fails the command.

    Raises:
        typer.Exit: With the exit code, instead of whatever was raised.
    """
    screen = Screen(output)
    try:
        yield screen
    except (typer.Exit, typer.BadParameter):
        raise
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except Exception as error:  # noqa: BLE001 -- nobody is above this to tell of it
        if os.environ.get("EURYALE_LOG_LEVEL") == "debug":
            traceback.print_exc()
        screen.error(_meaning(error))
        raise typer.Exit(FAILED) from None


def _meaning(error: Exception) -> Exception:
    # Tasks side by side put what one of them raised into a group.
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if type(error).__name__ != "RPCError":
        return error
    from euryale.server.connection import translate  # noqa: PLC0415 -- as above

    return translate(error)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console
