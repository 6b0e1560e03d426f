"""Why a time is none of a job's firings, and what stands for it on nights when clocks are changed.

Known by the policy clock alone, so all of it is sure.
"""

from collections.abc import Mapping
from datetime import datetime

from euryale.time.firing import Absence, Firing, NoFiring
from euryale.time.timetable import Timetable
from euryale.time.timetable_words import timetable_in_words, timetable_text
from euryale.why.evidence import Reason, Value, Verdict

_WORDS: Mapping[Absence, str] = {
    "no_match": "nothing in its schedule ({schedule}: {meaning}) is at that time",
    "excepted": "its `except` takes that time out: {exception}",
    "before_start": "it is before its start_at, {start_at}",
    "after_end": "it is after its end_at, {end_at}",
    "clocks_changed": "{seam}: {effect}, by dst={dst}",
}


def why_no_firing(timetable: Timetable, found: NoFiring) -> Verdict:
    """Why a job doesn't fire at a time, and when it does before and after it.

    Example:
        >>> from datetime import UTC
        >>> from euryale.time.firing import find_firing
        >>> from euryale.time.timetable import parse_timetable
        >>> nightly = parse_timetable("30 4 * * *")
        >>> found = find_firing(nightly, datetime(2026, 1, 5, tzinfo=UTC))
        >>> why_no_firing(nightly, found).reasons[0].told(str)
        'nothing in its schedule (30 4 * * *: At 04:30) is at that time'
    """
    values: dict[str, Value] = {
        "schedule": timetable_text(timetable),
        "meaning": timetable_in_words(timetable),
        "exception": found.exception,
    }
    if timetable.start_at is not None:
        values["start_at"] = timetable.start_at
    if timetable.end_at is not None:
        values["end_at"] = timetable.end_at
    values |= _of_that_night(timetable, found)
    reason = Reason(found.absence, _WORDS[found.absence], values=values)
    return Verdict("no firing", (reason, _around(found.before, found.after)))


def on_that_night(timetable: Timetable, found: Firing | NoFiring) -> Reason | None:
    """What becomes of the time on a night when clocks are changed; None on all others."""
    values = _of_that_night(timetable, found)
    return Reason("clocks_changed", _WORDS["clocks_changed"], values=values) if values else None


def _of_that_night(timetable: Timetable, found: Firing | NoFiring) -> dict[str, Value]:
    if found.seam is None or found.effect is None:
        return {}
    return {"seam": found.seam.words, "effect": found.effect.words, "dst": timetable.dst}


def _around(before: datetime | None, after: datetime | None) -> Reason:
    parts = [
        "it never fires before" if before is None else "the firing before was at {before}",
        "it never fires after" if after is None else "the one after is at {after}",
    ]
    values: dict[str, Value] = {} if before is None else {"before": before}
    return Reason(
        "around",
        ", and ".join(parts),
        values=values | ({} if after is None else {"after": after}),
    )
