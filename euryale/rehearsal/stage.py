"""The stage of a rehearsal: what its workflows do is noted here, in this process.

A workflow is executed again whenever its worker has to restore it, so everything is noted under a
key that is the same each time, and once.
"""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from euryale.rehearsal.activities import KnownActivity
from euryale.rehearsal.place import application_line, waiting_line
from euryale.sagas.step import undo_id

T = TypeVar("T")
Key = tuple[str, *tuple[int, ...]]
"""A run's id, and which of its calls it is; of what follows from one call, which of these."""

What = Literal["mutation", "compensation", "start", "signal"]
"""What a workflow would have done; `start` is that of another workflow."""

ROUNDS = 20
"""How often a workflow may do the very same over after the very same read, until it is taken for a
loop that waits for its own effects."""


@dataclass(frozen=True)
class FailAt:
    """The call that is to fail on purpose.

    Attributes:
        name: The activity's name.
        number: Which of its calls, from 1.
    """

    name: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.name}#{self.number}"


@dataclass(frozen=True)
class Noted:
    """Something that a workflow would have done.

    Attributes:
        what: `mutation`, `compensation`, `start` of a workflow that the application doesn't serve,
            or `signal`.
        name: The activity's, the workflow's or the signal's name.
        arguments: What it would have been given, by name, in terms of JSON.
        workflow: The type of the workflow.
        workflow_id: Its id.
        where: The line of the application, as `file:line`.
        failed: Whether it failed on purpose.
        id: The id of the activity; empty where its caller gave it none.
        summary: What its caller says of it.
        count: How many things it is about, where its arguments don't tell.
    """

    what: What
    name: str
    arguments: Mapping[str, Any]
    workflow: str
    workflow_id: str
    where: str
    failed: bool = False
    id: str = ""
    summary: str = ""
    count: int | None = None


@dataclass(frozen=True)
class Blind:
    """Where a workflow could not go on, since it needs what nobody knows.

    Attributes:
        workflow: The workflow's type.
        reason: What it needs.
        where: The line, as `file:line`; empty if it isn't known.
        mend: What would let a rehearsal see further.
    """

    workflow: str
    reason: str
    where: str
    mend: str


@dataclass
class _Course:
    """What one workflow has done so far."""

    changes: list[tuple[Key, str]] = field(default_factory=list)
    reads: dict[str, list[int]] = field(default_factory=dict)


