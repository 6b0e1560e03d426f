"""A run's own log lines, kept with the run: the last of them, as text in its current details.

Current details are state of the workflow, which a replay makes again like any other; Temporal's
Web UI shows them, and `euryale logs` asks for them, also after the run has ended. They take no room
in its history.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

KEPT_LINES = 200
"""Lines that are kept of a run."""

KEPT_CHARACTERS = 32_000
"""Characters that are kept of them in all."""

_LONGEST_LINE = 2_000
_LONGEST_VALUE = 300

_FENCE = "```"
_LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) ([a-z]+) (.*)")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a handler logged.

    Attributes:
        time: When, by the run's own clock.
        level: Such as `info`.
        text: The event, and its values as `key=value`.
    """

    time: datetime
    level: str
    text: str

    def __str__(self) -> str:
        stamp = self.time.astimezone(UTC).isoformat(timespec="milliseconds")
        return f"{stamp.replace('+00:00', 'Z')} {self.level} {self.text}"


def text_of(event: str, values: Mapping[str, Any]) -> str:
    """An event and its values in one line.

    Example:
        >>> text_of("published the drafts", {"products": 200, "by": "the clock"})
        "published the drafts products=200 by='the clock'"
    """
    parts = [event, *(f"{name}={_value(value)}" for name, value in values.items())]
    # A fence inside would end the block that the lines stand in.
    text = " ".join(" ".join(parts).split()).replace(_FENCE, "'''")
    return text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + "…"


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not any(character.isspace() for character in value):
        text = value
    else:
        try:
            text = repr(value)
        except Exception as error:  # noqa: BLE001 -- a line about it is better than none
            text = f"<{type(error).__name__}>"
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"


def with_line(details: str, line: LogLine) -> str:
    """A run's current details with one more line; the oldest lines make room for it.

    Args:
        details: The details as they are; what somebody else wrote there stays.
        line: The line.
    """
    above, lines = _parted(details)
    lines = [*lines, str(line)][-KEPT_LINES:]
    size = sum(len(each) + 1 for each in lines)
    while size > KEPT_CHARACTERS:
        size -= len(lines.pop(0)) + 1
    return "\n".join([*([above, ""] if above else []), f"{_FENCE}text", *lines, _FENCE])


def log_lines(details: str) -> tuple[LogLine, ...]:
    """The lines in a run's current details.

    Example:
        >>> line = LogLine(datetime(2026, 1, 5, tzinfo=UTC), "info", "done count=3")
        >>> log_lines(with_line("", line)) == (line,)
        True
    """
    return tuple(
        LogLine(datetime.fromisoformat(match[1]), match[2], match[3])
        for match in map(_LINE.fullmatch, _parted(details)[1])
        if match
    )


def _parted(details: str) -> tuple[str, list[str]]:
    """What stands above the lines, and the lines."""
    above, opened, rest = details.partition(f"{_FENCE}text\n")
    if not opened:
        return details.strip(), []
    return above.strip(), rest.removesuffix(_FENCE).splitlines()
