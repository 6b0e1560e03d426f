"""What travels between a sweep, its activities and who asks for it; all of it stays small."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from euryale.sweeps.source import Key

SWEEP_WORKFLOW = "euryale.sweep"
"""The type of the workflow of every sweep."""

SWEEP_MEMO = "euryale-sweep"
"""The memo's key of a sweep's `SweepProgress`."""

WALK = f"{SWEEP_WORKFLOW}.walk"
COUNT = f"{SWEEP_WORKFLOW}.count"
TAKE_BACK = f"{SWEEP_WORKFLOW}.take-back"

TOLD = 100
"""Rows that are told of one by one, of those that were set aside or left alone."""

DEAD_LETTERS = 1_000
"""Rows set aside at which a sweep stops: then it isn't single rows that are wrong."""

DeadLetters = Literal["fail", "keep"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class DeadLetter(_Frozen):
    """A row for which the step failed, and that was set aside.

    Attributes:
        key: Its key, one value for each column.
        error: What the step failed with.
    """

    key: Key
    error: str


class SweepResult(_Frozen):
    """What a sweep did.

    Attributes:
        rows: For how many rows the step was carried out.
        slabs: In how many slabs.
        dead_letters: How many rows were set aside, since the step failed for them.
        first_dead_letters: The first hundred of those; the store has all.
    """

    rows: int = 0
    slabs: int = 0
    dead_letters: int = 0
    first_dead_letters: tuple[DeadLetter, ...] = ()


State = Literal["running", "pausing", "paused", "completed", "failed", "cancelled"]


class SweepProgress(_Frozen):
    """How far a sweep has come.

    Attributes:
        query: Which rows it goes over.
        step: What it does with them.
        rows: For how many the step was carried out, as of the last slab.
        total: How many there were at its start; None while that isn't known, or took too long.
        slabs: How many slabs are done.
        dead_letters: How many rows were set aside.
        rate: Rows a second, over the last minute.
        eta: Seconds until its end at that rate; None where that can't be told.
        state: Whether it goes on.
        note: Who paused it and why, while it is paused.
        updated: When this was so.
    """

    query: str
    step: str
    rows: int = 0
    total: int | None = None
    slabs: int = 0
    dead_letters: int = 0
    rate: float = 0
    eta: float | None = None
    state: State = "running"
    note: str = ""
    updated: datetime


class PlannedSlab(_Frozen):
    """A slab that isn't done.

    Attributes:
        number: Its number in the sweep.
        after: The key that it begins behind.
        until: Its last key.
        rows: Rows of it that are counted already, since it was interrupted.
        dead: The same for those that were set aside.
        parts: Of how many slabs it is, which are gone over as one since that takes a moment only.
        begun: Whether an activity was given it, so that the store may know it by its bounds.
    """

    number: int
    after: Key | None
    until: Key
    rows: int = 0
    dead: int = 0
    parts: int = 1
    begun: bool = False


class SweepState(_Frozen):
    """Where a sweep stands that goes on as a new run.

    Attributes:
        sweep: Its id, under which the store keeps what it did.
        slabs: Slabs that are found but not done.
        found: How many slabs were found so far.
        after: The last key of the last of them.
        last: The largest key that the sweep goes to.
        found_all: Whether there are no more slabs behind.
        paused: Whether somebody paused it.
        note: Who did, and why.
        total: See `SweepProgress`.
        counted: Whether the counting is over.
        pace: How many rows a second a slab goes over.
        done: What is done.
    """

    sweep: str
    slabs: tuple[PlannedSlab, ...] = ()
    found: int = 0
    after: Key | None = None
    last: Key | None = None
    found_all: bool = False
    paused: bool = False
    note: str = ""
    total: int | None = None
    counted: bool = False
    pace: float = 0
    done: SweepResult = SweepResult()


class SweepInput(_Frozen):
    """What a sweep is to do.

    Attributes:
        query: The name of the query.
        step: The name of the step.
        given: Their input, in terms of JSON.
        batch: Rows of one transaction.
        slab: Rows of one activity.
        concurrency: Slabs that may be under way at once.
        dead_letters: Whether the sweep fails at its end where rows were set aside.
        state: Where it stands; None at its beginning.
    """

    query: str
    step: str
    given: Any = None
    batch: int
    slab: int
    concurrency: int
    dead_letters: DeadLetters
    state: SweepState | None = None


class WalkInput(_Frozen):
    """Which slabs to look for; see `Source.walk`."""

    query: str
    given: Any = None
    after: Key | None = None
    last: Key | None = None
    size: int
    most: int


class Walked(_Frozen):
    """Which slabs there are; see `Walk`."""

    bounds: tuple[Key, ...]
    last: Key | None
    finished: bool


class CountInput(_Frozen):
    """What to count."""

    query: str
    given: Any = None


class SlabInput(_Frozen):
    """Which slab to go over, and how; also what its undo gets.

    Attributes:
        sweep: The sweep's id.
        number: The slab's number.
        after: The key that it begins behind.
        until: Its last key.
        query: The name of the query.
        step: The name of the step.
        given: Their input.
        batch: Rows of one transaction.
        known: Rows of this slab that were set aside and are told of already.
        may_bury: How many rows of the slab may be set aside before the sweep is stopped.
    """

    sweep: str
    number: int
    after: Key | None
    until: Key
    query: str
    step: str
    given: Any = None
    batch: int
    known: int = 0
    may_bury: int = DEAD_LETTERS


class SlabDone(_Frozen):
    """How far a slab has come, from its beginning.

    Attributes:
        rows: For how many rows the step was carried out.
        dead: How many were set aside.
        letters: The first of those that weren't known.
        finished: Whether the slab is done; else it was interrupted, or its turn was over.
        pace: How many rows a second it went over this time.
    """

    rows: int
    dead: int = 0
    letters: tuple[DeadLetter, ...] = ()
    finished: bool = True
    pace: float = 0
