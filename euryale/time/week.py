"""The firings of all jobs over some days, counted by the hour, and the herds among them.

A herd is more firings due in one second than Temporal starts in one: it caps the starts of a
namespace at 30 a second by default, so that the rest of the herd starts late. Jobs with jitter or
a window are spread, and belong to no herd.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from euryale.time.omissions import local_day
from euryale.time.seams import Seam, seams
from euryale.time.timetable import Timetable, firings, just_before
from euryale.time.zones import time_zone

STARTS_A_SECOND = 30
"""What Temporal starts of a namespace's schedules in a second, by default."""

HOURS = range(24)

_DAY = timedelta(days=1)
_SHADES = 4


@dataclass(frozen=True, slots=True)
class Herd:
    """More firings in one second than Temporal starts in one.

    Attributes:
        at: The second, in the week's zone.
        jobs: The names of the jobs that are due, sorted.
    """

    at: datetime
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """A day by the wall clock of the week's zone.

    Attributes:
        date: The day.
        hours: For each hour of the clock, how often each job fires in it, by name. An hour that
            comes twice holds both passes.
        missing: The hours of the clock that the day doesn't have, since the clocks go forward.
        seams: The changes of the clocks on this day.
    """

    date: date
    hours: tuple[Mapping[str, int], ...]
    missing: tuple[int, ...]
    seams: tuple[Seam, ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """The firings in each hour."""
        return tuple(sum(hour.values()) for hour in self.hours)


@dataclass(frozen=True, slots=True)
class Week:
    """Some days of all jobs: seven, or another number.

    Attributes:
        zone: The IANA name of the zone whose days and hours these are.
        days: The days, ascending.
        herds: The herds, ascending.
        jobs: How often each job fires in all, by name.
    """

    zone: str
    days: tuple[Day, ...]
    herds: tuple[Herd, ...]
    jobs: Mapping[str, int]

    @property
    def busiest(self) -> int:
        """The most firings in an hour."""
        return max(max(day.counts) for day in self.days)

    @property
    def shades(self) -> tuple[int, ...]:
        """Where the shades begin that tell the days' hours apart; see `shades`."""
        return shades([count for day in self.days for count in day.counts])

    def herds_in(self, day: date, hour: int) -> tuple[Herd, ...]:
        """The herds in an hour of a day."""
        return tuple(herd for herd in self.herds if (herd.at.date(), herd.at.hour) == (day, hour))


def week(
    timetables: Mapping[str, Timetable],
    *,
    zone: str,
    start: date,
    days: int = 7,
    spread: Collection[str] = (),
) -> Week:
    """Count the firings of some days.

    Args:
        timetables: When each job fires, by name.
        zone: The IANA name of the zone whose days and hours are counted by.
        start: The first day.
        days: How many days, at least one.
        spread: The names of the jobs with jitter or a window, which belong to no herd.

    Raises:
        ScheduleInvalid: No zone bears the name.

    Example:
        >>> from euryale.time.timetable import parse_timetable
        >>> hourly = week({"poll": parse_timetable("@hourly")}, zone="UTC", start=date(2026, 1, 5))
        >>> hourly.jobs["poll"], hourly.days[0].counts[:3]
        (168, (1, 1, 1))
    """
    rules = time_zone(zone)
    dates = [start + number * _DAY for number in range(days)]
    begin, end = local_day(dates[0], rules)[0], local_day(dates[-1], rules)[1]
    hours: dict[tuple[date, int], Counter[str]] = {}
    herds = []
    streams = (_named(name, each, begin, end) for name, each in timetables.items())
    for moment, together in groupby(heapq.merge(*streams), key=lambda firing: firing[0]):
        names = [name for _, name in together]
        local = moment.astimezone(rules)
        hours.setdefault((local.date(), local.hour), Counter()).update(names)
        herd = [name for name in names if name not in spread]
        if len(herd) > STARTS_A_SECOND:
            herds.append(Herd(local, tuple(sorted(herd))))
    changes = seams(zone, begin, days=days + 1)
    return Week(
        zone=zone,
        days=tuple(_day(each, hours, changes) for each in dates),
        herds=tuple(herds),
        jobs={
            name: sum(counted[name] for counted in hours.values() if name in counted)
            for name in timetables
        },
    )


def same_herds(herds: Sequence[Herd]) -> list[tuple[tuple[str, ...], tuple[Herd, ...]]]:
    """The herds of the same jobs together, with the jobs; those of the most jobs first."""
    groups: dict[tuple[str, ...], list[Herd]] = {}
    for herd in herds:
        groups.setdefault(herd.jobs, []).append(herd)
    ordered = sorted(groups.items(), key=lambda group: -len(group[0]))
    return [(names, tuple(group)) for names, group in ordered]


def shades(counts: Collection[int]) -> tuple[int, ...]:
    """Where shades begin that tell counts apart: the least count of each, ascending, up to four.

    Each shade holds as many different counts as the others, so that a single great count doesn't
    make all the rest look alike.

    Args:
        counts: The counts; zeros have no shade.

    Example:
        >>> shades([0, 5, 7, 5]), shades([12, 13, 15, 16, 17, 19, 50, 51])
        ((5, 7), (12, 15, 17, 50))
    """
    distinct = sorted(set(counts) - {0})
    number = min(len(distinct), _SHADES)
    return tuple(distinct[len(distinct) * shade // number] for shade in range(number))


def level(count: int, bounds: tuple[int, ...]) -> int:
    """The shade of a count: 0 for none, else the number of the shade from 1 up.

    Example:
        >>> [level(count, (1, 6, 26)) for count in (0, 5, 6, 500)]
        [0, 1, 2, 3]
    """
    return sum(count >= bound for bound in bounds)


def _named(
    name: str, timetable: Timetable, begin: datetime, end: datetime
) -> Iterator[tuple[datetime, str]]:
    """A job's firings from the beginning to before the end; in UTC, so that they can be merged."""
    for time in firings(timetable, after=just_before(begin)):
        moment = time.astimezone(UTC)
        if moment >= end:
            return
        yield moment, name


def _day(
    day: date, hours: Mapping[tuple[date, int], Mapping[str, int]], changes: tuple[Seam, ...]
) -> Day:
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 -- as a clock on the wall
    on_day = tuple(seam for seam in changes if day in (seam.start.date(), _last(seam).date()))
    missing = tuple(
        hour
        for hour in HOURS
        for begin in [midnight + timedelta(hours=hour)]
        if any(
            seam.kind == "gap" and seam.start <= begin and begin + timedelta(hours=1) <= seam.end
            for seam in on_day
        )
    )
    return Day(day, tuple(hours.get((day, hour), {}) for hour in HOURS), missing, on_day)


def _last(seam: Seam) -> datetime:
    """The last wall-clock second that a change touches."""
    return seam.end - timedelta(seconds=1)
