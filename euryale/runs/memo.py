"""What a run carries of its job's config, as that was when the run was started.

A run must not change its course because a job file changed while it ran: what decides over timers
travels in the run's own memo, which Temporal keeps with its history.
"""

from datetime import datetime, timedelta
from typing import Any

from euryale.config import ScheduledJobConfig

MEMO = "euryale"
"""The memo's key."""


def run_memo(config: ScheduledJobConfig) -> dict[str, Any]:
    """The memo of a run that starts now.

    Example:
        >>> run_memo(ScheduledJobConfig(name="a", schedule="0 0 * * *", timeout=90))
        {'timeout': 90.0, 'number_of_executions': None}
    """
    said = {
        "timeout": config.timeout.total_seconds() if config.timeout else None,
        "number_of_executions": config.number_of_executions,
    }
    return said | ({"on_failure": config.on_failure} if config.on_failure else {})


def scheduled_memo(
    config: ScheduledJobConfig, *, spread: timedelta, since: datetime
) -> dict[str, Any]:
    """The memo of the runs that a schedule starts: beside the rest, what tells their nominal time.

    Args:
        config: The job's config.
        spread: How much later than its nominal times the schedule fires.
        since: When the schedule was made so: it starts no late run for a firing before.

    Example:
        >>> hourly = ScheduledJobConfig(name="a", schedule="@hourly", catch_up="latest")
        >>> since = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        >>> memo = scheduled_memo(hourly, spread=timedelta(seconds=99), since=since)
        >>> memo["spread"], memo["latest"]["jitter"], memo["latest"]["overlap"]
        (99.0, 0.0, 'skip')
    """
    latest = {
        "jitter": config.jitter.total_seconds(),
        "overlap": config.overlap,
        "since": since.isoformat(),
    }
    return run_memo(config) | {
        "spread": spread.total_seconds(),
        "latest": latest if config.catch_up == "latest" else None,
    }
