"""What a run carries of its job's config, as that was when the run was started.

A run must not change its course because a job file changed while it ran: what decides over timers
travels in the run's own memo, which Temporal keeps with its history.
"""

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
    return {
        "timeout": config.timeout.total_seconds() if config.timeout else None,
        "number_of_executions": config.number_of_executions,
    }
