"""Which missed firings are caught up once Temporal is back from an outage.

Temporal knows a window alone: a firing that is no older than the window is handed to the overlap
policy, the oldest first. So `none` and `all` are windows, and `latest` is a wide window and a
decision of the run itself, made when it starts late: see `Turn`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from euryale.config import Overlap, ScheduledJobConfig
from euryale.errors import ConfigInvalid
from euryale.time import clock
from euryale.time.cron import CronExpression, Every
from euryale.time.timetable import Timetable, default_catch_up, firings

SHORTEST_WINDOW = timedelta(seconds=10)
"""The shortest catch-up window that Temporal takes; it makes a shorter one as long as this."""

LONGEST_WINDOW = timedelta(days=365)
"""The window of what is caught up however long the outage was. It is Temporal's own default."""

_ONE_AT_A_TIME = ("skip", "cancel_other", "terminate_other")
_EACH_RUNS = ("buffer_all", "allow_all")

_HELD = 900
"""Firings that a window may hold for all of them to fit into Temporal's buffer, which takes 1,000:
some are left for nights when clocks are put back, and for one more at the end of each entry."""

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a run that started late is for, where only the latest missed firing is caught up.

    Attributes:
        fired_at: The firing that it runs for.
        superseded: Whether it doesn't run at all, since a later firing has a run of its own.
    """

    fired_at: datetime
    superseded: bool = False


def catch_up_window(config: ScheduledJobConfig, timetable: Timetable) -> timedelta:
    """How late Temporal may start a run of a job.

    Args:
        config: The job's config.
        timetable: The job's timetable.

    Example:
        >>> from euryale.time.timetable import timetable_of
        >>> config = ScheduledJobConfig(name="a", schedule="@hourly", catch_up="none")
        >>> catch_up_window(config, timetable_of(config))
        datetime.timedelta(seconds=10)
    """
    match config.catch_up:
        case None:
            return default_catch_up(timetable)
        case "none":
            return SHORTEST_WINDOW
        case "all":
            return LONGEST_WINDOW
        case "latest":
            # Where each firing has its own run, the latest has one only if Temporal's buffer, which
            # keeps the oldest, holds them all.
            fitting = _HELD * _shortest_interval(timetable) / len(timetable.entries)
            return min(fitting, LONGEST_WINDOW) if config.overlap == "allow_all" else LONGEST_WINDOW
        case window:
            return window


def refuse_contradictions(config: ScheduledJobConfig, *, where: str = "") -> None:
    """Refuse a `catch_up` that the job's overlap policy would not carry out.

    Args:
        config: The job's config.
        where: The file and line that a refusal should name.

    Raises:
        ConfigInvalid: It names both fields.
    """
    reason = mend = ""
    if config.catch_up == "all" and config.overlap not in _EACH_RUNS:
        reason = f"of the firings that are caught up, overlap '{config.overlap}' would drop all but"
        reason += " two" if config.overlap == "buffer_one" else " one"
        mend = "let overlap be 'buffer_all' or 'allow_all', or catch_up 'latest'"
    elif config.catch_up == "latest" and config.overlap not in (*_ONE_AT_A_TIME, "allow_all"):
        reason = f"overlap '{config.overlap}' keeps what is waiting, and 'latest' drops it"
        mend = "let overlap be 'skip', 'cancel_other', 'terminate_other' or 'allow_all'"
    elif (
        config.catch_up == "latest"
        and config.overlap == "allow_all"
        and config.number_of_executions is not None
    ):
        reason = (
            "with overlap 'allow_all' each missed firing starts a run, most of which end at once, "
            "and number_of_executions would count them all"
        )
        mend = "let overlap be 'skip', or leave number_of_executions out"
    if reason:
        raise ConfigInvalid(
            f"config fields 'catch_up' and 'overlap' contradict each other: {reason}",
            where=where,
            mend=mend,
        )


def latest_due(timetable: Timetable, *, after: datetime, until: datetime) -> datetime | None:
    """The last firing after a time, up to another one.

    Args:
        timetable: The timetable.
        after: An aware time; the firing is strictly after it.
        until: An aware time, at which the firing may be.

    Returns:
        The firing, in the timetable's zone; None if there is none.

    Example:
        >>> from datetime import UTC
        >>> hourly = Timetable(entries=(Every(timedelta(hours=1)),))
        >>> year = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 59, tzinfo=UTC)
        >>> latest_due(hourly, after=year[0], until=year[1]).isoformat()
        '2026-01-01T00:00:00+00:00'
    """
    # Looked for from the end, so that a year of missed minutes isn't walked through.
    stretch = timedelta(minutes=1)
    while True:
        start = max(after, until - stretch)
        found = None
        for firing in firings(timetable, after=start):
            # In one zone, Python would compare by the clock on the wall.
            if firing.timestamp() > until.timestamp():
                break
            found = firing
        if found is not None or start <= after:
            return found
        stretch *= 2


def turn_of(
    timetable: Timetable, fired_at: datetime, *, due_until: datetime, overlap: Overlap
) -> Turn:
    """What a late run is for, where only the latest missed firing is caught up.

    Where one run goes on at a time, the run of the earliest missed firing is the only one, and
    takes the latest for its own. Where each firing has its own run, all but the latest's end.

    Args:
        timetable: The job's timetable.
        fired_at: The firing that Temporal started the run for.
        due_until: Firings up to this time were due already when the run started.
        overlap: The overlap policy that the run was started under.

    Example:
        >>> from datetime import UTC
        >>> hourly = Timetable(entries=(Every(timedelta(hours=1)),))
        >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
        >>> late = noon + timedelta(hours=3, minutes=20)
        >>> turn_of(hourly, noon, due_until=late, overlap="skip").fired_at.hour
        15
        >>> turn_of(hourly, noon, due_until=late, overlap="allow_all").superseded
        True
    """
    latest = latest_due(timetable, after=fired_at, until=due_until)
    if latest is None:
        return Turn(fired_at)
    return Turn(latest, superseded=overlap == "allow_all")


def _shortest_interval(timetable: Timetable) -> timedelta:
    return min(
        _SECOND
        if isinstance(entry, CronExpression) and len(entry.seconds) > 1
        else min(entry.interval, clock.LONGEST_CATCH_UP)
        if isinstance(entry, Every)
        else default_catch_up(Timetable(entries=(entry,)))
        for entry in timetable.entries
    )
