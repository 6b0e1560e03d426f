"""What a job is expected to achieve, and by when: `every day by 09:30`, `every 15 minutes`.

The grammar is small and closed, so that nothing is guessed:

    every day|weekday|monday|…|sunday by HH:MM
    every month by HH:MM on day 1|…|28
    every month by HH:MM on the last day
    every N minutes|hours

Times are those of the job's zone; `weekday` is Monday to Friday. What fulfils an expectation is a
run that completed, whoever started it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from euryale.config import ScheduledJobConfig
from euryale.errors import ExpectationInvalid
from euryale.time import clock
from euryale.time.cron import CronExpression

_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_DAYS = {"day": "*", "weekday": "1-5"} | {day: str(at) for at, day in enumerate(_WEEKDAYS)}
_BY = re.compile(
    r"every (?P<day>[a-z]+) by (?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})"
    r"(?: on (?:day (?P<of_month>[0-9]{1,2})|the (?P<last>last) day))?"
)
_EVERY = re.compile(r"every (?:(?P<count>[0-9]{1,4}) )?(?P<unit>minute|hour)s?")
_EXAMPLES = (
    "write 'every day by 09:30', 'every weekday by 18:00', 'every monday by 07:00', "
    "'every month by 12:00 on day 1', 'every month by 12:00 on the last day' or 'every 15 minutes'"
)
_EVERY_MONTH_HAS = 28
_HOURS, _MINUTES = range(24), range(60)
_LONGEST_SHOWN = 80

_LOOK_BACK = timedelta(days=100)
"""Three deadlines of a month lie within it."""

_DEADLINES = 3


@dataclass(frozen=True, slots=True)
class Expectation:
    """That a job's runs complete in time.

    Attributes:
        text: The words, as the config has them.
        deadlines: A cron expression of the times by which a run must have completed since the
            deadline before; or an interval, in any stretch of which one must have.
    """

    text: str
    deadlines: CronExpression | timedelta


@dataclass(frozen=True, slots=True)
class Overdue:
    """An expectation that isn't fulfilled.

    Attributes:
        since: After which a run should have completed, in UTC.
        deadline: By which it should have, in UTC.
    """

    since: datetime
    deadline: datetime


def parse_expectation(text: str, *, where: str = "") -> Expectation:
    """Read an expectation.

    Args:
        text: The words, in upper or lower case.
        where: The file and line or the field that a refusal should name.

    Raises:
        ExpectationInvalid: The words aren't of the grammar.

    Example:
        >>> parse_expectation("every weekday by 18:00").deadlines.text
        '0 18 * * 1-5'
    """
    words = " ".join(text.lower().split())
    if match := _EVERY.fullmatch(words):
        count = int(match["count"] or 1)
        if not count:
            raise _refused(text, "that is no time at all", where)
        return Expectation(text, timedelta(**{f"{match['unit']}s": count}))
    match = _BY.fullmatch(words)
    if match is None:
        raise _refused(text, "", where)
    if int(match["hour"]) not in _HOURS or int(match["minute"]) not in _MINUTES:
        time = f"{match['hour']}:{match['minute']}"
        raise _refused(text, f"no clock shows {time}; hours go from 00 to 23", where)
    of_month = _day_of_month(text, match, where)
    day_of_week = _DAYS.get(match["day"], "*")
    return Expectation(
        text,
        CronExpression.parse(
            f"{int(match['minute'])} {int(match['hour'])} {of_month} * {day_of_week}", where=where
        ),
    )


def _day_of_month(text: str, match: re.Match[str], where: str) -> str:
    """The cron field of the day, which a month wants and nothing else has."""
    named = match["of_month"] or match["last"]
    if match["day"] != "month":
        if match["day"] not in _DAYS:
            raise _refused(text, f"'{match['day']}' is no day", where)
        if named:
            raise _refused(text, "only a month is given a day", where)
        return "*"
    if not named:
        raise _refused(text, "the day of the month is missing", where)
    if match["last"]:
        return "L"
    if not 1 <= int(named) <= _EVERY_MONTH_HAS:
        reason = f"not every month has a day {int(named)}; there is 'on the last day'"
        raise _refused(text, reason, where)
    return str(int(named))


def _refused(text: str, reason: str, where: str) -> ExpectationInvalid:
    shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return ExpectationInvalid(
        f"expect '{shown}' means nothing" + (f": {reason}" if reason else ""),
        where=where,
        mend=_EXAMPLES,
    )


def expectation_of(config: ScheduledJobConfig, *, where: str = "") -> Expectation | None:
    """What a job's config expects in words; None if it leaves that to its schedule.

    Args:
        config: The config.
        where: The file and line that a refusal should name.

    Raises:
        ExpectationInvalid: As for `parse_expectation`.
    """
    return None if config.expect is None else parse_expectation(config.expect, where=where)


def overdue(
    expectation: Expectation,
    zone: str,
    *,
    now: datetime,
    watched: datetime,
    completed: Iterable[datetime],
) -> Overdue | None:
    """Whether an expectation isn't fulfilled, and since when.

    A run that completes after the deadline that it missed makes up for that deadline, and doesn't
    count for the next one.

    Args:
        expectation: The expectation.
        zone: The IANA name of the job's zone.
        now: An aware time.
        watched: Since when the job is watched: no run is expected for a stretch before it, nor for
            one that had begun by then.
        completed: When runs completed: the last two at least, if there were so many.

    Returns:
        The stretch in which a run should have completed and didn't; None if all is well.

    Example:
        >>> by_noon = parse_expectation("every day by 12:00")
        >>> noon, day = datetime(2026, 1, 5, 12, tzinfo=UTC), timedelta(days=1)
        >>> ended = noon - 1.5 * day
        >>> overdue(by_noon, "UTC", now=noon, watched=noon - 9 * day, completed=[ended]).since
        datetime.datetime(2026, 1, 4, 12, 0, tzinfo=datetime.timezone.utc)
    """
    now = now.astimezone(UTC)
    ends = sorted(end.astimezone(UTC) for end in completed if end <= now)
    if isinstance(expectation.deadlines, timedelta):
        since = max([watched.astimezone(UTC), *ends])
        deadline = since + expectation.deadlines
        return Overdue(since, deadline) if deadline < now else None
    before, since, deadline = _last_deadlines(expectation.deadlines, zone, now)
    if since < watched:
        return None
    if any(end > deadline for end in ends):
        return None
    in_time = [end for end in ends if since < end <= deadline]
    owed = before >= watched and not any(before < end <= since for end in ends)
    return None if len(in_time) > owed else Overdue(since, deadline)


def has_deadline(expectation: Expectation, zone: str, *, after: datetime, until: datetime) -> bool:
    """Whether an expectation may begin to be overdue in a stretch of time.

    Args:
        expectation: The expectation.
        zone: The IANA name of the job's zone.
        after: The start of the stretch, aware, and not part of it.
        until: Its end, which is part of it.

    Example:
        >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
        >>> minute = timedelta(minutes=1)
        >>> by_noon = parse_expectation("every day by 12:00")
        >>> has_deadline(by_noon, "UTC", after=noon - minute, until=noon)
        True
    """
    if isinstance(expectation.deadlines, timedelta):
        # That follows from the runs alone, so it may be at any time.
        return True
    return next(clock.firings(expectation.deadlines, zone, after=after)) <= until


def _last_deadlines(
    deadlines: CronExpression, zone: str, now: datetime
) -> tuple[datetime, datetime, datetime]:
    times = clock.firings(deadlines, zone, after=now - _LOOK_BACK)
    past = [time.astimezone(UTC) for time in takewhile(lambda time: time <= now, times)]
    before, since, deadline = past[-_DEADLINES:]
    return before, since, deadline
