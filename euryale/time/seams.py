"""Seams: the moments when a zone's clocks are changed, and what becomes of a timetable there.

`regimes` says what the policies are; here they are looked at from outside. What is told is read
off the firings themselves, so that it is what will happen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby, takewhile
from typing import Any, Literal

from euryale.time import clock
from euryale.time.cron import CronExpression
from euryale.time.regimes import regimes, seam_rule
from euryale.time.timetable import Timetable, firings, just_before
from euryale.time.zones import time_zone

Outcome = Literal["moved", "left_out", "once", "twice"]
"""What becomes of a wall-clock time at a seam: it runs at the gap's end, or not at all, or at one
pass of the fold, or at both."""

_MOST_LISTED = 3


@dataclass(frozen=True, slots=True)
class Seam:
    """A change of a zone's clocks.

    Attributes:
        zone: The zone's IANA name.
        at: The first moment with the new offset, in UTC.
        before: What wall-clock time was ahead of UTC before.
        after: What it is ahead of UTC from then on.
    """

    zone: str
    at: datetime
    before: timedelta
    after: timedelta

    @property
    def kind(self) -> Literal["gap", "fold"]:
        """A gap where clocks go forward, a fold where they go back."""
        return "gap" if self.after > self.before else "fold"

    @property
    def start(self) -> datetime:
        """The first wall-clock time that is left out or comes twice; naive."""
        return _wall(self.at, min(self.before, self.after))

    @property
    def end(self) -> datetime:
        """The first wall-clock time after those; naive."""
        return _wall(self.at, max(self.before, self.after))

    @property
    def words(self) -> str:
        """What is done to the clocks.

        Example:
            >>> berlin = seams("Europe/Berlin", datetime(2026, 1, 1, tzinfo=UTC), days=365)
            >>> berlin[1].words
            'the clocks go back from 03:00 to 02:00'
        """
        shown_before, shown_after = _wall(self.at, self.before), _wall(self.at, self.after)
        way = "forward" if self.kind == "gap" else "back"
        return f"the clocks go {way} from {_told(shown_before)} to {_told(shown_after)}"

    def as_dict(self) -> dict[str, Any]:
        """The change for programs."""
        return {
            "zone": self.zone,
            "at": self.at.isoformat(),
            "kind": self.kind,
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class SeamEffect:
    """What becomes of some wall-clock times at a seam.

    Attributes:
        outcome: See `Outcome`.
        meant: The wall-clock times that the clocks leave out or show twice; naive, ascending.
        fires: When the job fires for them, in the zone.
        words: The same as a sentence without its full stop.
    """

    outcome: Outcome
    meant: tuple[datetime, ...]
    fires: tuple[datetime, ...]
    words: str

    def as_dict(self) -> dict[str, Any]:
        """The effect for programs."""
        return {
            "outcome": self.outcome,
            "meant": [time.isoformat() for time in self.meant],
            "fires": [time.isoformat() for time in self.fires],
            "words": self.words,
        }


def seams(zone: str, start: datetime, *, days: int) -> tuple[Seam, ...]:
    """The changes of a zone's clocks from a moment on.

    Args:
        zone: The IANA name.
        start: An aware time.
        days: How many days of 24 hours to look ahead.

    Raises:
        ScheduleInvalid: No zone bears the name.

    Example:
        >>> berlin = seams("Europe/Berlin", datetime(2026, 1, 1, tzinfo=UTC), days=365)
        >>> [f"{seam.start:%d %B}, {seam.kind}" for seam in berlin]
        ['29 March, gap', '25 October, fold']
    """
    end = start + timedelta(days=days)
    return tuple(
        Seam(zone, regime.start, regime.before, regime.offset)
        for regime in regimes(time_zone(zone), start, end)
        # The first regime may be one that began earlier.
        if start <= regime.start < end and regime.before != regime.offset
    )


def seam_effects(timetable: Timetable, seam: Seam) -> tuple[SeamEffect, ...]:
    """What becomes of a timetable's expressions at a seam; nothing where none is touched.

    Intervals are elapsed time and one-off times are moments: the clocks don't touch them.

    Example:
        >>> from euryale.time.timetable import parse_timetable
        >>> (gap, _) = seams("Europe/Berlin", datetime(2026, 1, 1, tzinfo=UTC), days=365)
        >>> nightly = parse_timetable("30 2 * * *", zone="Europe/Berlin")
        >>> [effect.words for effect in seam_effects(nightly, gap)]
        ["02:30 doesn't exist, runs at 03:00"]
    """
    actual = _firings_around(timetable, seam)
    return tuple(
        effect
        for expression in timetable.expressions
        if (meant := _wall_times(expression, seam))
        for effect in (
            [_gap_effect(expression, timetable, seam, meant, actual)]
            if seam.kind == "gap"
            else _fold_effects(expression, timetable, seam, meant, actual)
        )
    )


def _gap_effect(
    expression: CronExpression,
    timetable: Timetable,
    seam: Seam,
    meant: tuple[datetime, ...],
    actual: frozenset[datetime],
) -> SeamEffect:
    zone = time_zone(seam.zone)
    missing = " ".join([_listed(meant), _verb(meant, "doesn't exist", "don't exist")])
    catches = seam_rule(expression, timetable.dst).catches
    end = _told(seam.end)
    if catches and seam.at in actual:
        runs = _verb(meant, f"runs at {end}", f"run once, at {end}")
        return SeamEffect("moved", meant, (seam.at.astimezone(zone),), f"{missing}, {runs}")
    if catches:
        runs = f"and {end}, the gap's end, is left out by except, start_at or end_at"
    elif timetable.dst == "skip":
        runs = _verb(meant, "doesn't run", "don't run")
    else:
        runs = "and the job runs on by elapsed time"
    return SeamEffect("left_out", meant, (), f"{missing}, {runs}")


def _fold_effects(
    expression: CronExpression,
    timetable: Timetable,
    seam: Seam,
    meant: tuple[datetime, ...],
    actual: frozenset[datetime],
) -> Iterator[SeamEffect]:
    zone = time_zone(seam.zone)
    repeats = seam_rule(expression, timetable.dst).repeats

    def passes(wall: datetime) -> tuple[bool, bool]:
        aware = wall.replace(tzinfo=UTC)
        return aware - seam.before in actual, repeats and aware - seam.after in actual

    for (first, second), group in groupby(meant, key=passes):
        walls = tuple(group)
        fires = tuple(
            (wall.replace(tzinfo=UTC) - offset).astimezone(zone)
            for offset, fired in ((seam.before, first), (seam.after, second))
            for wall in walls
            if fired
        )
        runs = _verb(walls, "runs", "run")
        if first and second:
            told = f"{runs} both times"
        elif first or second:
            told = f"{runs} the {'first' if first else 'second'} time only"
        else:
            told = f"{_verb(walls, 'is', 'are')} left out by except, start_at or end_at"
        outcome: Outcome = ("left_out", "once", "twice")[first + second]
        comes = _verb(walls, "comes twice", "come twice")
        yield SeamEffect(outcome, walls, fires, f"{_listed(walls)} {comes}, {told}")


def _firings_around(timetable: Timetable, seam: Seam) -> frozenset[datetime]:
    """The firings at the gap's end, or during both passes of the fold; in UTC."""
    length = abs(seam.after - seam.before) if seam.kind == "fold" else timedelta(0)
    first, last = seam.at - length, seam.at + length
    times = (time.astimezone(UTC) for time in firings(timetable, after=just_before(first)))
    return frozenset(takewhile(lambda time: time <= last, times))


def _wall_times(expression: CronExpression, seam: Seam) -> tuple[datetime, ...]:
    """The matching wall-clock times that the clocks leave out or show twice."""
    # UTC's clocks show every time once, so there they can be asked for.
    anywhere = replace(expression, zone=None)
    start, end = seam.start.replace(tzinfo=UTC), seam.end.replace(tzinfo=UTC)
    days = {start.date(), just_before(end).date()}
    if end - start <= timedelta(days=1) and not any(map(expression.matches_day, days)):
        return ()
    times = clock.firings(anywhere, "UTC", after=just_before(start))
    return tuple(time.replace(tzinfo=None) for time in takewhile(lambda time: time < end, times))


def _wall(moment: datetime, offset: timedelta) -> datetime:
    return (moment + offset).replace(tzinfo=None)


def _verb(times: tuple[datetime, ...], one: str, several: str) -> str:
    return one if len(times) == 1 else several


def _listed(times: tuple[datetime, ...]) -> str:
    told = [_told(time) for time in times]
    if len(told) > _MOST_LISTED:
        return f"{told[0]} to {told[-1]} ({len(told)} times)"
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _told(time: datetime) -> str:
    return f"{time:%H:%M:%S}" if time.second else f"{time:%H:%M}"
