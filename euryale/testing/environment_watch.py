"""Watching which environment variables are asked for, while something is imported."""

import contextlib
import os
from collections.abc import Collection, Iterator
from typing import Any


class EnvironmentWatch:
    """Notes the variables that are asked for.

    Example:
        >>> watch = EnvironmentWatch()
        >>> with watch.watching():
        ...     _ = os.environ.get("BANK_FILE")
        >>> watch.concerns(["BANK_FILE"]), watch.concerns(["SHOP_FILE"])
        (True, False)
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._all = False

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watch until the context ends; for a process with one thread."""
        kind: Any = type(os.environ)
        get, walk = kind.__getitem__, kind.__iter__

        def noted(environment: Any, name: str) -> str:
            self._asked.add(name)
            value: str = get(environment, name)
            return value

        def walked(environment: Any) -> Iterator[str]:
            self._all = True
            names: Iterator[str] = walk(environment)
            return names

        kind.__getitem__, kind.__iter__ = noted, walked
        try:
            yield
        finally:
            kind.__getitem__, kind.__iter__ = get, walk

    def concerns(self, names: Collection[str]) -> bool:
        """Whether one of them was asked for, or all that there are."""
        return bool(names) and (self._all or not self._asked.isdisjoint(names))
