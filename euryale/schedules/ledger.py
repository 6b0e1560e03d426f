"""The ledger: what of an application must outlive its schedules and its releases.

A pure value. Its place in Temporal is `turn`'s business.
"""

from collections.abc import Mapping
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from euryale.errors import ReleaseInvalid, ReleaseSuperseded
from euryale.schedules.release import Release

LEDGER = ".ledger"
"""The ledger's name beside the jobs' names, none of which begins with a dot."""

REMEMBERED = 100
"""Releases that are known by name. One that was forgotten counts as a new one."""


class Turn(BaseModel):
    """Whose turn it is to apply.

    Attributes:
        holder: Who applies; unique for each apply.
        sequence: The place of its release.
        beat: Grows while it applies, so that the others see that it is alive.
    """

    model_config = ConfigDict(frozen=True)

    holder: str
    sequence: int
    beat: int = 0


class Freeze(BaseModel):
    """That all schedules were paused at once.

    Attributes:
        by: Who did it.
        since: When.
        note: Why.
    """

    model_config = ConfigDict(frozen=True)

    by: str
    since: datetime
    note: str = ""


class Ledger(BaseModel):
    """What is known of an application beyond its schedules.

    Attributes:
        sequence: The place of the newest release that was applied; 0 if none was.
        releases: The releases that were applied, by name, with their places.
        turn: Whose turn it is to apply; None if nobody applies.
        applied: The digest of what the newest release asked for; empty until it was applied whole.
        waiting: The place of a newer release that waits for its turn; 0 if none does.
        executions: By job with a `number_of_executions`: how many of its scheduled runs have to
            be counted as used up once its schedule is gone.
        former_names: By job that was renamed: the names that it had, the last one first.
        frozen: Whether and since when everything is frozen.
    """

    # A newer engine may keep more than this one knows.
    model_config = ConfigDict(frozen=True, extra="allow")

    sequence: int = 0
    releases: Mapping[str, int] = {}
    turn: Turn | None = None
    applied: str = ""
    waiting: int = 0
    executions: Mapping[str, int] = {}
    former_names: Mapping[str, tuple[str, ...]] = {}
    frozen: Freeze | None = None

    @property
    def newest(self) -> str:
        """The name of the newest release that was applied; empty if none was."""
        return next((name for name, at in self.releases.items() if at == self.sequence), "")

    def place(self, release: Release) -> int:
        """The place that a release has, or gets by being applied now.

        Raises:
            ReleaseInvalid: Its sequence is another release's.

        Example:
            >>> ledger = Ledger(sequence=2, releases={"a": 1, "b": 2})
            >>> [ledger.place(Release(name)) for name in "abc"]
            [1, 2, 3]
        """
        if release.rollback or release.name == self.newest:
            # Going back takes no number: the build that comes next has the next one.
            return max(self.sequence, release.sequence or 1)
        if release.sequence is None:
            return self.releases.get(release.name, self.sequence + 1)
        if release.sequence == self.sequence and self.newest:
            if release.name in self.releases:  # it was gone back from
                return self.releases[release.name]
            raise ReleaseInvalid(
                f"the sequence {release.sequence} is that of the release '{self.newest}', and "
                f"can't be that of '{release.name}' too",
                where="--sequence or EURYALE_SEQUENCE",
                mend="give each release a higher sequence than the one before",
            )
        return release.sequence

    def refuse_older(self, release: Release) -> None:
        """Raise if a newer release than this one was applied.

        Raises:
            ReleaseSuperseded: That is so.
            ReleaseInvalid: Its sequence is another release's.
        """
        if self.place(release) < self.sequence:
            raise superseded(release, self.newest)

    def is_settled_by(self, release: Release, digest: str) -> bool:
        """Whether nobody applies now, and the last one applied whole what this one asks for."""
        return (
            self.turn is None
            and self.applied == digest
            and self.newest == release.name
            and self.place(release) == self.sequence
        )

    def claimed(self, release: Release, holder: str) -> "Ledger":
        """The ledger once it is the holder's turn to apply a release."""
        if self.turn is not None and self.turn.holder == holder:
            return self
        place = self.place(release)
        # One that is gone back from loses its place, and is an older one from then on.
        others = {
            name: min(at, place - 1) for name, at in self.releases.items() if name != release.name
        }
        kept = dict([*others.items()][-(REMEMBERED - 1) :])
        return self._with(
            sequence=place,
            releases={**kept, release.name: place},
            turn=Turn(holder=holder, sequence=place),
            applied="",
            # Whoever still waits says so again; one that died meanwhile must not block the others.
            waiting=0,
        )

    def asked(self, place: int) -> "Ledger":
        """The ledger once a newer release waits for its turn."""
        return self if self.waiting >= place else self._with(waiting=place)

    def beaten(self, holder: str, beat: int) -> "Ledger":
        """The ledger once the holder of the turn has shown that it is alive."""
        if self.turn is None or self.turn.holder != holder or self.turn.beat >= beat:
            return self
        return self._with(turn=self.turn.model_copy(update={"beat": beat}))

    def finished(
        self, holder: str, applied: str = "", executions: Mapping[str, int] | None = None
    ) -> "Ledger":
        """The ledger once the holder's turn is over.

        Args:
            holder: Whose turn it was.
            applied: The digest of what it applied; empty if it stopped before the end.
            executions: What is known anew of the limited jobs' executions.
        """
        if self.turn is None or self.turn.holder != holder:
            return self
        ledger = self._with(turn=None, applied=applied)
        return ledger.with_executions(executions) if executions else ledger

    def with_executions(self, executions: Mapping[str, int]) -> "Ledger":
        """The ledger with what is known anew of the limited jobs' executions."""
        return self._with(executions={**self.executions, **executions})

    def with_renamed(self, name: str, before: str) -> "Ledger":
        """The ledger once a job has got a new name; its counter goes with it."""
        names = dict.fromkeys([before, *self.former_names.get(before, ())])
        # A job that gets its former name back has had that no longer.
        names.pop(name, None)
        others = {key: value for key, value in self.former_names.items() if key != before}
        executions = {key: value for key, value in self.executions.items() if key != before}
        if before in self.executions:
            executions[name] = self.executions[before]
        return self._with(former_names={**others, name: tuple(names)}, executions=executions)

    def with_frozen(self, frozen: Freeze | None) -> "Ledger":
        """The ledger once everything is frozen, or no longer is."""
        return self._with(frozen=frozen)

    def _with(self, **changes: object) -> "Ledger":
        return self.model_copy(update=changes)


def superseded(release: Release, newer: str) -> ReleaseSuperseded:
    """The refusal of a release that is older than another one."""
    return ReleaseSuperseded(
        f"the release '{release.name}' is older than '{newer}', which was applied after it; the "
        "schedules are left as the newer one made them",
        where=release.name,
        mend="nothing has to be done if this is an old worker; to go back to this release, apply "
        "it with --rollback, or under a new name",
    )
