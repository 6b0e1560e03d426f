"""Where exports lie: a folder for each version of a day, made as a whole and published last.

    orders/2026-11-21/v1/orders.csv, orders.parquet, manifest.json

A version is written beside its place and renamed into it, with its manifest still hidden; renaming
the manifest publishes it. So whoever finds a manifest finds whole files, and no file that somebody
reads is ever written to: data that changed make another version.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

from worker.services.order_files import create

MANIFEST = "manifest.json"
HIDDEN = ".manifest.json"

_FOLDER_MODE = 0o750
_VERSION = re.compile(r"v([1-9][0-9]{0,8})")


class ExportFolder:
    """The versions of one day's export.

    Args:
        root: The folder of all exports of the kind.
        day: The day.
    """

    def __init__(self, root: Path, day: date) -> None:
        self.path = root / day.isoformat()

    def begin(self, run: str) -> Path:
        """A new folder to write a version into, beside those that there are.

        What an earlier attempt of the run was writing is deleted: it was killed, or given up.
        """
        self._delete_leftovers(run)
        for folder in (self.path.parent.parent, self.path.parent, self.path):
            folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        path = self.path / f".writing-{_key(run)}-{uuid4().hex}"
        path.mkdir(mode=_FOLDER_MODE)
        return path

    def place(self, written: Path) -> int:
        """Make what was written the newest version; nobody sees half of it.

        Returns:
            The version's number.
        """
        sync(written)
        while True:
            number = max(self.versions(), default=0) + 1
            try:
                # Fails where another run was quicker: a version's folder is never empty.
                written.rename(self.version(number))
            except OSError:
                if not self.version(number).exists():
                    raise
            else:
                sync(self.path)
                return number

    def version(self, number: int) -> Path:
        """The folder of a version."""
        return self.path / f"v{number}"

    def versions(self) -> Iterator[int]:
        """The numbers of the versions that there are, published or not."""
        with suppress(FileNotFoundError):
            for path in self.path.iterdir():
                if match := _VERSION.fullmatch(path.name):
                    yield int(match[1])

    def made_by(self, run: str) -> int | None:
        """The version that the run made."""
        for number in self.versions():
            if any(manifest.get("run") == run for manifest in self.manifests(number).values()):
                return number
        return None

    def newest(self) -> tuple[int, Mapping[str, Any]] | None:
        """The newest published version and its manifest."""
        for number in sorted(self.versions(), reverse=True):
            manifest = self.manifests(number).get(MANIFEST)
            if manifest is not None:
                return number, manifest
        return None

    def manifests(self, number: int) -> dict[str, dict[str, Any]]:
        """The manifests of a version by their file's name: the published, the hidden, or none."""
        found: dict[str, dict[str, Any]] = {}
        for name in (MANIFEST, HIDDEN):
            with suppress(FileNotFoundError, NotADirectoryError, ValueError):
                manifest = json.loads((self.version(number) / name).read_bytes())
                if isinstance(manifest, dict):
                    found[name] = manifest
        return found

    def rename_manifest(self, number: int, *, old: str, new: str) -> None:
        """Publish a version, or withdraw it."""
        path = self.version(number)
        (path / old).rename(path / new)
        sync(path)

    def remove(self, number: int, run: str) -> None:
        """Take a version away as a whole, and then delete it."""
        away = self.path / f".removing-{_key(run)}-{uuid4().hex}"
        self.version(number).rename(away)
        sync(self.path)
        shutil.rmtree(away)

    def clear(self, run: str) -> None:
        """Delete what attempts of the run left behind when they were killed, and empty folders."""
        self._delete_leftovers(run)
        for folder in (self.path, self.path.parent):
            with suppress(OSError):  # there is something else in it
                folder.rmdir()

    def _delete_leftovers(self, run: str) -> None:
        for path in self.path.glob(f".*-{_key(run)}-*"):
            shutil.rmtree(path, ignore_errors=True)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits.

    Raises:
        FileNotFoundError: There is none.
    """
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write a version's manifest, hidden and sealed, as its last file."""
    sealed = {**manifest, "seal": _seal(manifest)}
    with create(folder / HIDDEN) as file:
        file.write(json.dumps(sealed, indent=2, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def is_sealed(manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest is as it was written."""
    rest = {name: value for name, value in manifest.items() if name != "seal"}
    return manifest.get("seal") == _seal(rest)


def _seal(manifest: Mapping[str, Any]) -> str:
    return sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def sync(folder: Path) -> None:
    """Wait until the disk knows which files a folder holds."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _key(run: str) -> str:
    """A run's part of a file's name."""
    return sha256(run.encode()).hexdigest()[:16]
