"""Discovery: from folders of job files to jobs, and to one report of all that is wrong.

Each file is judged on its own: a broken one names itself and its line, and keeps no other from
being served. Files and folders that begin with `_` or `.`, `test_*.py`, `*_test.py`,
`conftest.py` and folders named `tests` hold no jobs. Who bears a name that two files claim is
settled at the end, in `euryale.jobs.job_names`.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from euryale.errors import EuryaleError, JobsFolderMissing
from euryale.jobs.job import JobSource
from euryale.jobs.job_file import JobFile, judge, unreadable
from euryale.jobs.job_names import Discovery, settle, told_of


def discover(sources: Sequence[JobSource], *, root: Path) -> Discovery:
    """Import the job files of some sources, and judge each of them.

    A second call in one process sees the files as they are then. A file that lies in two of the
    folders is taken once, with the first. Two jobs of one name in the application's folders are
    both refused, as nobody can know which one is meant, and so are two in plugins; the
    application's job takes the place of a plugin's of the same name.

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
    put_on_path(root)
    errors: list[EuryaleError] = []
    found: list[tuple[JobSource, list[JobFile]]] = []
    seen: set[Path] = set()
    for source in sources:
        try:
            place = _locate(source, root)
        except JobsFolderMissing as error:
            errors.append(told_of(source.plugin, error))
            continue
        _forget(place)
        found.append((source, _job_files(place, seen, errors)))
    importlib.invalidate_caches()
    judged = [(source.plugin, judge(file, source)) for source, files in found for file in files]
    settled = settle(judged)
    return replace(settled, errors=(*errors, *settled.errors))


def put_on_path(root: Path) -> None:
    """Let what lies below a project's root be imported."""
    if root.resolve() not in {Path(entry).resolve() for entry in sys.path}:
        sys.path.insert(0, str(root.absolute()))


@dataclass(frozen=True)
class _Place:
    """A folder of job files, and the package that its modules are named from."""

    folder: Path
    package: str

    def place(self, path: Path) -> str:
        """A path in the folder as messages name it: `reviews/jobs/digest.py`."""
        return (Path(*self.package.split(".")) / path.relative_to(self.folder)).as_posix()

    def module(self, file: Path) -> str:
        """The importable name of a file in the folder."""
        parts = file.relative_to(self.folder).with_suffix("").parts
        return ".".join((self.package, *parts))


def _locate(source: JobSource, root: Path) -> _Place:
    """The folder of a source, and its importable name."""
    folder = root / source.path
    if not folder.is_dir():
        raise JobsFolderMissing(
            "the folder of job files is not there",
            where=_shown(folder, root),
            mend="make the folder, or name the one that holds the job files",
        )
    if source.package:
        return _Place(folder, source.package)
    entries = sorted({Path(entry).absolute() for entry in sys.path}, key=lambda e: -len(e.parts))
    for base in (root, root.resolve(), *entries):
        for actual in (folder, folder.resolve()):
            parts = actual.relative_to(base).parts if actual.is_relative_to(base) else ()
            if parts and not any("." in part for part in parts):
                return _Place(actual, ".".join(parts))
    raise JobsFolderMissing(
        "the folder of job files can't be imported from",
        where=_shown(folder, root),
        mend="put them into a folder of their own below the project's root, such as `jobs/`, "
        "without a dot in its path",
    )


def _shown(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.as_posix()


def _forget(place: _Place) -> None:
    """Drop what was imported from a source before, so that it is read anew.

    Bytecode is dropped too: Python takes it for fresh when a file was saved twice within one
    second with the same length, as `0 0 * * *` and `1 0 * * *` may be.
    """
    for name, module in list(sys.modules.items()):
        if name != place.package and not name.startswith(f"{place.package}."):
            continue
        file = getattr(module, "__file__", None)
        if file is None:
            del sys.modules[name]
        elif Path(file).resolve().is_relative_to(place.folder.resolve()):
            del sys.modules[name]
            with suppress(OSError, NotImplementedError):
                Path(importlib.util.cache_from_source(file)).unlink(missing_ok=True)


def _job_files(place: _Place, seen: set[Path], errors: list[EuryaleError]) -> list[JobFile]:
    """The job files of a folder and of those in it, in the order of their paths.

    Folders that were seen are left out, and those that are read are added to them: links may lead
    back to where they lie, and a source into another one.
    """

    def walk(folder: Path) -> Iterator[JobFile]:
        if folder.resolve() in seen:
            return
        seen.add(folder.resolve())
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            errors.append(unreadable(place.place(folder), error))
            return
        for entry in entries:
            if entry.name.startswith(("_", ".")):
                continue
            if entry.is_dir():
                if entry.name != "tests":
                    yield from walk(entry)
            elif entry.suffix == ".py" and not _is_test(entry.stem):
                yield JobFile(path=entry, place=place.place(entry), module=place.module(entry))

    return list(walk(place.folder))


def _is_test(stem: str) -> bool:
    return stem.startswith("test_") or stem.endswith("_test") or stem == "conftest"
