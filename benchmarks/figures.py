"""What the benchmark found, as plain values; and what follows from them: medians and ratios."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured round.

    Attributes:
        items: How many items it had.
        seconds: How long it took on the clock.
        worker_cpu: The CPU seconds of the worker's processes; None where nobody tells.
        server_cpu: The same of all servers together.
        peak: The most memory of the worker's processes, in MB.
    """

    items: int
    seconds: float
    worker_cpu: float | None
    server_cpu: float | None
    peak: float | None

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds


@dataclass(frozen=True, slots=True)
class Subject:
    """What was measured.

    Attributes:
        scenario: The work, such as `at once`.
        store: The products' database.
        side: The engine.
        way: In which of its ways; empty where it has one only.
    """

    scenario: str
    store: str
    side: str
    way: str = ""

    @property
    def label(self) -> str:
        """The side with its way."""
        return f"{self.side}, {self.way}" if self.way else self.side


@dataclass(frozen=True, slots=True)
class Published:
    """Rounds of publishing, or of calls that do nothing."""

    subject: Subject
    samples: Sequence[Sample]

    @property
    def rate(self) -> float:
        """Items a second, the median of the rounds."""
        return statistics.median(sample.rate for sample in self.samples)

    @property
    def spread(self) -> tuple[float, float]:
        """The slowest and the fastest round, in items a second."""
        rates = [sample.rate for sample in self.samples]
        return min(rates), max(rates)

    @property
    def items(self) -> int:
        """How many items a round had."""
        return max(sample.items for sample in self.samples)

    @property
    def worker_cpu(self) -> float | None:
        """The worker's CPU for an item, in milliseconds, the median of the rounds."""
        return _median(
            each.worker_cpu and 1e3 * each.worker_cpu / each.items for each in self.samples
        )

    @property
    def server_cpu(self) -> float | None:
        """The servers' CPU for an item, in milliseconds, the median of the rounds."""
        return _median(
            each.server_cpu and 1e3 * each.server_cpu / each.items for each in self.samples
        )

    @property
    def peak(self) -> float | None:
        """The most memory of the worker over all rounds, in MB."""
        return max((each.peak for each in self.samples if each.peak is not None), default=None)


@dataclass(frozen=True, slots=True)
class Fired:
    """How late jobs began: the seconds from when they were due to their first line."""

    subject: Subject
    latencies: Sequence[float]

    def percentile(self, percent: float) -> float:
        """The latency that so many percent of the firings don't exceed."""
        ordered = sorted(self.latencies)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Registered:
    """How long it took to register so many jobs, in seconds."""

    subject: Subject
    jobs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Killed:
    """What came of a run whose worker was killed at half.

    Attributes:
        subject: What was measured.
        items: How many products there were.
        lost: How many of them were still drafts in the end.
        repeated: How many changes were made a second time.
        resumed: Seconds from the kill to the next change; None if there was none.
        finished: Seconds from the kill until the run said that it was done; None if it never did.
    """

    subject: Subject
    items: int
    lost: int
    repeated: int
    resumed: float | None
    finished: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A measurement that came to nothing."""

    subject: Subject
    reason: str


Figure = Published | Fired | Registered | Killed | Failed


def ratio(published: Published, others: Iterable[Published], side: str) -> float | None:
    """How many times the rate of a side's fastest way it is, in the same scenario and store."""
    rates = [
        other.rate
        for other in others
        if other.subject.side == side
        and other.subject.scenario == published.subject.scenario
        and other.subject.store == published.subject.store
        and (published.subject.scenario != "calls" or other.subject.way == published.subject.way)
    ]
    return published.rate / max(rates) if rates else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None
