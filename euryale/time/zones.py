"""Time zones: an IANA name in, its rules out, or a refusal that suggests a name.

The rules are those of the machine's tz database or of the `tzdata` package.
"""

import difflib
import functools
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

from euryale.errors import ScheduleInvalid

LAST_YEAR = 2100
"""The last year that Temporal's calendars know."""

_STRIDE = timedelta(days=7)
"""No zone changes its clocks and changes them back within a week."""

_SECOND = timedelta(seconds=1)


def time_zone(name: str, *, where: str = "") -> ZoneInfo:
    """The time zone of an IANA name.

    Args:
        name: A name of the tz database, such as `Asia/Kolkata`, spelt as it is there.
        where: The file and line or the field that a refusal should name.

    Raises:
        ScheduleInvalid: No zone bears the name.

    Example:
        >>> time_zone("Asia/Kolkata").key
        'Asia/Kolkata'
    """
    if name not in _names():
        raise ScheduleInvalid(
            f"time_zone '{name[:100]}' is no name of the IANA time zone database",
            where=where,
            mend=_mend(name),
        )
    return ZoneInfo(name)


@functools.lru_cache(maxsize=1_000)
def next_transition(zone: ZoneInfo, after: datetime) -> datetime | None:
    """When the zone's clocks are next changed; `None` if they never are through 2100.

    Args:
        zone: The time zone.
        after: An aware time.

    Returns:
        The first second of the new offset, in UTC.
    """
    before = after.astimezone(UTC).replace(microsecond=0)
    offset = before.astimezone(zone).utcoffset()
    while before.year <= LAST_YEAR:
        changed = before + _STRIDE
        if changed.astimezone(zone).utcoffset() != offset:
            return _first_of_new_offset(zone, before, changed)
        before = changed
    return None


def _first_of_new_offset(zone: ZoneInfo, before: datetime, changed: datetime) -> datetime:
    offset = before.astimezone(zone).utcoffset()
    while changed - before > _SECOND:
        middle = before + (changed - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            changed = middle
    return changed


@functools.cache
def _names() -> frozenset[str]:
    # The package's list, because a machine's folder holds more than names: `localtime` is one.
    listed = files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset(listed) - {"Factory"}


def _mend(name: str) -> str:
    folded = {known.casefold(): known for known in sorted(_names())}
    cities = {known.rpartition("/")[2].casefold(): known for known in sorted(_names())}
    wanted = name.strip().replace(" ", "_").casefold()
    for known in (folded, cities):
        near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.75)
        if near:
            return f"did you mean '{known[near[0]]}'?"
    return "use a name such as 'UTC' or 'Asia/Kolkata'"
