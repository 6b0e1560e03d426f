"""Discovery: from folders of job files to jobs, and to one report of all that is wrong.

Each file is judged on its own: a broken one names itself and its line, and keeps no other from
being served. Files and folders that begin with `_` or `.`, `test_*.py`, `*_test.py`,
`conftest.py` and folders named `tests` hold no jobs.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from euryale.errors import EuryaleError, JobNameTaken, JobsFolderMissing
from euryale.job import Job, JobSource
from euryale.job_file import JobFile, JudgedFile, judge, unreadable


@dataclass(frozen=True)
class Discovery:
    """What discovery found.

    Attributes:
        jobs: The good ones, in the order of their sources and, within one, of their files.
        errors: All that is wrong.
    """

    jobs: tuple[Job, ...]
    errors: tuple[EuryaleError, ...]


def discover(sources: Sequence[JobSource], *, root: Path) -> Discovery:
    """Import the job files of some sources, and judge each of them.

    A second call in one process sees the files as they are then. Two jobs of one name in one
    source are both refused, as nobody can know which one is meant; a job of an earlier source
    takes the place of one of the same name in a later source, as an application's own job does
    with a plugin's.

    Args:
        sources: The folders, the application's first.
        root: The project's root, from which modules are named (`jobs/reports/daily.py` is
            `jobs.reports.daily`). It is put on `sys.path` if it isn't there. A source outside
            it is named from the entry of `sys.path` that it lies in.

    Returns:
        The good jobs, and all errors. Nothing that a job file does makes this raise, except
        `KeyboardInterrupt`.
    """
    root = root.absolute()
    if root.resolve() not in {Path(entry).resolve() for entry in sys.path}:
        sys.path.insert(0, str(root))
    errors: list[EuryaleError] = []
    found: list[tuple[JobSource, list[JobFile]]] = []
    for source in sources:
        try:
            base, folder = _locate(root / source.path, root)
        except JobsFolderMissing as error:
            errors.append(error)
            continue
        _forget(base, folder)
        found.append((source, _job_files(base, folder, errors)))
    importlib.invalidate_caches()

    jobs: list[Job] = []
    claimed: set[str] = set()
    for source, files in found:
        judged = [judge(file, source) for file in files]
        errors.extend(error for each in judged for error in each.errors)
        names = [each.name for each in judged if each.name is not None]
        taken = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        errors.extend(_name_taken(name, judged) for name in taken)
        served = (each.job for each in judged if each.job is not None)
        jobs.extend(job for job in served if job.name not in {*taken, *claimed})
        claimed.update(names)
    return Discovery(jobs=tuple(jobs), errors=tuple(errors))


def _locate(folder: Path, root: Path) -> tuple[Path, Path]:
    """The folder that a source's modules are named from, and the source's own within it."""
    if not folder.is_dir():
        raise JobsFolderMissing(
            "the folder of job files is not there",
            where=_place(folder, root),
            mend="make the folder, or name the one that holds the job files",
        )
    entries = sorted({Path(entry).absolute() for entry in sys.path}, key=lambda e: -len(e.parts))
    for base in (root, root.resolve(), *entries):
        for actual in (folder, folder.resolve()):
            parts = actual.relative_to(base).parts if actual.is_relative_to(base) else ()
            if parts and not any("." in part for part in parts):
                return base, actual
    raise JobsFolderMissing(
        "the folder of job files can't be imported from",
        where=_place(folder, root),
        mend="put them into a folder of their own below the project's root, such as `jobs/`, "
        "without a dot in its path",
    )


def _forget(base: Path, folder: Path) -> None:
    """Drop what was imported from a source before, so that it is read anew.

    Bytecode is dropped too: Python takes it for fresh when a file was saved twice within one
    second with the same length, as `0 0 * * *` and `1 0 * * *` may be.
    """
    package = ".".join(folder.relative_to(base).parts)
    for name, module in list(sys.modules.items()):
        if name != package and not name.startswith(f"{package}."):
            continue
        file = getattr(module, "__file__", None)
        if file is None:
            del sys.modules[name]
        elif Path(file).resolve().is_relative_to(folder.resolve()):
            del sys.modules[name]
            with suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(file)).unlink(missing_ok=True)


def _job_files(base: Path, folder: Path, errors: list[EuryaleError]) -> list[JobFile]:
    """The job files of a folder and of those in it, in the order of their paths."""
    seen: set[Path] = set()

    def walk(folder: Path) -> Iterator[JobFile]:
        if folder.resolve() in seen:  # Links may lead back to where they lie.
            return
        seen.add(folder.resolve())
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            errors.append(unreadable(_place(folder, base), error))
            return
        for entry in entries:
            if entry.name.startswith(("_", ".")):
                continue
            if entry.is_dir():
                if entry.name != "tests":
                    yield from walk(entry)
            elif entry.suffix == ".py" and not _is_test(entry.stem):
                module = ".".join(entry.relative_to(base).with_suffix("").parts)
                yield JobFile(path=entry, place=_place(entry, base), module=module)

    return list(walk(folder))


def _is_test(stem: str) -> bool:
    return stem.startswith("test_") or stem.endswith("_test") or stem == "conftest"


def _place(path: Path, base: Path) -> str:
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _name_taken(name: str, judged: Sequence[JudgedFile]) -> JobNameTaken:
    first, *others = (f"{each.file.place}:{each.line}" for each in judged if each.name == name)
    return JobNameTaken(
        f"the name {name!r} is also borne by {', '.join(others)}, and none of them is served: "
        "nobody can know which one is meant",
        where=first,
        mend="give each job a name of its own",
    )
