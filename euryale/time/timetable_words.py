"""Timetables in words: all that says when a job fires, and the text that it was written as."""

from datetime import datetime

from euryale.time.cron import CronExpression, Every
from euryale.time.timetable import Entry, Timetable
from euryale.time.words import in_words

_MOST_DATES = 3


def timetable_in_words(timetable: Timetable) -> str:
    """What a timetable means, in English and by the 24-hour clock; its zone isn't told.

    Example:
        >>> entries = (CronExpression.parse("0 9 * * MON"), CronExpression.parse("@hourly"))
        >>> timetable_in_words(Timetable(entries))
        'At 09:00, on Monday; and every hour'
    """
    told = [_entry_in_words(entry) for entry in timetable.entries]
    parts = [told[0], *(f"and {_lowered(words)}" for words in told[1:])]
    if timetable.start_at:
        parts.append(f"from {_moment(timetable.start_at)}")
    if timetable.end_at:
        parts.append(f"until {_moment(timetable.end_at)}")
    days = [each for each in timetable.exceptions if not isinstance(each, CronExpression)]
    if len(days) > _MOST_DATES:
        parts.append(f"except on {len(days)} days from {min(days)} to {max(days)}")
    elif days:
        parts.append(f"except on {', '.join(str(day) for day in days)}")
    parts += [
        f"except {_lowered(in_words(each))}"
        for each in timetable.exceptions
        if isinstance(each, CronExpression)
    ]
    return "; ".join(parts)


def timetable_text(timetable: Timetable) -> str:
    """What a timetable's entries were written as, in one line.

    Example:
        >>> timetable_text(Timetable((CronExpression.parse("0 9 * * MON"),)))
        '0 9 * * MON'
    """
    return "; ".join(_entry_text(entry) for entry in timetable.entries)


def _entry_in_words(entry: Entry) -> str:
    return f"Once, at {_moment(entry)}" if isinstance(entry, datetime) else in_words(entry)


def _entry_text(entry: Entry) -> str:
    match entry:
        case CronExpression():
            return entry.text
        case Every():
            return _lowered(in_words(entry))
        case datetime():
            return _moment(entry)


def _lowered(words: str) -> str:
    return words[0].lower() + words[1:]


def _moment(moment: datetime) -> str:
    shown = moment.isoformat(sep=" ", timespec="seconds" if moment.second else "minutes")
    return shown.replace("+00:00", " UTC")
