"""Taking turns: of all who would apply an application's schedules, one does at a time.

The ledger stands in a paused schedule that never fires. A schedule is the one thing in Temporal
that can be compared and set from outside, without a worker: an update that bears the conflict
token of an older reading is dropped. Paused schedules stay for ever.

A turn is a lease. Its holder shows every few seconds that it is alive, and writes only while that
is recent; the others take the turn of one who showed nothing for longer. A newer release that
waits says so in the ledger, and an older one then gives way. So the writes of two releases never
mix, and the newer one's are the last.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from temporalio.api.workflowservice.v1 import UpdateScheduleRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleSpec,
    ScheduleState,
)
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import ReleaseSuperseded, TemporalRefused, TemporalUnreachable
from euryale.schedules.held import held_schedules
from euryale.schedules.ledger import LEDGER, Ledger, superseded
from euryale.schedules.mark import Mark
from euryale.schedules.release import Release
from euryale.server.connection import translate

log = structlog.get_logger("euryale.apply")

LEASE = timedelta(seconds=10)
"""How long a turn is held without a sign of life."""

_BEAT = timedelta(seconds=2)
_SAFE = timedelta(seconds=6)
"""How old the last sign of life may be when something is written: what is on its way then
arrives within the lease."""

_POLL = timedelta(seconds=0.2)
_WRITES = 50
"""How often a change of the ledger is tried while others change it."""


@dataclass(frozen=True, slots=True)
class HeldLedger:
    """The ledger as Temporal holds it.

    Attributes:
        ledger: What it says; that of an application that nobody ever applied, if there is none.
        token: What an update has to bear; empty if there is no ledger yet.
        written: When it was written last, by the server's clock; None if there is none.
    """

    ledger: Ledger
    token: bytes = b""
    written: datetime | None = None


async def read_ledger(client: Client, app: str) -> HeldLedger:
    """Read an application's ledger."""
    try:
        description = await client.get_schedule_handle(f"{app}/{LEDGER}").describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return HeldLedger(Ledger())
        raise
    action: Any = description.schedule.action
    values = await description.data_converter.decode(list(action.args))
    return HeldLedger(
        ledger=Ledger.model_validate(values[0]),
        token=description.raw_description.conflict_token,
        written=description.info.last_updated_at or description.info.created_at,
    )


async def change_ledger(client: Client, app: str, change: Callable[[Ledger], Ledger]) -> HeldLedger:
    """Change an application's ledger, whoever else changes it meanwhile.

    Args:
        client: A connected client.
        app: The application's name.
        change: Makes the new ledger of the held one; changing it again must change nothing.

    Raises:
        TemporalRefused: Others changed it again and again.
        RPCError: The server can't be reached or refuses.
    """
    for _ in range(_WRITES):
        held = await read_ledger(client, app)
        ledger = held.ledger if held.token else await _recovered(client, app)
        wanted = change(ledger)
        if wanted == ledger:
            return held
        await _write(client, app, held, wanted)
    raise TemporalRefused(
        "the ledger was changed by others again and again",
        where=f"{app}/{LEDGER}",
        mend="see who applies this application's schedules all the time",
    )


async def _write(client: Client, app: str, held: HeldLedger, wanted: Ledger) -> None:
    """Write unless somebody has since the reading; the next reading tells."""
    schedule = _schedule(app, wanted)
    if not held.token:
        with contextlib.suppress(ScheduleAlreadyRunningError):
            await client.create_schedule(f"{app}/{LEDGER}", schedule)
        return
    await client.workflow_service.update_schedule(
        UpdateScheduleRequest(
            namespace=client.namespace,
            schedule_id=f"{app}/{LEDGER}",
            schedule=await schedule._to_proto(client),  # noqa: SLF001 -- no public word for it
            conflict_token=held.token,
            identity=client.identity,
            request_id=str(uuid.uuid4()),
        ),
        retry=True,
    )


def _schedule(app: str, ledger: Ledger) -> Schedule:
    mark = Mark(hash="0", sequence=ledger.sequence, release=ledger.newest or "-")
    return Schedule(
        action=ScheduleActionStartWorkflow(
            "euryale-ledger",
            ledger.model_dump(mode="json"),
            id=f"{app}/{LEDGER}",
            # Nobody waits there: a run that is started by hand does nothing.
            task_queue="euryale-ledger",
        ),
        spec=ScheduleSpec(skip=[mark.calendar()]),
        state=ScheduleState(
            paused=True,
            note="Euryale's ledger: the releases applied, executions used up. It never fires. "
            "Without it, an older release may overwrite a newer one's schedules.",
        ),
    )


