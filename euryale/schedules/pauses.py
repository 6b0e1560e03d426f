"""Pausing and resuming: which schedules change, and the line that says who did it, when and why.

The line is the schedule's own note, so that Temporal's Web UI shows it too, and `read_note` reads
it. A schedule that a freeze paused is told from one that was paused on its own by its note alone.
"""

import difflib
import fnmatch
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from euryale.errors import JobUnknown, NothingMatches

Outcome = Literal[
    "paused",
    "resumed",
    "frozen",
    "was paused already",
    "was frozen already",
    "was not paused",
    "stays paused",
    "not applied yet",
    "failed",
]
"""What became of one schedule."""

_BY = r"by (?P<by>.+), (?P<since>\d{4}-\d\d-\d\d \d\d:\d\d) UTC"
_PAUSED = re.compile(rf"(?:(?P<why>.*) \(paused {_BY}\)|paused {_BY.replace('P<', 'P<only_')})")
_FROZEN = re.compile(rf"frozen(?:: (?P<why>.*))? \({_BY}\)")
_PATTERN = re.compile(r"[*?\[\]]")
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class PauseNote:
    """Who paused a schedule, when and why.

    Attributes:
        by: Who did it, as `user@host`.
        since: When, in UTC and to the minute.
        why: Why, in one line; empty where nobody said.
        frozen: Whether a freeze of all schedules did it.

    Example:
        >>> str(PauseNote("ana@host", datetime(2026, 11, 21, 23, 50, tzinfo=UTC), "inventory"))
        'inventory (paused by ana@host, 2026-11-21 23:50 UTC)'
    """

    by: str
    since: datetime
    why: str = ""
    frozen: bool = False

    def __str__(self) -> str:
        """The note's line, as `read_note` reads it."""
        by = f"by {self.by}, {self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        why = one_line(self.why)
        if self.frozen:
            return f"frozen: {why} ({by})" if why else f"frozen ({by})"
        return f"{why} (paused {by})" if why else f"paused {by}"


def read_note(note: str) -> PauseNote | None:
    """What a schedule's note says of its pause; None if no command of Euryale wrote it.

    Example:
        >>> read_note("frozen: inventory (by ana@host, 2026-11-21 23:50 UTC)").why
        'inventory'
        >>> read_note("paused in the Web UI") is None
        True
    """
    if match := _FROZEN.fullmatch(note):
        return PauseNote(match["by"], _time(match["since"]), match["why"] or "", frozen=True)
    if match := _PAUSED.fullmatch(note):
        return PauseNote(
            match["by"] or match["only_by"],
            _time(match["since"] or match["only_since"]),
            match["why"] or "",
        )
    return None


def resume_note(by: str, at: datetime, why: str = "") -> str:
    """The note that a resumed schedule bears.

    Example:
        >>> resume_note("ana@host", datetime(2026, 11, 22, 0, 5, tzinfo=UTC))
        'resumed by ana@host, 2026-11-22 00:05 UTC'
    """
    text = f"resumed by {by}, {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{one_line(why)} ({text})" if one_line(why) else text


def one_line(text: str) -> str:
    """A text without line breaks and needless spaces, as a note is shown.

    Example:
        >>> one_line(" the stock   is counted ")
        'the stock is counted'
    """
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class PauseState:
    """Whether a schedule is paused, and what its note says."""

    paused: bool
    note: str = ""

    @property
    def frozen(self) -> bool:
        """Whether a freeze paused it, and nobody paused it on its own since."""
        said = read_note(self.note)
        return self.paused and said is not None and said.frozen


@dataclass(frozen=True, slots=True)
class PauseChange:
    """What to do with one schedule.

    Attributes:
        outcome: What it comes to.
        state: What the schedule is to be.
    """

    outcome: Outcome
    state: PauseState


def pause(held: PauseState, note: PauseNote) -> PauseChange:
    """Pause a schedule; one that is paused keeps its note unless a reason is given.

    One that a freeze paused bears the new note in any case, so that it stays paused when the
    freeze ends.
    """
    if held.paused and not held.frozen:
        kept = PauseState(paused=True, note=str(note) if note.why else held.note)
        return PauseChange("was paused already", kept)
    return PauseChange("paused", PauseState(paused=True, note=str(note)))


def resume(held: PauseState, note: str) -> PauseChange:
    """Let a schedule fire again."""
    if not held.paused:
        return PauseChange("was not paused", held)
    return PauseChange("resumed", PauseState(paused=False, note=note))


def freeze(held: PauseState, note: PauseNote) -> PauseChange:
    """Pause a schedule with all others; one that is paused is left as it is."""
    if held.paused:
        return PauseChange("was frozen already" if held.frozen else "was paused already", held)
    return PauseChange("frozen", PauseState(paused=True, note=str(note)))


def thaw(held: PauseState, note: str) -> PauseChange:
    """Let a schedule fire again if a freeze paused it, and nobody paused it on its own since."""
    if held.frozen:
        return PauseChange("resumed", PauseState(paused=False, note=note))
    return PauseChange("stays paused" if held.paused else "was not paused", held)


def chosen(patterns: Sequence[str], names: Collection[str]) -> tuple[str, ...]:
    """The names that patterns choose, sorted and each once.

    Args:
        patterns: Names, and patterns with `*`, `?` and `[…]` as shells have them, in which upper
            and lower case differ.
        names: The names that there are.

    Raises:
        JobUnknown: A name is none of them; the nearest is suggested.
        NothingMatches: A pattern matches none of them.

    Example:
        >>> chosen(["report-*", "publish"], ["publish", "report-b", "report-a"])
        ('publish', 'report-a', 'report-b')
    """
    found: set[str] = set()
    for pattern in patterns:
        matching = {
            name
            for name in names
            if name == pattern or (is_pattern(pattern) and fnmatch.fnmatchcase(name, pattern))
        }
        if not matching:
            raise _nothing(pattern, names)
        found |= matching
    return tuple(sorted(found))


def is_pattern(text: str) -> bool:
    """Whether a text means all names of a kind.

    Example:
        >>> is_pattern("report-*"), is_pattern("report-daily")
        (True, False)
    """
    return _PATTERN.search(text) is not None


def _nothing(pattern: str, names: Collection[str]) -> JobUnknown | NothingMatches:
    nearest = difflib.get_close_matches(_PATTERN.sub("", pattern), sorted(names), n=3)
    shown = sorted(names)[:_SHOWN]
    known = ", ".join(shown) + (
        f" and {len(names) - len(shown)} more" if len(names) > _SHOWN else ""
    )
    if not is_pattern(pattern):
        mend = f"did you mean '{nearest[0]}'?" if nearest else f"the jobs are: {known or 'none'}"
        return JobUnknown(f"no job is named '{pattern}'", mend=mend)
    mend = f"near to it: {', '.join(nearest)}" if nearest else f"the jobs are: {known or 'none'}"
    return NothingMatches(f"no job's name matches '{pattern}'", mend=mend)


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
