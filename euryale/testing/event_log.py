"""What the workers of one case did, in a file that outlives a `kill -9`."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from euryale.testing.fault import Call

EventKind = Literal["activation", "activated", "begun", "done", "raised", "fault", "served"]

_POINTS: tuple[EventKind, ...] = ("activation", "activated", "begun", "done", "raised")
"""Events at which a worker may be killed: before and after each that the server records."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a worker did.

    Attributes:
        kind: `activation` and `activated`: workflow code goes on, and has gone on. `begun`, `done`
            and `raised`: an activity. `fault`: a fault was injected. `served`: the worker began;
            `names` are the activities that only read.
        worker: Which of the case's workers it was, from 1.
        workflow: The workflow's id.
        activity: The activity's name.
        id: The activity's id.
        number: The number of the call; see `Call`.
        names: See `kind`.
    """

    kind: EventKind
    worker: int = 1
    workflow: str = ""
    activity: str = ""
    id: str = ""
    number: int = 1
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """All that the workers of one case did, in its order."""

    events: tuple[Event, ...]

    @property
    def points(self) -> list[Event]:
        """The events of the first worker at which it may be killed."""
        return [each for each in self.events if each.kind in _POINTS and each.worker == 1]

    @property
    def calls(self) -> list[Call]:
        """The application's activities in the order in which they began, each once."""
        return [
            Call(activity, number, id_)
            for activity, number, id_ in dict.fromkeys(
                (each.activity, each.number, each.id)
                for each in self.events
                if each.kind == "begun" and not each.activity.startswith("euryale.")
            )
        ]

    @property
    def reads(self) -> frozenset[str]:
        """The names of the activities that only read."""
        return frozenset(
            name for each in self.events if each.kind == "served" for name in each.names
        )

    @property
    def workflows(self) -> list[str]:
        """The ids of the run's workflows: its own and those of its children."""
        return list(dict.fromkeys(each.workflow for each in self.events if each.workflow))

    @property
    def faults(self) -> int:
        """How many faults were injected."""
        return sum(each.kind == "fault" for each in self.events)

    @classmethod
    def read(cls, file: Path) -> "Record":
        """What was recorded in the file so far."""
        return cls(tuple(_events(file)))


class EventLog:
    """Writes what one worker does; goes on with the numbers of the worker before it."""

    def __init__(self, file: Path, worker: int) -> None:
        """Open the file."""
        self._worker = worker
        self._numbers: dict[tuple[str, str], int] = {}
        self._counts: Counter[str] = Counter()
        for event in _events(file):
            if event.kind == "begun":
                self._remember(event.workflow, event.activity, event.id)
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def call(self, workflow: str, activity: str, id_: str) -> Call:
        """The call that an attempt belongs to: the same for each of its attempts."""
        return Call(activity, self._remember(workflow, activity, id_), id_)

    def write(self, kind: EventKind, **facts: Any) -> None:
        """Record one event; what was written survives the process."""
        event = Event(kind, worker=self._worker, **facts)
        os.write(self._file, json.dumps(asdict(event)).encode() + b"\n")

    def _remember(self, workflow: str, activity: str, id_: str) -> int:
        key = (workflow, id_)
        if key not in self._numbers:
            self._counts[activity] += 1
            self._numbers[key] = self._counts[activity]
        return self._numbers[key]


def _events(file: Path) -> Iterator[Event]:
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        facts = json.loads(line)
        yield Event(**{**facts, "names": tuple(facts["names"])})
