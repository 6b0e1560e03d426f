"""What a sweep goes over: rows in the order of a key, in a store that the engine knows nothing of.

An adapter such as `euryale.sweeps.sql` fills these in. What it changes in a batch, how far it came
and what it needs to take that back are kept together, or not at all.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Key = tuple[Any, ...]
"""The key of a row, in terms of JSON: one value for each of its columns."""

B_co = TypeVar("B_co", covariant=True)


class SlabMoved(Exception):
    """A slab is where another attempt has brought it, so this one must not go on."""


@dataclass(frozen=True, slots=True)
class Slab:
    """A range of keys, that one activity goes over.

    Attributes:
        sweep: The id of the sweep, which no other one has.
        number: The number of the slab in it, from 0.
        after: The key that it begins behind; None for the first slab.
        until: The last key that belongs to it.
    """

    sweep: str
    number: int
    after: Key | None
    until: Key


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a slab has come, as its store has it.

    Attributes:
        slab: What the store knows the slab by.
        position: The last key that is done; None before the first.
        rows: How many rows the step was carried out for.
        dead: How many were set aside since the step failed for them.
        finished: Whether the slab is done.
    """

    slab: int
    position: Key | None = None
    rows: int = 0
    dead: int = 0
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Walk:
    """The next slabs of a sweep.

    Attributes:
        bounds: The last key of each.
        last: The largest key that the sweep goes to; None where there are no rows.
        finished: Whether there are no slabs behind these.
    """

    bounds: tuple[Key, ...]
    last: Key | None
    finished: bool


@dataclass(frozen=True, slots=True)
class Buried:
    """A row that was set aside.

    Attributes:
        key: Its key.
        error: What the step failed with.
    """

    key: Key
    error: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a step kept of a row for its undo.

    Attributes:
        key: The row's key.
        undo: What was kept.
    """

    key: Key
    undo: Any


class Undoing(Protocol):
    """A batch of rows that is taken back."""

    @property
    def kept(self) -> Sequence[Kept]:
        """What the step kept of each row."""
        ...

    def changed_since(self, key: Key) -> None:
        """Say that the row was changed by somebody since, and was left alone."""
        ...


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What became of a slab that was taken back.

    Attributes:
        rows: How many rows are as they were before.
        left: How many were changed by somebody since, and were left alone.
        keys: The keys of the first of those.
    """

    rows: int
    left: int
    keys: tuple[str, ...] = ()


class BatchFailed(Exception):
    """A batch for which the step failed, and which is rolled back.

    Args:
        error: What failed.
        until: The key of its last row.
    """

    def __init__(self, error: Exception, until: Key) -> None:
        super().__init__(str(error))
        self.error = error
        self.until = until


class Source(Protocol[B_co]):
    """Rows in the order of a key. `B_co` is what a step gets for a batch of them."""

    async def count(self) -> int:
        """How many rows there are."""
        ...

    async def walk(self, after: Key | None, last: Key | None, size: int, most: int) -> Walk:
        """The next slabs of `size` rows, at most so many.

        Args:
            after: The last key of the slab before; None at the beginning.
            last: The largest key to go to; None at the beginning, when it is looked up.
            size: How many rows a slab has.
            most: How many slabs to look for.

        Raises:
            SweepKeyInvalid: Rows have no key, or one that can't travel.
        """
        ...

    async def open(self, slab: Slab) -> Cursor:
        """How far the slab has come."""
        ...

    async def change(
        self,
        slab: Slab,
        cursor: Cursor,
        most: int,
        step: Callable[[B_co], Awaitable[None]],
        keeps: str,
    ) -> Cursor:
        """Carry the step out for the next rows, at most so many, and move the cursor with them.

        Args:
            slab: The slab.
            cursor: How far it has come.
            most: How many rows to take.
            step: The step.
            keeps: What is kept for the undo: `"rows"` as they were, what the `"step"` says, or
                nothing where it is empty.

        Raises:
            BatchFailed: The step failed, or the database refused what it changed.
            SweepKeyInvalid: Two rows have one key.
        """
        ...

    async def bury(self, slab: Slab, cursor: Cursor, failed: Key, error: str) -> Cursor:
        """Set the next row aside, and move the cursor over it.

        Args:
            slab: The slab.
            cursor: How far it has come.
            failed: The row's key. Where another row is the next one by now, nothing is done: that
                one has its turn first.
            error: What failed for it.
        """
        ...

    async def buried(self, cursor: Cursor, known: int, most: int) -> Sequence[Buried]:
        """The rows of a slab that were set aside, without the first ones that are known."""
        ...

    async def take_back(
        self, slab: Slab, undo: Callable[[Undoing], Awaitable[None]] | None
    ) -> TakenBack:
        """Take back what was done in a slab; what was taken back already stays so.

        Args:
            slab: The slab. It can't go on any more.
            undo: What takes a batch back, where the step named a method for that.
        """
        ...
