"""Counters of a run: they show the same under replay, and never the same twice."""

import asyncio
import itertools
from collections.abc import Iterator
from weakref import WeakKeyDictionary

# By run: its event loop lives as long as this worker holds it, and is made anew for a replay.
_numbers: WeakKeyDictionary[asyncio.AbstractEventLoop, Iterator[int]] = WeakKeyDictionary()
_moments: WeakKeyDictionary[asyncio.AbstractEventLoop, Iterator[int]] = WeakKeyDictionary()


def moment() -> int:
    """The run's own clock, by which it is known what came after what."""
    return next(_moments.setdefault(asyncio.get_running_loop(), itertools.count(1)))


def next_number() -> int:
    """A number that no other activity or child workflow of the run has."""
    return next(_numbers.setdefault(asyncio.get_running_loop(), itertools.count(1)))


def next_id(name: str) -> str:
    """An id for an activity or a child workflow, which no other of the run has."""
    return f"{name}/{next_number()}"
