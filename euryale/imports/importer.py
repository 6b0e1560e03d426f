"""Of what a reader found: the config of each job, and the proof that it means the same."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count

from euryale.config import ScheduledJobConfig
from euryale.errors import ScheduleInvalid
from euryale.imports.comparison import Comparison, compare
from euryale.imports.entry import Firings, ImportedJob, Refusal
from euryale.imports.job_names import unique_names
from euryale.time.timetable import Timetable, firings, timetable_of


@dataclass(frozen=True)
class ProvenJob:
    """A job with the config that comes nearest to what it was.

    Attributes:
        job: What the reader found.
        config: The config.
        timetable: What the config says of time.
        comparison: How the firings of both engines compare.
    """

    job: ImportedJob
    config: ScheduledJobConfig
    timetable: Timetable
    comparison: Comparison

    @property
    def is_equal(self) -> bool:
        """Whether no difference was found."""
        return not self.comparison.differences


def named_apart(jobs: Iterable[ImportedJob]) -> tuple[ImportedJob, ...]:
    """The jobs, with a number added to names that files of earlier ones bear."""
    found = tuple(jobs)
    names = unique_names([job.name for job in found])
    return tuple(
        replace(
            job,
            candidates=tuple(config.model_copy(update={"name": name}) for config in job.candidates),
        )
        for job, name in zip(found, names, strict=True)
    )


def prove(job: ImportedJob, *, after: datetime) -> ProvenJob | Refusal:
    """Take the candidate whose firings are the other engine's, or come nearest to them.

    Args:
        job: What a reader found.
        after: An aware time; firings after it are compared.

    Returns:
        The job with its comparison; a refusal if our dialect takes none of the candidates.
    """
    best: ProvenJob | None = None
    refused: ScheduleInvalid | None = None
    theirs = remembered(job.firings)
    for config, timetable_or_error in _timetables(job):
        if isinstance(timetable_or_error, ScheduleInvalid):
            refused = refused or timetable_or_error
            continue
        timetable = timetable_or_error
        comparison = compare(
            theirs,
            lambda start, of=timetable: firings(of, after=start),  # type: ignore[misc]
            job.zone,
            after=after,
        )
        proven = ProvenJob(job, config, timetable, comparison)
        if proven.is_equal:
            return proven
        if best is None or len(comparison.differences) < len(best.comparison.differences):
            best = proven
    if best is not None:
        return best
    reason = "nothing says it" if refused is None else f"{refused.what}: {refused.mend}"
    return Refusal(job.origin, job.written, reason)


def remembered(firings: Firings) -> Firings:
    """The same firings, asked of the engine once: each candidate is compared with them."""
    told: dict[datetime, list[datetime]] = {}
    engines: dict[datetime, Iterator[datetime]] = {}

    def again(after: datetime) -> Iterator[datetime]:
        if after not in engines:
            engines[after], told[after] = firings(after), []
        for place in count():
            if place == len(told[after]):
                following = next(engines[after], None)
                if following is None:
                    return
                told[after].append(following)
            yield told[after][place]

    return again


def _timetables(
    job: ImportedJob,
) -> Iterator[tuple[ScheduledJobConfig, Timetable | ScheduleInvalid]]:
    for config in job.candidates:
        try:
            yield config, timetable_of(config)
        except ScheduleInvalid as error:
            yield config, error
