"""Who bears a job's name that several files claim: the application's job before a plugin's."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from euryale.errors import EuryaleError, JobNameTaken, PluginNameTaken
from euryale.jobs.job import Job
from euryale.jobs.job_file import JudgedFile


@dataclass(frozen=True)
class ReplacedJob:
    """A plugin's job whose place the application's own of the same name has taken.

    Attributes:
        plugin: The plugin's name.
        where: The plugin's file and line, as its job would bear them.

    Example:
        >>> str(ReplacedJob("reviews", "reviews/jobs/digest.py:3"))
        "replaces reviews' job (reviews/jobs/digest.py:3)"
    """

    plugin: str
    where: str

    def __str__(self) -> str:
        possessive = "'" if self.plugin.endswith("s") else "'s"
        return f"replaces {self.plugin}{possessive} job ({self.where})"

    def as_dict(self) -> dict[str, str]:
        """The same for programs."""
        return {"plugin": self.plugin, "where": self.where}


@dataclass(frozen=True)
class Discovery:
    """What discovery found.

    Attributes:
        jobs: The good ones, in the order of their sources and, within one, of their files.
        errors: All that is wrong.
        replaced: The plugins' jobs that the application's own took the place of, by name.
    """

    jobs: tuple[Job, ...]
    errors: tuple[EuryaleError, ...]
    replaced: Mapping[str, tuple[ReplacedJob, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Claim:
    """A file that claims a job's name, and the plugin it is of; empty for the application."""

    plugin: str
    file: JudgedFile

    @property
    def where(self) -> str:
        return f"{self.file.file.place}:{self.file.line}"

    def __str__(self) -> str:
        return f"{self.where} (plugin '{self.plugin}')" if self.plugin else self.where


def settle(judged: Sequence[tuple[str, JudgedFile]]) -> Discovery:
    """Decide which of the judged files' jobs are served.

    A broken file claims its name as a good one does: another job in its place would do something
    that nobody meant. What is wrong with a plugin's file that the application replaces is nobody's
    concern.

    Args:
        judged: The files, each with the name of its plugin, which is empty for the application's.
    """
    claims: dict[str, list[_Claim]] = {}
    for plugin, file in judged:
        if file.name is not None:
            claims.setdefault(file.name, []).append(_Claim(plugin, file))
    own = {name for name, bearers in claims.items() if any(not each.plugin for each in bearers)}
    nameless = [file for plugin, file in judged if not plugin and file.name is None]

    refused: dict[str, EuryaleError] = {}
    for name, bearers in claims.items():
        rivals = [each for each in bearers if not each.plugin] if name in own else bearers
        if len(rivals) > 1:
            refused[name] = _taken(name, rivals)
        elif name not in own and (meant := _meant_to_replace(name, nameless)):
            refused[name] = _held_back(name, rivals[0], meant)

    served: list[Job] = []
    errors: list[EuryaleError] = []
    for plugin, file in judged:
        if plugin and file.name in own:
            continue
        errors.extend(told_of(plugin, error) for error in file.errors)
        if file.job is not None and file.name not in refused:
            served.append(file.job)
    return Discovery(
        jobs=tuple(served),
        errors=(*errors, *refused.values()),
        replaced={
            name: tuple(
                ReplacedJob(each.plugin, each.file.job.where if each.file.job else each.where)
                for each in claims[name]
                if each.plugin
            )
            for name in claims
            if name in own and any(each.plugin for each in claims[name])
        },
    )


def told_of(plugin: str, error: EuryaleError) -> EuryaleError:
    """The same error, which also names the plugin that it is about, if it is about one."""
    if not plugin:
        return error
    return type(error)(f"plugin '{plugin}': {error.what}", where=error.where, mend=error.mend)


def _taken(name: str, rivals: Sequence[_Claim]) -> EuryaleError:
    first, *others = rivals
    what = (
        f"the name {name!r} is also borne by {', '.join(map(str, others))}, and none of them is "
        "served: nobody can know which one is meant"
    )
    if {each.plugin for each in rivals} == {""}:
        return JobNameTaken(what, where=first.where, mend="give each job a name of its own")
    if len({each.plugin for each in rivals}) == 1:
        return told_of(
            first.plugin,
            JobNameTaken(what, where=first.where, mend="tell the plugin's author"),
        )
    return told_of(
        first.plugin,
        PluginNameTaken(
            what,
            where=first.where,
            mend="write a job of that name in the application, which takes the place of all, or "
            "choose one of the plugins",
        ),
    )


def _meant_to_replace(name: str, nameless: Iterable[JudgedFile]) -> JudgedFile | None:
    """The application's broken file that may be meant to replace a plugin's job: it names it."""
    for file in nameless:
        try:
            text = file.file.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if f'"{name}"' in text or f"'{name}'" in text:
            return file
    return None


def _held_back(name: str, claim: _Claim, meant: JudgedFile) -> EuryaleError:
    return told_of(
        claim.plugin,
        JobNameTaken(
            f"the job {name!r} is not served: {meant.file.place}, which is broken, seems meant to "
            "take its place",
            where=claim.where,
            mend=f"correct {meant.file.place}",
        ),
    )
