"""Regimes: the stretches of time in which a zone's offset from UTC stays the same.

Within a regime wall-clock time and elapsed time agree, so all that a change of the clocks can do to
a schedule happens where two regimes meet. Going forward leaves a **gap**: wall-clock times that
never come. Going back makes a **fold**: wall-clock times that come twice.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from euryale.config import Dst
from euryale.time.cron import CronExpression
from euryale.time.zones import LAST_YEAR, next_transition

_END = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
_NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class SeamRule:
    """What a job does where two regimes meet.

    Attributes:
        repeats: Whether it fires again when the wall-clock times of a fold come again.
        catches: Whether it fires at the end of a gap that it had a time in.
    """

    repeats: bool
    catches: bool


def seam_rule(expression: CronExpression, dst: Dst) -> SeamRule:
    """What an expression does where two regimes meet, under a policy.

    Example:
        >>> seam_rule(CronExpression.parse("30 2 * * *"), "once")
        SeamRule(repeats=False, catches=True)
    """
    match dst:
        case "skip":
            return SeamRule(repeats=False, catches=False)
        case "twice":
            return SeamRule(repeats=True, catches=True)
        case "once":
            by_elapsed_time = expression.hour_is_wildcard
            return SeamRule(repeats=by_elapsed_time, catches=not by_elapsed_time)


@dataclass(frozen=True, slots=True)
class Regime:
    """A stretch of time with one offset from UTC.

    Attributes:
        start: Its first moment, in UTC.
        end: The first moment after it, in UTC.
        offset: What wall-clock time is ahead of UTC.
        before: The offset of the regime before.
    """

    start: datetime
    end: datetime
    offset: timedelta
    before: timedelta

    @property
    def gap(self) -> timedelta:
        """How much wall-clock time is left out at the start; not above zero if none is."""
        return self.offset - self.before

    def first_firing(self, rule: SeamRule) -> datetime:
        """The first moment that may fire: the start, or the fold's end for who doesn't repeat."""
        return self.start if rule.repeats else self.start + max(-self.gap, _NONE)


def regimes(zone: ZoneInfo, start: datetime, end: datetime = _END) -> Iterator[Regime]:
    """The regimes of a zone that overlap a stretch of time.

    Args:
        zone: The time zone.
        start: An aware time. The first regime holds it.
        end: The last regime ends here; by default with the year 2100, the last that Temporal
            knows.

    Example:
        >>> start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
        >>> [str(regime.offset) for regime in regimes(ZoneInfo("Europe/Berlin"), start, end)]
        ['1:00:00', '2:00:00', '1:00:00']
    """
    # Walked from the same moment for a whole year, so that the transitions found are remembered,
    # and from half a year before, so that the first regime's start is seldom made up.
    moment = datetime(max(start.astimezone(UTC).year - 1, 1), 7, 1, tzinfo=UTC)
    before = offset = _offset(zone, moment)
    while moment < end:
        following = next_transition(zone, moment) or end
        if following > start:
            yield Regime(moment, min(following, end), offset, before)
        before, offset, moment = offset, _offset(zone, following), following


@functools.lru_cache(maxsize=1_000)
def regimes_in(zone: ZoneInfo, years: range) -> tuple[Regime, ...]:
    """The regimes of a zone that overlap some years, in UTC; remembered for the next job."""
    start, end = (datetime(year, 1, 1, tzinfo=UTC) for year in (years.start, years.stop))
    return tuple(regimes(zone, start, end))


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or _NONE
