"""What a worker serves: its jobs and services by name, and what these need."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from euryale.errors import EuryaleError, JobUnknown
from euryale.jobs.job import Job
from euryale.jobs.job_names import ReplacedJob
from euryale.jobs.parts import Parts
from euryale.services.method import ServiceDefinition


@dataclass(frozen=True)
class Registry:
    """An application, loaded: what its workers serve.

    Attributes:
        app: The application's name, which is also the prefix of its schedules' ids.
        jobs: The jobs by name, in the order in which they were discovered.
        services: The services by the name under which handlers resolve them.
        errors: What was wrong with the job files that are not served.
        parts: The services, providers, workflows and activities, those of plugins included.
        replaced: The plugins' jobs that the application's own took the place of, by name.
    """

    app: str
    jobs: Mapping[str, Job]
    services: Mapping[str, ServiceDefinition]
    errors: tuple[EuryaleError, ...] = ()
    parts: Parts = field(default_factory=Parts)
    replaced: Mapping[str, tuple[ReplacedJob, ...]] = field(default_factory=dict)
    _stamps: Mapping[str, tuple[int, int] | None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        stamps = {name: _stamp(job.file) for name, job in self.jobs.items()}
        object.__setattr__(self, "_stamps", stamps)

    def was_edited(self, job: Job) -> bool:
        """Whether the job's file was changed or removed since it was read."""
        return self._stamps.get(job.name) != _stamp(job.file)

    def replacement(self, name: str) -> str:
        """Which plugins' jobs the job of that name takes the place of; empty if none."""
        return ", ".join(str(each) for each in self.replaced.get(name, ()))

    def job(self, name: str) -> Job:
        """The job of that name.

        Raises:
            JobUnknown: There is none; the nearest name is suggested.
        """
        found = self.jobs.get(name)
        if found is not None:
            return found
        nearest = difflib.get_close_matches(name, self.jobs, n=1)
        known = ", ".join(sorted(self.jobs)) or "none"
        raise JobUnknown(
            f"no job is named '{name}'",
            mend=f"did you mean '{nearest[0]}'?" if nearest else f"the jobs are: {known}",
        )


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
