"""Applying: making Temporal hold the schedules that the jobs ask for.

One list of schedules and the ledger tell what has to be done. Whoever writes holds the turn, so
that two releases never mix; and each update bears the conflict token of what it was made from, so
that nothing of what operators do meanwhile is lost.
"""

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from temporalio.api.workflowservice.v1 import UpdateScheduleRequest
from temporalio.client import (
    Client,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleState,
)
from temporalio.service import RPCError, RPCStatusCode

from euryale.app import Euryale
from euryale.errors import ReleaseSuperseded, TemporalRefused
from euryale.jobs.job_names import ReplacedJob
from euryale.registry import Registry
from euryale.schedules.differences import HeldDetail, differences, held_detail
from euryale.schedules.held import held_schedules
from euryale.schedules.ledger import Ledger
from euryale.schedules.mark import mark_of
from euryale.schedules.pauses import PauseNote
from euryale.schedules.plan import WORK, Change, Kind, Plan, make_plan, unrecorded, used_before
from euryale.schedules.release import Release
from euryale.schedules.rename import CutOff, begin_rename, cut_off, end_rename, make_up
from euryale.schedules.schedule import Desired, DesiredSchedule
from euryale.schedules.turn import ApplyTurn, apply_turn, read_ledger
from euryale.watchdog.watchdog import WatchdogSchedule

AT_ONCE = 10
"""Schedules that are written at once; a server makes about 50 a second."""

UPDATES = 5
"""How often an update is tried when somebody else changes the schedule at the same time."""

LAG = timedelta(minutes=1)
"""How long a list of schedules may lag behind what was written; half a minute was measured."""

Outcome = Literal[
    "created", "updated", "renamed", "removed", "unchanged", "finished", "kept", "failed"
]

CHANGED: frozenset[Outcome] = frozenset({"created", "updated", "renamed", "removed"})
"""What an apply wrote."""

UNREACHABLE = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)
"""What says nothing of one schedule, but that no server answers."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one schedule.

    Attributes:
        id: The schedule's id.
        outcome: What was done; `"failed"` leaves the schedule as it was.
        error: Why it failed; empty if it didn't.
        reason: Why it was kept or is finished; empty otherwise.
    """

    id: str
    outcome: Outcome
    error: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ApplyReport:
    """What an apply did.

    Attributes:
        release: What was applied.
        sequence: Its place among the releases.
        applied: What became of each schedule.
    """

    release: Release
    sequence: int
    applied: tuple[Applied, ...]

    def of(self, *outcomes: Outcome) -> tuple[Applied, ...]:
        """What had some outcomes."""
        return tuple(one for one in self.applied if one.outcome in outcomes)


@dataclass(frozen=True)
class Wish:
    """What an application's apply is to bring about.

    Attributes:
        app: The application's name.
        desired: What its jobs ask for, and its watchdog.
        release: The release that the jobs are of.
        prune: Whether schedules without a job are removed.
        left_out: Whether job files were left out as they are broken; nothing is removed then.
        deep: Whether each schedule is described, which also finds what was changed by hand where
            a list doesn't show it: the data, the task queue and the policies.
        replaced: By job: the plugins' jobs that it takes the place of, for those who are told.
    """

    app: str
    desired: Sequence[Desired]
    release: Release
    prune: bool = False
    left_out: bool = False
    deep: bool = False
    replaced: Mapping[str, Sequence[ReplacedJob]] = field(default_factory=dict)


def wish_of(
    app: Euryale,
    registry: Registry,
    release: Release,
    *,
    task_queue: str | None = None,
    prune: bool = True,
    deep: bool = False,
) -> Wish:
    """What an application's apply is to bring about, as its jobs are now."""
    desired: list[Desired] = [*app.schedules(registry, task_queue)]
    if app.watchdog is not None:
        desired.append(WatchdogSchedule(app.name, app.watchdog, task_queue or app.queue))
    return Wish(
        app=app.name,
        desired=desired,
        release=release,
        prune=prune,
        left_out=bool(registry.errors),
        deep=deep,
        replaced=registry.replaced,
    )


Told = Callable[[int, int, Applied], None]
"""Told how many schedules are done, of how many, and what became of the last one."""


