"""Puts job files into their folder: all of them or none, and never over what is there."""

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from euryale.errors import JobFileNotWritten


def refuse_existing(files: Mapping[Path, str]) -> None:
    """Raise if one of the files is there already.

    Raises:
        JobFileNotWritten: It is.
    """
    for path in files:
        if path.exists() or path.is_symlink():
            raise _is_there(path)


def write_job_files(files: Mapping[Path, str]) -> None:
    """Write files; each appears whole, and if one can't be written, none is left.

    Args:
        files: The text of each path. Folders are made as needed.

    Raises:
        JobFileNotWritten: A file is there already, or can't be written.
    """
    refuse_existing(files)
    written: list[Path] = []
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, text, written)
    except OSError as error:
        _remove(written)
        path = Path(error.filename or "")
        if isinstance(error, FileExistsError) and path in files:
            raise _is_there(path) from None
        raise JobFileNotWritten(
            f"it can't be written: {error.strerror or error}",
            where=str(error.filename or ""),
            mend="give a folder that this user may write to, by `--to`",
        ) from None


def _write(path: Path, text: str, written: list[Path]) -> None:
    # The name is taken first, which fails if it is there; then the whole text takes its place.
    with path.open("x", encoding="utf-8"):
        written.append(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        # mkstemp lets nobody else read it; the empty file has the mode that this user's files have.
        Path(temporary).chmod(path.stat().st_mode & 0o777)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _remove(written: list[Path]) -> None:
    for path in written:
        with contextlib.suppress(OSError):
            path.unlink()


def _is_there(path: Path) -> JobFileNotWritten:
    return JobFileNotWritten(
        "it is there already, and nothing is overwritten",
        where=str(path),
        mend="remove or rename it, or give another folder by `--to`",
    )
