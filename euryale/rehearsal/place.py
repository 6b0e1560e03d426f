"""The line of the application that something happens at, while it happens."""

import functools
import sys
import sysconfig
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import pydantic
import structlog
import temporalio

_ENGINE = Path(__file__).parents[1]

_NOT_THE_APPLICATION = tuple(
    f"{folder}/"
    for folder in (
        _ENGINE,
        *(Path(str(module.__file__)).parent for module in (pydantic, structlog, temporalio)),
        sysconfig.get_paths()["stdlib"],
    )
)

_OWN = tuple(
    f"{folder}/"
    for folder in (
        _ENGINE,
        *(Path(str(module.__file__)).parent for module in (pydantic, structlog, temporalio)),
    )
)


def application_line() -> str:
    """The innermost line of the application on the stack, as `file:line`; empty if none is."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 -- a whole stack costs too much for each call
    fallback = ""
    while frame is not None:
        file = frame.f_code.co_filename
        if is_application(file):
            # A library that the application uses may lie in between.
            if "site-packages" not in file:
                return f"{file}:{frame.f_lineno}"
            fallback = fallback or f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return fallback


def decides_nothing(frame: FrameType) -> bool:
    """Whether a frame's code looks at a value only to carry it or to show it.

    The engine's does, Temporal's and pydantic's, and that of loggers.
    """
    asks: FrameType | None = frame
    while asks is not None and asks.f_code.co_filename.startswith("<frozen"):
        asks = asks.f_back  # abstract classes answer `isinstance` in Python
    file = asks.f_code.co_filename if asks else ""
    return file.startswith(_OWN) or "/asyncio/" in file or "/logging/" in file


@functools.cache
def is_application(file: str) -> bool:
    """Whether a file is the application's, or a library's that it uses."""
    if file.startswith(("<", *_NOT_THE_APPLICATION[:-1])):
        return False
    # Packages lie below the standard library's folder.
    return "site-packages" in file or not file.startswith(_NOT_THE_APPLICATION[-1])


def line_of(trace: TracebackType | None) -> str:
    """The innermost line of the application that an error came through, as `file:line`."""
    lines = [
        f"{frame.filename}:{frame.lineno}"
        for frame in traceback.extract_tb(trace)
        if is_application(frame.filename) and "site-packages" not in frame.filename
    ]
    return lines[-1] if lines else ""


def waiting_line(waits: Any) -> str:
    """The innermost line of the application that a suspended coroutine waits at.

    Temporal's own stack trace of a workflow ends at its outermost coroutine.
    """
    found = ""
    while waits is not None:
        frame = getattr(waits, "cr_frame", None) or getattr(waits, "gi_frame", None)
        if frame is not None and is_application(frame.f_code.co_filename):
            found = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        waits = getattr(waits, "cr_await", None) or getattr(waits, "gi_yieldfrom", None)
    return found
