"""Which firing of a job a time means, and why it may mean none.

All is told by the policy clock, without Temporal.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile
from typing import Literal

from euryale.time.cron import CronExpression
from euryale.time.omissions import is_left_out
from euryale.time.seams import Seam, SeamEffect, seam_effects, seams
from euryale.time.timetable import Timetable, firings, just_before
from euryale.time.zones import time_zone

Absence = Literal["no_match", "excepted", "before_start", "after_end", "clocks_changed"]
"""Why a time is none of a job's firings: nothing in its schedule matches, `except` takes it out, it
is before `start_at` or after `end_at`, or the zone's clocks left it out or showed it twice."""

# How far back the firing before a time is looked for: as far as needed, since a job that fires
# every second has millions of firings in a year.
_LOOKS = tuple(
    timedelta(minutes=minutes) for minutes in (2, 120, 2_880, 90_000, 1_100_000, 16_000_000)
)
_FOLD = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Firing:
    """A firing that a time means.

    Attributes:
        fire_time: When the job fires by the policy clock, in its zone.
        effect: What becomes of the time on a night when clocks are changed; None on others.
        seam: That change of the clocks.
    """

    fire_time: datetime
    effect: SeamEffect | None = None
    seam: Seam | None = None


@dataclass(frozen=True, slots=True)
class NoFiring:
    """A time at which a job doesn't fire.

    Attributes:
        asked: The time.
        absence: Why.
        before: The last firing before the time, in the job's zone; None if there is none.
        after: The first one after it.
        exception: The date or the expression of `except` that takes it out.
        effect: What becomes of the time on a night when clocks are changed.
        seam: That change of the clocks.
    """

    asked: datetime
    absence: Absence
    before: datetime | None
    after: datetime | None
    exception: str = ""
    effect: SeamEffect | None = None
    seam: Seam | None = None


def find_firing(timetable: Timetable, asked: datetime) -> Firing | NoFiring:
    """The firing that a time means.

    Args:
        timetable: The job's.
        asked: An aware time in the timetable's zone, of which the clock on the wall counts: it may
            be one that the clocks left out, and then means the firing that makes up for it.

    Example:
        >>> from euryale.time.timetable import parse_timetable
        >>> nightly = parse_timetable("30 2 * * *", zone="Europe/Berlin")
        >>> night = datetime(2026, 3, 29, 2, 30, tzinfo=time_zone("Europe/Berlin"))
        >>> find_firing(nightly, night).fire_time.isoformat()
        '2026-03-29T03:00:00+02:00'
    """
    seam, effect = _seam_of(timetable, asked)
    if is_missing(asked):
        if effect is not None and effect.fires:
            return Firing(effect.fires[0], effect, seam)
        return _no_firing(timetable, asked, seam, effect)
    moment = asked.astimezone(UTC)
    if fires_at(timetable, moment):
        return Firing(moment.astimezone(time_zone(timetable.zone)), effect, seam)
    return _no_firing(timetable, asked, seam, effect)


def fires_at(timetable: Timetable, moment: datetime) -> bool:
    """Whether a moment is one of a timetable's firings.

    Example:
        >>> from euryale.time.timetable import parse_timetable
        >>> fires_at(parse_timetable("0 9 * * *"), datetime(2026, 1, 5, 9, tzinfo=UTC))
        True
    """
    found = next(firings(timetable, after=just_before(moment)), None)
    return found is not None and found.astimezone(UTC) == moment.astimezone(UTC)


def last_firing(timetable: Timetable, until: datetime) -> datetime | None:
    """The last firing at a time or before it, in the timetable's zone.

    Example:
        >>> from euryale.time.timetable import parse_timetable
        >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
        >>> last_firing(parse_timetable("0 9 * * *"), noon).isoformat()
        '2026-01-05T09:00:00+00:00'
    """
    end = until.astimezone(UTC)
    for back in _LOOKS:
        times = takewhile(
            lambda time: time.astimezone(UTC) <= end, firings(timetable, after=end - back)
        )
        last = None
        for last in times:  # noqa: B007 -- the last one is what is wanted
            pass
        if last is not None:
            return last
    return None


def _no_firing(
    timetable: Timetable, asked: datetime, seam: Seam | None, effect: SeamEffect | None
) -> NoFiring:
    moment = asked.astimezone(UTC)
    absence, exception = _absence(timetable, moment, effect)
    return NoFiring(
        asked=asked,
        absence=absence,
        before=last_firing(timetable, just_before(moment)),
        after=next(firings(timetable, after=moment), None),
        exception=exception,
        effect=effect,
        seam=seam if effect is not None else None,
    )


def _absence(
    timetable: Timetable, moment: datetime, effect: SeamEffect | None
) -> tuple[Absence, str]:
    unlimited = replace(timetable, start_at=None, end_at=None, exceptions=())
    if not fires_at(unlimited, moment):
        return ("no_match" if effect is None else "clocks_changed"), ""
    if timetable.start_at is not None and moment < timetable.start_at:
        return "before_start", ""
    if timetable.end_at is not None and moment > timetable.end_at:
        return "after_end", ""
    taken = (
        each
        for each in timetable.exceptions
        if is_left_out(moment, (each,), timetable.zone, timetable.dst)
    )
    return "excepted", ", ".join(map(_told, taken))


def _told(exception: date | CronExpression) -> str:
    return exception.text if isinstance(exception, CronExpression) else exception.isoformat()


def _seam_of(timetable: Timetable, asked: datetime) -> tuple[Seam, SeamEffect] | tuple[None, None]:
    """What becomes of a wall-clock time that the clocks leave out or show twice."""
    wall = asked.replace(tzinfo=None)
    for seam in _seams_around(timetable.zone, asked):
        if not seam.start <= wall < seam.end:
            continue
        for effect in seam_effects(timetable, seam):
            if wall in effect.meant:
                return seam, effect
    for seam in _seams_around(timetable.zone, asked):
        # A firing at a gap's end may be meant for times in the gap.
        if asked.astimezone(UTC) == seam.at and seam.kind == "gap" and not is_missing(asked):
            for effect in seam_effects(timetable, seam):
                if effect.fires:
                    return seam, effect
    return None, None


def _seams_around(zone: str, asked: datetime) -> Iterator[Seam]:
    yield from seams(zone, asked.astimezone(UTC) - _FOLD, days=2 * _FOLD.days)


def is_missing(asked: datetime) -> bool:
    """Whether the clocks of an aware time's zone leave it out.

    Example:
        >>> is_missing(datetime(2026, 3, 29, 2, 30, tzinfo=time_zone("Europe/Berlin")))
        True
    """
    there_and_back = asked.astimezone(UTC).astimezone(asked.tzinfo)
    return there_and_back.replace(tzinfo=None) != asked.replace(tzinfo=None)