async def plan(client: Client, wish: Wish, ledger: Ledger) -> Plan:
    """What an apply would do, by one list of schedules.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    held = await held_schedules(client, wish.app)
    return make_plan(wish.desired, held, ledger, prune=wish.prune, left_out=wish.left_out)


async def apply(client: Client, wish: Wish, told: Told | None = None) -> ApplyReport:
    """Create, update, rename and remove schedules until Temporal holds what the jobs ask for.

    What operators own is kept: whether a schedule is paused, its note, and how many executions
    are left. Applying twice changes nothing. Schedules of other applications aren't touched. One
    that can't be applied stops none of the others.

    Args:
        client: A connected client.
        wish: What to bring about.
        told: Told of each schedule that was written.

    Raises:
        ReleaseSuperseded: A newer release was applied; what this one did before is overwritten.
        ReleaseInvalid: The release's sequence is another one's.
        RPCError: The server can't be reached.
    """
    digest = _digest(wish.desired)
    before = (await read_ledger(client, wish.app)).ledger
    before.refuse_older(wish.release)
    settled = before.is_settled_by(wish.release, digest)
    if settled:
        planned = await plan(client, wish, before)
        if not (planned.work or wish.deep or unrecorded(planned, before)):
            applied = tuple(_left(change) for change in planned.changes)
            return ApplyReport(wish.release, before.sequence, applied)
    async with apply_turn(client, wish.app, wish.release) as turn:
        if not settled:
            planned = await plan(client, wish, turn.ledger)
        # Right after another release was applied, the list may still show what was before it.
        trusted = settled or turn.quiet is None or turn.quiet > LAG
        writing = _Writing(client, wish, turn, trusted=trusted and not wish.deep, told=told)
        applied = await writing.all(planned)
        if not trusted:
            # What an older release made in its last moment may be in no list until now.
            removed = (await plan(client, wish, turn.ledger)).of("removed")
            moved = {each.held.name for each in planned.of("renamed") if each.held}
            late = Plan(tuple(each for each in removed if each.name not in moved))
            applied += tuple(one for one in await writing.all(late) if one not in applied)
        turn.executions |= unrecorded(planned, turn.ledger)
        turn.applied = digest
        return ApplyReport(wish.release, turn.sequence, applied)


def _digest(desired: Sequence[Desired]) -> str:
    """The digest of all that is asked for."""
    text = "\n".join(sorted(f"{each.id} {each.hash}" for each in desired))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _left(change: Change) -> Applied:
    """What became of a schedule that nothing was done about."""
    schedule_id = change.desired.id if change.desired else change.held.id if change.held else ""
    outcome: Outcome = "finished" if change.kind == "finished" else "unchanged"
    if change.kind == "kept":
        outcome = "kept"
    return Applied(schedule_id, outcome, reason=change.reason)


@dataclass
class _Writing:
    """The writes of one apply."""

    client: Client
    wish: Wish
    turn: ApplyTurn
    trusted: bool
    told: Told | None
    done: int = 0

    async def all(self, planned: Plan) -> tuple[Applied, ...]:
        places = asyncio.Semaphore(AT_ONCE)
        kinds: frozenset[Kind] = WORK if self.trusted else WORK | {"unchanged"}
        total = len(planned.of(*kinds))

        async def one(change: Change) -> Applied:
            if change.kind not in kinds:
                return _left(change)
            async with places:
                applied = await self._guarded(change)
            self.done += 1
            if self.told is not None:
                self.told(self.done, total, applied)
            return applied

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(change)) for change in planned.changes]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return tuple(task.result() for task in tasks)

    async def _guarded(self, change: Change) -> Applied:
        try:
            return Applied(*await self._write(change))
        except ReleaseSuperseded:
            raise
        except Exception as error:
            if isinstance(error, RPCError) and error.status in UNREACHABLE:
                raise
            # What a job asks for is its own: the server refuses it, or it can't be encoded.
            schedule_id = _left(change).id
            return Applied(schedule_id, "failed", str(error) or type(error).__name__)

    async def _write(self, change: Change) -> tuple[str, Outcome]:
        desired, held = change.desired, change.held
        if desired is None:
            assert held is not None  # noqa: S101 -- a change is about one of the two
            return held.id, await self._remove(held.name, held.id)
        if change.kind == "renamed" and isinstance(desired, DesiredSchedule):
            assert held is not None  # noqa: S101 -- it was held under its former name
            return desired.id, await self._rename(desired, held.name)
        if change.kind == "new":
            return desired.id, await self._create(desired)
        return desired.id, await self._update(desired)

    async def _create(self, desired: Desired, before: HeldDetail | None = None) -> Outcome:
        if before is None:
            wanted = {each.name for each in self.wish.desired}
            used = used_before(desired, wanted, self.turn.ledger)
            state = self._frozen(desired)
        else:
            used, state = before.used, self._resumed(before.schedule.state)
        schedule = desired.schedule(
            release=self.turn.release.name, sequence=self.turn.sequence, used=used, state=state
        )
        await self.turn.check()
        try:
            await self.client.create_schedule(desired.id, schedule)
        except ScheduleAlreadyRunningError:
            return await self._update(desired)
        self._grant(desired, used)
        return "created"

    def _frozen(self, desired: Desired) -> ScheduleState | None:
        frozen = self.turn.ledger.frozen
        # What starts paused anyway is none of the freeze's, and stays so when it ends.
        if frozen is None or desired.starts_paused or desired.name.startswith("."):
            return None
        return self._resumed(ScheduleState())

    def _resumed(self, state: ScheduleState) -> ScheduleState:
        """The state of a schedule that is to fire, unless a freeze or an operator keeps it."""
        frozen = self.turn.ledger.frozen
        if frozen is None or state.paused:
            return state
        note = PauseNote(frozen.by, frozen.since, frozen.note, frozen=True)
        return replace(state, paused=True, note=str(note))

    async def _update(self, desired: Desired) -> Outcome:
        outcome: Outcome = "unchanged"
        begun: CutOff | None = None
        for attempt in range(UPDATES + 1):
            try:
                description = await self.client.get_schedule_handle(desired.id).describe()
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return await self._create(desired)
                raise
            detail = await held_detail(description)
            self._grant(desired, detail.used)
            mark = mark_of(description.raw_description.schedule.spec)
            same = mark is not None and mark.hash == desired.hash
            halted = cut_off(detail.schedule.state.paused, detail.schedule.state.note)
            if same and not halted and not differences(detail, desired):
                if begun is not None and isinstance(desired, DesiredSchedule):
                    ids = (desired.id, f"{self.wish.app}/{begun.name}")
                    await make_up(self.client, ids, desired, begun.since)
                return outcome
            begun = halted or begun
            if attempt < UPDATES:
                await self._set(desired, detail, description, halted)
                outcome = "updated"
        raise TemporalRefused(
            f"the schedule was changed by others during each of {UPDATES} updates",
            where=desired.id,
            mend="see who changes it all the time",
        )

    async def _set(
        self,
        desired: Desired,
        detail: HeldDetail,
        description: ScheduleDescription,
        halted: CutOff | None,
    ) -> None:
        # The handle's own `update` sends no conflict token, and so overwrites what an operator
        # does between its read and its write. With a stale token the server keeps the schedule as
        # it is and still answers that all is well: the next look tells.
        state = detail.schedule.state
        if halted is not None:
            state = self._resumed(replace(state, paused=False, note=halted.note))
        schedule = desired.schedule(
            release=self.turn.release.name,
            sequence=self.turn.sequence,
            used=detail.used,
            state=state,
        )
        await self.turn.check()
        await self.client.workflow_service.update_schedule(
            UpdateScheduleRequest(
                namespace=self.client.namespace,
                schedule_id=desired.id,
                schedule=await schedule._to_proto(self.client),  # noqa: SLF001 -- no public word
                conflict_token=description.raw_description.conflict_token,
                identity=self.client.identity,
                request_id=str(uuid.uuid4()),
            ),
            retry=True,
        )

    def _grant(self, desired: Desired, used: int) -> None:
        if desired.limit is not None:
            self.turn.executions[desired.name] = max(desired.limit, used)

    async def _rename(self, desired: DesiredSchedule, before: str) -> Outcome:
        old_id = f"{self.wish.app}/{before}"
        await self.turn.check()
        begun = await begin_rename(self.client, old_id, desired.name)
        if begun is None:
            # Somebody has removed it since the list was read.
            return await self._create(desired)
        await self._create(desired, replace(begun.detail, schedule=begun.schedule))
        await self.turn.change(lambda ledger: ledger.with_renamed(desired.name, before))
        await self.turn.check()
        await end_rename(self.client, old_id, desired, begun)
        return "renamed"

    async def _remove(self, name: str, schedule_id: str) -> Outcome:
        handle = self.client.get_schedule_handle(schedule_id)
        try:
            detail = await held_detail(await handle.describe())
            if detail.schedule.state.limited_actions:
                # Should the job come back, it goes on counting where it was.
                used = {name: detail.used}
                await self.turn.change(lambda ledger: ledger.with_executions(used))
            await self.turn.check()
            await handle.delete()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return "removed"
