"""Two engines' firings side by side: the next thousand, each day's first, and the nights.

A thousand firings of a job that runs each minute are seventeen hours, and prove nothing about its
days. So the first firings of the days to come are compared too, and those around each change of the
zone's clocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile

from euryale.imports.entry import Firings
from euryale.time.omissions import local_day
from euryale.time.seams import Seam, seams
from euryale.time.zones import time_zone

COMPARED = 1_000
"""How many of the next firings are compared."""

DAYS = 2 * 366
"""Of how many days the first firing is compared, and how far ahead changes of the clocks are."""

# Where ours fires so much more often than theirs, they differ, and enough is known.
_MOST = 20 * COMPARED

_AROUND = timedelta(hours=6)
_NEAR = timedelta(hours=3)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """A firing of one engine that the other one doesn't have, or has at another time.

    Attributes:
        theirs: When theirs fires; None if only ours does.
        ours: When ours fires; None if only theirs does.
        seam: The change of the clocks that it lies at, if it does.
    """

    theirs: datetime | None
    ours: datetime | None
    seam: Seam | None = None

    @property
    def at(self) -> datetime:
        """The earlier of the two times."""
        moments = [moment for moment in (self.theirs, self.ours) if moment is not None]
        return min(moments, key=lambda moment: moment.astimezone(UTC))

    @property
    def words(self) -> str:
        """What is different, without the times."""
        if self.theirs is None:
            told = "only Euryale fires"
        elif self.ours is None:
            told = "only theirs fires"
        else:
            earlier = self.ours.astimezone(UTC) < self.theirs.astimezone(UTC)
            told = f"Euryale fires {'earlier' if earlier else 'later'}"
        return f"{self.seam.words}: {told}" if self.seam else told


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing two engines' firings told.

    Attributes:
        compared: How many of the next firings of theirs were compared; fewer than a thousand if
            theirs fires less often until the year 2100, or ours very much more often.
        equal: How many of these ours has too.
        until: The last of them; None if theirs never fires.
        days_until: Up to when the first firing of each day was compared.
        changes: How many changes of the clocks were looked at.
        differences: All that was found, by time.
    """

    compared: int
    equal: int
    until: datetime | None
    days_until: datetime
    changes: int
    differences: tuple[Difference, ...]


def compare(theirs: Firings, ours: Firings, zone: str, *, after: datetime) -> Comparison:
    """Compare the firings of two engines.

    Args:
        theirs: The other scheduler's.
        ours: Euryale's.
        zone: The IANA name of the zone whose days and nights are looked at.
        after: An aware time; firings strictly after it are compared.

    Example:
        >>> from euryale.time.timetable import firings, parse_timetable
        >>> night, morning = parse_timetable("0 2 * * *"), parse_timetable("0 2 * * MON-SAT")
        >>> told = compare(
        ...     lambda start: firings(night, after=start),
        ...     lambda start: firings(morning, after=start),
        ...     "UTC",
        ...     after=datetime(2026, 1, 1, tzinfo=UTC),
        ... )
        >>> told.compared, told.equal, told.differences[0].words
        (1000, 857, 'only theirs fires')
    """
    after = after.astimezone(UTC)
    changes = seams(zone, after, days=DAYS)
    first = list(islice(_until(theirs, after, _end(zone)), COMPARED))
    end = first[-1] if len(first) == COMPARED else _end(zone)
    listed = list(islice(_until(ours, after, end), _MOST))
    if len(listed) == _MOST:
        end = listed[-1]
        first = [moment for moment in first if moment <= end]
    mine = set(listed)
    both, only_theirs = mine.intersection(first), set(first) - mine
    only_ours = mine.difference(first)
    for seam in changes:
        start, stop = max(seam.at - _AROUND, after), seam.at + _AROUND
        near, nearby = set(_until(theirs, start, stop)), set(_until(ours, start, stop))
        only_theirs |= near - nearby
        only_ours |= nearby - near
    days_until = after + timedelta(days=DAYS)
    for day_theirs, day_ours in _first_of_days(theirs, ours, zone, max(end, after), days_until):
        if day_theirs != day_ours:
            only_theirs |= {day_theirs} if day_theirs else set()
            only_ours |= {day_ours} if day_ours else set()
    return Comparison(
        compared=len(first),
        equal=len(both),
        until=_shown(first[-1], zone) if first else None,
        days_until=_shown(days_until, zone),
        changes=len(changes),
        differences=tuple(_told(only_theirs - only_ours, only_ours - only_theirs, zone, after)),
    )


def _utc(firings: Firings, after: datetime) -> Iterator[datetime]:
    """Firings in UTC, ascending; an engine that answers the same time again is not believed."""
    last = after
    for time in firings(after):
        moment = time.astimezone(UTC)
        if moment > last:
            yield moment
            last = moment


def _until(firings: Firings, after: datetime, end: datetime) -> Iterator[datetime]:
    return takewhile(lambda moment: moment <= end, _utc(firings, after))


def _end(zone: str) -> datetime:
    return datetime(2100, 12, 31, tzinfo=time_zone(zone)).astimezone(UTC)


def _first_of_days(
    theirs: Firings, ours: Firings, zone: str, after: datetime, end: datetime
) -> Iterator[tuple[datetime | None, datetime | None]]:
    """Both engines' first firing of each day that lies wholly between two moments."""
    day = after.astimezone(time_zone(zone)).date() + timedelta(days=1)
    known: list[datetime | None] = [None, None]
    while True:
        start, stop = local_day(day, time_zone(zone))
        if stop > end:
            return
        for number, engine in enumerate((theirs, ours)):
            answer = known[number]
            if answer is None or answer < start:
                # An engine that never fires again needn't be asked for each day.
                known[number] = next(_utc(engine, start - _MICROSECOND), _end(zone))
        first = [answer if answer and answer < stop else None for answer in known]
        yield first[0], first[1]
        later = [answer for answer in known if answer is not None]
        # Days on which neither fires are passed over.
        day = max(day + timedelta(days=1), min(later).astimezone(time_zone(zone)).date())


def _told(
    theirs: set[datetime], ours: set[datetime], zone: str, after: datetime
) -> Iterator[Difference]:
    """The differences by time, each with the change of the clocks that it lies at."""
    last = max(theirs | ours, default=after)
    changes = seams(zone, after - _NEAR, days=(last - after).days + 2)
    for pair in _paired(theirs, ours):
        moments = [moment for moment in pair if moment is not None]
        near = (seam for seam in changes if any(abs(each - seam.at) <= _NEAR for each in moments))
        shown = [None if moment is None else _shown(moment, zone) for moment in pair]
        yield Difference(theirs=shown[0], ours=shown[1], seam=next(near, None))


def _paired(
    theirs: set[datetime], ours: set[datetime]
) -> Iterator[tuple[datetime | None, datetime | None]]:
    """What only one side has, by time; one of each side near each other are one firing, moved."""
    waiting: datetime | None = None
    for moment in sorted(theirs | ours):
        if waiting is None:
            waiting = moment
        elif (waiting in theirs) != (moment in theirs) and moment - waiting <= _NEAR:
            yield (moment, waiting) if moment in theirs else (waiting, moment)
            waiting = None
        else:
            yield (waiting, None) if waiting in theirs else (None, waiting)
            waiting = moment
    if waiting is not None:
        yield (waiting, None) if waiting in theirs else (None, waiting)


def _shown(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(time_zone(zone))
