"""A job's configuration: Medusa's `config`, with what Temporal adds to it."""

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict, field_validator
from temporalio.common import RetryPolicy

Overlap = Literal[
    "skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all"
]
"""What happens when a run is due while the one before still runs. Temporal's own policies."""

CatchUp = Literal["none", "latest", "all"]
"""Which of the firings that an outage of Temporal kept from starting are caught up afterwards."""

Dst = Literal["once", "skip", "twice"]
"""What a job does about wall-clock times that the clocks leave out or show twice.

`once` is Debian's rule (cron(8)): a time in the gap runs once, at the gap's end, and a time in the
fold once, the first time; but a job whose minute or hour field begins with `*` runs by elapsed
time, whenever the clock on the wall shows a matching time. `skip` runs no time twice and none in
the gap. `twice` runs every time of the fold at both passes, and those in the gap once, at its end.
"""

# Strict, since a bare number could be seconds or, as in Medusa, milliseconds.
ScheduleEntry = (
    Annotated[str, Field(min_length=1)]
    | Annotated[timedelta, Strict()]
    | Annotated[AwareDatetime, Strict()]
)

Duration = Annotated[timedelta, Field(gt=timedelta(0))]


class Retry(BaseModel):
    """How often a durable call is tried again, and how long it waits in between.

    The defaults give up after about an hour: one second, doubled up to five minutes, twenty
    attempts. Mistakes that no repetition mends (a `TypeError`, a `ValueError`, a `LookupError`)
    are never tried again. The names are those of Temporal's retry policy.

    Attributes:
        maximum_attempts: Attempts in all; 0 means without end.
        initial_interval: The wait before the second attempt.
        backoff_coefficient: What each wait is multiplied by for the next one.
        maximum_interval: The longest wait.
        jitter: The part of each wait, 0 to 1, by which it is made longer or shorter at random, so
            that what failed together isn't tried again together.
        non_retryable_error_types: Names of exception classes that fail the call at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    maximum_attempts: Annotated[int, Field(ge=0)] = 20
    initial_interval: Duration = timedelta(seconds=1)
    backoff_coefficient: Annotated[float, Field(ge=1)] = 2.0
    maximum_interval: Duration = timedelta(minutes=5)
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    non_retryable_error_types: tuple[str, ...] = ()

    def policy(self) -> RetryPolicy:
        """The same as Temporal's retry policy."""
        return RetryPolicy(
            initial_interval=self.initial_interval,
            backoff_coefficient=self.backoff_coefficient,
            maximum_interval=self.maximum_interval,
            maximum_attempts=self.maximum_attempts,
            non_retryable_error_types=self.non_retryable_error_types or None,
        )


class ScheduledJobConfig(BaseModel):
    """What a job file says of its job.

    Attributes:
        name: The job's name, unique among its source's jobs: letters, digits, `.`, `_` and `-`.
        schedule: A cron expression, an interval (a `timedelta`, or words such as
            `every 15 minutes`), a one-off time, or a list of any of these.
        data: What the handler gets as `data`.
        number_of_executions: How many scheduled runs the job may have in all; no end if absent.
        time_zone: The IANA name of the zone whose wall clock the cron expressions mean; UTC if
            neither this nor `CRON_TZ=` names one.
        dst: What becomes of times that the zone's clocks leave out or show twice, when they are put
            forward or back: `once` (Debian's rule), `skip` or `twice`.
        start_at: The job fires at this time or later.
        end_at: The job fires at this time or earlier.
        except_: Dates on which it doesn't fire, and expressions at whose times it doesn't. In a
            plain dict the key is `except`, which Python keeps for itself elsewhere.
        overlap: What happens when a run is due while the one before still runs.
        catch_up: What becomes of firings that Temporal missed while it was away: `none`, the
            `latest` or `all` are run, or those that are no later than a window. By default the
            window is one interval of the schedule, at least a minute and at most a day.
        jitter: Each start is put off by a random time up to this.
        window: All starts are put off by one constant time, shorter than this, that follows from
            the application's and the job's names. At most the shortest interval of the schedule.
        retry: How the run's durable calls are tried again.
        timeout: How long a run may take in all; no end if absent.
        on_failure: `undo` takes back what a run did when its handler fails, is cancelled or takes
            too long: its calls of services that name an undo, its steps and its child workflows.
        expect: By when runs complete, in words such as `every day by 09:30`, for the watchdog; by
            default what follows from the schedule.
        description: A sentence for the people who read the list of schedules.
        paused: Whether the schedule is paused when it is first made.
        renamed_from: The name that the job had before. Its schedule's pause, note and executions
            go over to the new name.

    Example:
        >>> ScheduledJobConfig(name="publish-once-a-day", schedule="0 0 * * *").overlap
        'skip'
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    name: Annotated[
        str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    ]
    schedule: ScheduleEntry | tuple[ScheduleEntry, ...]
    data: dict[str, Any] = {}
    number_of_executions: Annotated[int, Field(ge=1)] | None = None
    time_zone: str | None = None
    dst: Dst = "once"
    start_at: AwareDatetime | None = None
    end_at: AwareDatetime | None = None
    except_: Annotated[tuple[date | str, ...], Field(alias="except")] = ()
    overlap: Overlap = "skip"
    catch_up: CatchUp | Annotated[timedelta, Field(ge=timedelta(seconds=10))] | None = None
    jitter: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(0)
    window: Annotated[timedelta, Field(ge=timedelta(0))] = timedelta(0)
    retry: Retry = Retry()
    timeout: Duration | None = None
    on_failure: Literal["undo"] | None = None
    expect: str | None = None
    description: str = ""
    paused: bool = False
    renamed_from: str | None = None

    @field_validator("data")
    @classmethod
    def _sets_in_order(cls, data: dict[str, Any]) -> dict[str, Any]:
        return {key: _in_order(value) for key, value in data.items()}


def _in_order(value: Any) -> Any:
    """A value without sets, whose order is another one in each process: sorted lists instead."""
    if isinstance(value, set | frozenset):
        return sorted((_in_order(each) for each in value), key=repr)
    if isinstance(value, dict):
        return {key: _in_order(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_in_order(each) for each in value]
    return value
