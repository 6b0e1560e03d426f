"""The machine, and what its processes use: CPU seconds and memory, as Linux tells them.

On other systems there is no `/proc`, and the figures are left out.
"""

import contextlib
import os
import platform
import sqlite3
from collections.abc import Iterable
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


def cpu_seconds(roots: Iterable[int]) -> float | None:
    """The CPU that these processes and their descendants have used, user and system.

    Children that ended count as long as a parent of theirs lives.
    """
    if not _PROC.is_dir():
        return None
    ticks = 0
    for one in _trees(roots):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may hold anything; the fields after it are numbers.
            fields = (_PROC / str(one) / "stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / _TICK


def forget_peaks(roots: Iterable[int]) -> None:
    """Let the peaks of these processes' memory begin anew."""
    for one in _trees(roots):
        with contextlib.suppress(OSError):
            (_PROC / str(one) / "clear_refs").write_text("5")


def peak_megabytes(roots: Iterable[int]) -> float | None:
    """The most memory that these processes and their descendants have held, added up, in MB."""
    if not _PROC.is_dir():
        return None
    kilobytes = 0
    for one in _trees(roots):
        with contextlib.suppress(OSError):
            for line in (_PROC / str(one) / "status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    kilobytes += int(line.split()[1])
    return kilobytes * 1024 / 1e6


def descendants(roots: Iterable[int]) -> list[int]:
    """These processes and all that they started, as far as they live."""
    return _trees(roots)


def _trees(roots: Iterable[int]) -> list[int]:
    found: list[int] = []
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        found.append(one)
        with contextlib.suppress(OSError):
            for thread in (_PROC / str(one) / "task").iterdir():
                with contextlib.suppress(OSError):
                    waiting += map(int, (thread / "children").read_text().split())
    return found


def processor() -> str:
    """The name of the machine's processor, as far as the machine tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """The machine in a line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{processor()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )
