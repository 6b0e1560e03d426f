"""The fixture `simulate`, for tests of a job's config.

pytest finds it where Euryale is installed; nothing has to be imported:

    def test_the_nightly_report_is_caught_up(simulate: Simulate) -> None:
        results = simulate(config, start=..., end=..., outage=(midnight, six))
        assert [each.outcome for each in results] == ["caught_up"]
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    # pytest loads plugins at every start, also where no test asks for this one.
    from euryale.config import ScheduledJobConfig
    from euryale.jobs.job import Job
    from euryale.time.simulation import Simulated, Span


class Simulate(Protocol):
    """The type of the fixture `simulate`."""

    def __call__(
        self,
        job: "Job | ScheduledJobConfig",
        *,
        start: datetime,
        end: datetime,
        duration: timedelta | Callable[[datetime], timedelta] = timedelta(0),
        outage: "Span | None" = None,
        paused: "Span | None" = None,
    ) -> "list[Simulated]":
        """Tell what becomes of each firing of a job, as `euryale simulate` does.

        Args:
            job: The job, or its config.
            start: The first time to look at, aware.
            end: The last time to look at, aware.
            duration: How long a run takes, or a function that says so for a nominal time.
            outage: From when to when the server is down.
            paused: From when to when the schedule is paused.

        Returns:
            One result for each firing, in their order.

        Raises:
            ScheduleInvalid: The config's schedule can't be read.
            ValueError: A time is naive, or a span ends before it starts.
        """


@pytest.fixture(name="simulate")
def simulate_fixture() -> Simulate:
    """Tell what becomes of each firing of a job: `simulate(config, start=…, end=…, …)`."""

    def simulate(
        job: "Job | ScheduledJobConfig",
        *,
        start: datetime,
        end: datetime,
        duration: timedelta | Callable[[datetime], timedelta] = timedelta(0),
        outage: "Span | None" = None,
        paused: "Span | None" = None,
    ) -> "list[Simulated]":
        from euryale.jobs.job import Job  # noqa: PLC0415 -- see above
        from euryale.time.simulation import simulate_job  # noqa: PLC0415

        results = simulate_job(
            job.config if isinstance(job, Job) else job,
            start=start,
            end=end,
            duration=duration,
            outages=[outage] if outage else [],
            pauses=[paused] if paused else [],
        )
        return list(results)

    return simulate