class Stage:
    """What a rehearsal has seen."""

    def __init__(
        self,
        workflow_id: str,
        root: Path,
        activities: Mapping[str, KnownActivity],
        workflows: frozenset[str],
        fail_at: FailAt | None = None,
    ) -> None:
        """Set it.

        Args:
            workflow_id: The id of the rehearsal's own workflow.
            root: The project's root.
            activities: What is known of the activities, by name.
            workflows: The types of the workflows that are rehearsed, too.
            fail_at: The call that is to fail on purpose.
        """
        self._workflow_id = workflow_id
        self.activities = activities
        self.workflows = workflows
        self.fail_at = fail_at
        self.failed_on_purpose = False
        self.noted: dict[Key, Noted] = {}
        self.blind: dict[str, Blind] = {}
        self.reads: Counter[str] = Counter()
        self.skipped = timedelta(0)
        self.taken_back: set[Key] = set()
        self.under_way: dict[str, Any] = {}
        self.progressed = time.monotonic()
        self._root = root
        self._calls: Counter[str] = Counter()
        self._decided: dict[tuple[Key, str], Any] = {}
        self._courses: dict[str, _Course] = {}
        self._workflows: dict[str, str] = {}
        # Temporal's SDK executes workflows on several threads.
        self._lock = threading.RLock()

    def once(self, key: Key, what: str, decide: Callable[[], T]) -> T:
        """What was decided for a call when the workflow came to it for the first time."""
        place = (key, what)
        with self._lock:
            if place not in self._decided:
                self._decided[place] = decide()
                self.progressed = time.monotonic()
            decided: T = self._decided[place]
        return decided

    def fails(self, key: Key, name: str) -> bool:
        """Whether a call is the one that is to fail on purpose."""

        def decide() -> bool:
            self._calls[name] += 1
            wanted = self.fail_at
            fails = wanted is not None and wanted == FailAt(name, self._calls[name])
            self.failed_on_purpose = self.failed_on_purpose or fails
            return fails

        return self.once(key, "fails", decide)

    def calls_of(self, name: str) -> int:
        """How often a workflow came to an activity."""
        return self._calls[name]

    def here(self) -> str:
        """The line of the application that is being executed, from the project's root."""
        return self.relative(application_line())

    def waits_at(self) -> str:
        """The line that the workflow which was started last waits at; empty if it isn't known."""
        lines = [waiting_line(each) for each in self.under_way.values()]
        return self.relative(next(filter(None, reversed(lines)), ""))

    def waits_in(self, workflow_id: str) -> str:
        """The line that a workflow waits at; empty if it isn't known."""
        coroutine = self.under_way.get(workflow_id)
        return "" if coroutine is None else self.relative(waiting_line(coroutine))

    def is_own(self, workflow_id: str) -> bool:
        """Whether a workflow is one of the rehearsal's; the ids of all begin with that of one."""
        return f"{workflow_id}/".startswith(f"{self._workflow_id}/")

    def relative(self, line: str) -> str:
        """A line as seen from the project's root, if it lies below that."""
        return line.removeprefix(f"{self._root}/")

    def note(self, key: Key, noted: Noted, by: str = "") -> None:
        """Note something that a workflow would have done; nothing of one that saw no further.

        Args:
            key: The call.
            noted: What it would have done.
            by: The id of the workflow whose course it belongs to, where that is another one.
        """

        def decide() -> None:
            self.noted[key] = noted
            if noted.what == "compensation":
                self.taken_back.update(self._compensated(noted))
            course = self._courses.setdefault(by or noted.workflow_id, _Course())
            course.changes.append((key, f"{noted.name} {noted.arguments}"))

        if noted.workflow_id not in self.blind:
            self.once(key, "noted", decide)

    def runs(self, run_id: str, workflow_id: str) -> None:
        """Note which workflow a run is one of."""
        self._workflows[run_id] = workflow_id

    def take_back(self, key: Key, run_id: str, workflow: str) -> None:
        """Note what would take a whole run back, with its child workflows: the last call first."""

        def decide() -> None:
            workflow_id = self._workflows.get(run_id, run_id)
            number = 0
            for done, each in reversed(self.left_done()):
                known = self.activities.get(each.name)
                # The ids of children begin with that of their parent.
                within = f"{each.workflow_id}/".startswith(f"{workflow_id}/")
                if within and known is not None and known.undo:
                    number += 1
                    self.taken_back.add(done)
                    self.noted[(*key, number)] = replace(
                        each, what="compensation", name=known.undo, workflow=workflow, id=""
                    )

        self.once(key, "taken back", decide)

    def left_done(self) -> list[tuple[Key, Noted]]:
        """The mutations that nothing took back, in their order."""
        return [
            (key, each)
            for key, each in self.noted.items()
            if each.what == "mutation" and not each.failed and key not in self.taken_back
        ]

    def _compensated(self, compensation: Noted) -> list[Key]:
        """The mutation that a compensation takes back, by the id that they share."""
        return [
            key
            for key, each in self.noted.items()
            if each.what == "mutation"
            and each.workflow_id == compensation.workflow_id
            and undo_id(each.id) == compensation.id
        ]

    def read(self, key: Key, workflow_id: str, read: str) -> bool:
        """Note a read, and tell whether the workflow runs in circles.

        A handler that takes the next ten drafts until there are none left never comes to an end
        where nothing is published. What it did in each round but the first is struck out.

        Args:
            key: The call.
            workflow_id: The workflow.
            read: The read with its arguments.
        """
        return self.once(key, "circles", lambda: self._circles(workflow_id, read))

    def _circles(self, workflow_id: str, read: str) -> bool:
        self.reads[read.partition(" ")[0]] += 1
        course = self._courses.setdefault(workflow_id, _Course())
        marks = course.reads.setdefault(read, [])
        marks.append(len(course.changes))
        if len(marks) <= ROUNDS:
            return False
        rounds = [
            [what for _, what in course.changes[start:end]]
            for start, end in itertools.pairwise(marks[-ROUNDS - 1 :])
        ]
        if not rounds[0] or any(each != rounds[0] for each in rounds):
            return False
        for key, _ in course.changes[marks[-ROUNDS] :]:
            del self.noted[key]
        return True

    def saw_no_further(
        self, workflow_id: str, workflow: str, reason: str, mend: str, where: str = ""
    ) -> None:
        """Note where a workflow could not go on; its first such place is the one that counts."""
        self.blind.setdefault(
            workflow_id, Blind(workflow, reason, self.relative(where) or self.here(), mend)
        )

    def skip(self, duration: timedelta) -> None:
        """Note that a workflow would have waited."""
        self.skipped += duration
