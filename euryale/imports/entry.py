"""What a reader finds in another scheduler's file: jobs, and what can't become one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from euryale.config import ScheduledJobConfig

Firings = Callable[[datetime], Iterator[datetime]]
"""When an engine fires, strictly after an aware time; ascending, each once."""


@dataclass(frozen=True)
class ImportedJob:
    """A job of another scheduler.

    Attributes:
        origin: Where it was found, such as `crontab:4`.
        written: Its schedule, as it was written there.
        work: What it did there, in a line: a command, or the name of a function.
        candidates: Configs that may mean the same, the plainest first. They differ only in what
            they say of time.
        firings: When the other engine fires, by its own arithmetic.
        zone: The IANA name of the zone whose wall clock the other engine goes by.
        original: The lines to be kept as comments in the job file.
        notes: What a reader of the report should know, a sentence each without its full stop.
        nights: What the other engine does when clocks are changed, told where that makes a
            difference; a sentence without its full stop.
    """

    origin: str
    written: str
    work: str
    candidates: tuple[ScheduledJobConfig, ...]
    firings: Firings
    zone: str
    original: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    nights: str = ""

    @property
    def name(self) -> str:
        """The job's name, which all candidates bear."""
        return self.candidates[0].name


@dataclass(frozen=True)
class Refusal:
    """What can't be imported.

    Attributes:
        origin: Where it was found.
        written: Its schedule or its text, as it was written there.
        reason: Why, as a sentence without its full stop.
    """

    origin: str
    written: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """What a file holds.

    Attributes:
        jobs: The jobs, in their order.
        refusals: What can't become a job.
        notes: What is to be known of all of them, a sentence each without its full stop.
    """

    jobs: tuple[ImportedJob, ...]
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()
