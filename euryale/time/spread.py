"""A stable spread: each job that has a `window` is put off by a constant time of its own.

The time follows from the application's and the job's names alone, so it is the same for every
firing, release and worker. Temporal has no word for it: see `moved_calendars`.
"""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from euryale.config import ScheduledJobConfig
from euryale.errors import ConfigInvalid
from euryale.time.timetable import Timetable, default_catch_up, firings

_SECOND = timedelta(seconds=1)


def spread_of(schedule_id: str, window: timedelta) -> timedelta:
    """How much later than its nominal times a job fires.

    Args:
        schedule_id: The id of the job's schedule: the application's and the job's names.
        window: What the time is shorter than; zero where the job isn't spread.

    Returns:
        Whole seconds, from zero to just before the window's end.

    Example:
        >>> spread_of("shop/publish-once-a-day", timedelta(minutes=10))
        datetime.timedelta(seconds=99)
    """
    digest = hashlib.sha256(schedule_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") % max(1, window // _SECOND) * _SECOND


def starts(
    timetable: Timetable, fire_time: datetime, *, spread: timedelta, jitter: timedelta
) -> tuple[datetime, datetime]:
    """When the run of a firing starts: at the earliest and at the latest, in the firing's zone.

    Args:
        timetable: The job's timetable.
        fire_time: The firing, as `firings` gives it.
        spread: By how much the job is put off.
        jitter: Up to how much Temporal puts a start off, beside. It never does beyond the next
            firing, be that an exception or not.

    Example:
        >>> from euryale.time.timetable import parse_timetable
        >>> midnight = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        >>> late, jitter = timedelta(seconds=207), timedelta(minutes=10)
        >>> found = starts(parse_timetable("@daily"), midnight, spread=late, jitter=jitter)
        >>> [f"{time:%H:%M:%S}" for time in found]
        ['00:03:27', '00:13:27']
    """
    # Reckoned in UTC: Python reckons within a zone by its wall clock.
    due = fire_time.astimezone(UTC)
    following = (
        next(firings(replace(timetable, exceptions=()), after=due), None) if jitter else None
    )
    put_off_by = jitter if following is None else min(jitter, following.astimezone(UTC) - due)
    first, last = due + spread, due + spread + put_off_by
    return first.astimezone(fire_time.tzinfo), last.astimezone(fire_time.tzinfo)


def refuse_long_window(
    config: ScheduledJobConfig, timetable: Timetable, *, where: str = ""
) -> None:
    """Refuse a window beyond the job's next firing, whose start could then be taken for its own.

    Args:
        config: The job's config.
        timetable: The job's timetable.
        where: The file and line that a refusal should name.

    Raises:
        ConfigInvalid: The window is longer than the shortest interval of the schedule.
    """
    shortest = default_catch_up(timetable)
    if config.window > shortest:
        raise ConfigInvalid(
            f"config fields 'window' and 'schedule' contradict each other: a window of "
            f"{config.window} is longer than the shortest time between two firings, {shortest}",
            where=where,
            mend=f"make it {shortest} or shorter",
        )