class ApplyTurn:
    """A turn at applying, while it is held.

    Attributes:
        release: The release that is applied.
        sequence: Its place among the releases.
        ledger: The ledger as it was when the turn began.
        quiet: How long nobody had changed the ledger before; None if nobody ever had.
        applied: The digest of what was applied, once it was applied whole.
        executions: What is known anew of the limited jobs' executions.
    """

    def __init__(
        self, client: Client, app: str, release: Release, claimed: HeldLedger, holder: str
    ) -> None:
        """Begin a turn that the ledger already says is the holder's."""
        self.release = release
        self.ledger = claimed.ledger
        self.sequence = claimed.ledger.sequence
        self.quiet: timedelta | None = None
        self.applied = ""
        self.executions: dict[str, int] = {}
        self._client = client
        self._app = app
        self._holder = holder
        self._beat = 0
        self._alive = time.monotonic()
        self._renewing = asyncio.Lock()

    async def check(self) -> None:
        """Make sure that it is still this one's turn; to be awaited before each write.

        Raises:
            ReleaseSuperseded: A newer release waits, or has taken the turn.
        """
        if time.monotonic() - self._alive < _SAFE.total_seconds():
            return
        await self.renew()

    async def renew(self) -> None:
        """Show that the holder is alive.

        Raises:
            ReleaseSuperseded: A newer release waits, or has taken the turn.
        """
        async with self._renewing:
            begun = time.monotonic()
            beat = self._beat + 1
            held = await change_ledger(
                self._client, self._app, lambda ledger: ledger.beaten(self._holder, beat)
            )
            ledger = held.ledger
            if ledger.turn is None or ledger.turn.holder != self._holder:
                self._alive = float("-inf")
                raise superseded(self.release, ledger.newest)
            if ledger.waiting > self.sequence:
                self._alive = float("-inf")
                raise superseded(self.release, "one that waits to be applied")
            self._beat, self._alive = beat, begun

    async def keep(self) -> None:
        """Renew the turn until cancelled, or until it is lost: `check` tells."""
        with contextlib.suppress(ReleaseSuperseded):
            while True:
                await asyncio.sleep(_BEAT.total_seconds())
                await self.renew()

    async def change(self, change: Callable[[Ledger], Ledger]) -> None:
        """Change the ledger beside the turn; see `change_ledger`."""
        self.ledger = (await change_ledger(self._client, self._app, change)).ledger


@asynccontextmanager
async def apply_turn(client: Client, app: str, release: Release) -> AsyncIterator[ApplyTurn]:
    """Hold the turn to apply an application's schedules.

    Waits for whoever applies at the time; an older release gives way.

    Raises:
        ReleaseSuperseded: A newer release was applied.
        ReleaseInvalid: The release's sequence is another one's.
        RPCError: The server can't be reached or refuses.
    """
    holder = uuid.uuid4().hex
    turn = await _take(client, app, release, holder)
    keeping = asyncio.ensure_future(turn.keep())
    away = False
    try:
        yield turn
    except RPCError as error:
        away = isinstance(translate(error), TemporalUnreachable)
        raise
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError, RPCError):
            await keeping
        # Also when cancelled, so that nobody has to wait for the lease to run out; it does where
        # the server went away, which isn't waited for once more.
        if not away:
            with contextlib.suppress(RPCError):
                await asyncio.shield(
                    change_ledger(
                        client,
                        app,
                        lambda ledger: ledger.finished(holder, turn.applied, turn.executions),
                    )
                )


async def _take(client: Client, app: str, release: Release, holder: str) -> ApplyTurn:
    token, seen = b"", time.monotonic()
    while True:
        held = await read_ledger(client, app)
        ledger = held.ledger if held.token else await _recovered(client, app)
        ledger.refuse_older(release)
        if ledger.turn is not None:
            if not token:
                log.info("waiting for another apply", action="apply_waits", app=app)
            if held.token != token:
                token, seen = held.token, time.monotonic()
            if time.monotonic() - seen < LEASE.total_seconds():
                place = ledger.place(release)
                if place > max(ledger.turn.sequence, ledger.waiting):
                    await _write(client, app, held, ledger.asked(place))
                await asyncio.sleep(_POLL.total_seconds())
                continue
        begun = time.monotonic()
        await _write(client, app, held, ledger.claimed(release, holder))
        claimed = await read_ledger(client, app)
        if claimed.ledger.turn is not None and claimed.ledger.turn.holder == holder:
            turn = ApplyTurn(client, app, release, claimed, holder)
            turn._alive = begun  # noqa: SLF001 -- its own module
            if held.written is not None:
                turn.quiet = (claimed.written or datetime.now(UTC)) - held.written
            return turn


async def _recovered(client: Client, app: str) -> Ledger:
    """The ledger of an application that has none: somebody may have deleted it.

    The schedules tell which release was the newest that changed one, and how many executions each
    was granted.
    """
    marks = {
        name: each.mark
        for name, each in (await held_schedules(client, app)).items()
        if each.mark is not None
    }
    newest = max(marks.values(), key=lambda mark: mark.sequence, default=None)
    if newest is None:
        return Ledger()
    return Ledger(
        sequence=newest.sequence,
        releases={mark.release: mark.sequence for mark in marks.values()},
        executions={
            name: mark.executions for name, mark in marks.items() if mark.executions is not None
        },
    )
