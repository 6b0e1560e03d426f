"""The source files of a project, watched for changes."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import Change, awatch

_NO_SOURCES = frozenset(
    {"__pycache__", "build", "dist", "env", "node_modules", "site-packages", "tests", "venv"}
)

OnChange = Callable[[Sequence[Path]], None]


def is_source(path: Path, root: Path) -> bool:
    """Whether a change of a file can change what a worker does.

    Example:
        >>> is_source(Path("shop/jobs/publish.py"), Path("shop"))
        True
        >>> is_source(Path("shop/tests/test_publish.py"), Path("shop"))
        False
    """
    parts = path.relative_to(root).parts
    return path.suffix == ".py" and not any(
        part in _NO_SOURCES or part.startswith(".") for part in parts
    )


def source_folders(root: Path) -> tuple[Path, ...]:
    """The folders right below the root that may hold sources; no virtual environments."""
    return tuple(
        sorted(
            entry
            for entry in root.iterdir()
            if entry.is_dir()
            and entry.name not in _NO_SOURCES
            and not entry.name.startswith(".")
            and not (entry / "pyvenv.cfg").exists()
        )
    )


async def watch_sources(root: Path, on_change: OnChange) -> None:
    """Tell of each change of a project's source files, until cancelled.

    The root itself is watched apart from the folders below it, since there may be a virtual
    environment with thousands of folders beside them.
    """
    other_folders = asyncio.Event()

    async def watch_root() -> None:
        known = source_folders(root)
        async for changes in awatch(root, recursive=False, watch_filter=None):
            if known != (known := source_folders(root)):
                other_folders.set()
            _tell(changes, root, on_change)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch_root())
        while True:
            other_folders.clear()
            folders = source_folders(root)
            if not folders:
                await other_folders.wait()
                continue
            async for changes in awatch(*folders, watch_filter=None, stop_event=other_folders):
                _tell(changes, root, on_change)


def _tell(changes: set[tuple[Change, str]], root: Path, on_change: OnChange) -> None:
    changed = sorted({Path(path) for _, path in changes})
    if sources := [path for path in changed if is_source(path, root)]:
        on_change(sources)
