"""Firings as an iCalendar feed (RFC 5545), for the calendars that people look at."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_LINE_OCTETS = 75  # RFC 5545, section 3.1: longer lines are folded.
_BREAK = "\r\n"


@dataclass(frozen=True, slots=True)
class Event:
    """A firing as a calendar shows it.

    Attributes:
        job: The job's name.
        at: When it fires, an aware time.
        description: What a reader would like to know of it.
    """

    job: str
    at: datetime
    description: str = ""


def icalendar(app: str, events: Iterable[Event], *, made_at: datetime, note: str = "") -> str:
    """Write events as a feed.

    An event's UID is made of the application, the job and the time, so it is the same whenever
    the feed is made, and a calendar that reads it again shows no event twice.

    Args:
        app: The application's name.
        events: The events.
        made_at: When the feed is made, an aware time.
        note: What a reader should know of the whole feed.

    Returns:
        The feed's text, with the line ends that the standard asks for.

    Example:
        >>> at = datetime(2026, 1, 5, 9, tzinfo=UTC)
        >>> feed = icalendar("shop", [Event("report", at)], made_at=at)
        >>> feed.splitlines()[6:8]
        ['UID:20260105T090000Z-report@shop.euryale', 'DTSTAMP:20260105T090000Z']
    """
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Euryale//Scheduled jobs//EN",
        "CALSCALE:GREGORIAN",
        f"X-WR-CALNAME:{_text(f'{app}: scheduled jobs')}",
        *([f"X-WR-CALDESC:{_text(note)}"] if note else []),
        *(line for event in events for line in _event(app, event, made_at)),
        "END:VCALENDAR",
    ]
    return "".join(f"{folded}{_BREAK}" for line in lines for folded in _folded(line))


def _event(app: str, event: Event, made_at: datetime) -> Sequence[str]:
    start = _utc(event.at)
    return (
        "BEGIN:VEVENT",
        f"UID:{_text(f'{start}-{event.job}@{app}.euryale')}",
        f"DTSTAMP:{_utc(made_at)}",
        # Without an end: how long the run takes isn't known, and nobody is busy meanwhile.
        f"DTSTART:{start}",
        f"SUMMARY:{_text(event.job)}",
        *([f"DESCRIPTION:{_text(event.description)}"] if event.description else []),
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    )


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    """A value with the characters escaped that mean something in the format (section 3.3.11)."""
    for character in ("\\", ";", ","):
        value = value.replace(character, f"\\{character}")
    return "\\n".join(value.splitlines())


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of 75 octets at most, with a space before each but the first."""
    piece, octets = "", 0
    for character in line:
        width = len(character.encode())
        if octets + width > _LINE_OCTETS:
            yield piece
            piece, octets = " ", 1
        piece += character
        octets += width
    yield piece
