"""The workflow of every sweep: it looks for slabs, has some gone over at once, and tells of it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    FailureError,
)

from euryale.config import Retry
from euryale.errors import RowsSetAside, SweepStopped
from euryale.sagas.run_clock import next_id
from euryale.sweeps.details import details_of
from euryale.sweeps.messages import (
    COUNT,
    DEAD_LETTERS,
    SWEEP_MEMO,
    SWEEP_WORKFLOW,
    TOLD,
    WALK,
    CountInput,
    PlannedSlab,
    SlabDone,
    SlabInput,
    State,
    SweepInput,
    SweepProgress,
    SweepResult,
    SweepState,
    Walked,
    WalkInput,
)
from euryale.sweeps.tempo import Tempo
from euryale.sweeps.waiting import ended, quietly, was_stopped

SLABS_OF_A_RUN = 200
"""Slabs after which a sweep goes on as a new run: a history of some 1,500 events."""

_MOMENT = timedelta(seconds=1)
"""How long an activity goes on at least, where the slabs behind its own are there to be taken."""

_MOST_PARTS = 100

_AHEAD = 100
"""Slabs that are looked for at once, while others are gone over; the first time a few."""

_FIRST = 2

SLAB_RETRY = Retry(initial_interval=timedelta(milliseconds=250), maximum_attempts=22)
"""As that of other steps, about an hour; but a slab whose worker died goes on at once."""

_SLAB_TIMEOUT = timedelta(minutes=10)
_SLAB_HEARTBEAT = timedelta(seconds=2)
_WALK_TIMEOUT = timedelta(minutes=10)
_COUNT_TIMEOUT = timedelta(seconds=30)
_TELL = timedelta(seconds=2)
"""How far apart the memo is written: each time is an event of the history."""


@workflow.defn(name=SWEEP_WORKFLOW)
class SweepWorkflow:
    """Carries a step out for all rows of a query, each once."""

    @workflow.init
    def __init__(self, input: SweepInput) -> None:  # noqa: A002 -- Temporal's name
        """Begin, or go on where the run before stopped."""
        state = input.state or SweepState(sweep=workflow.info().first_execution_run_id)
        self._input = input
        self._sweep = state.sweep
        self._slabs = list(state.slabs)
        self._found = state.found
        self._after, self._last, self._found_all = state.after, state.last, state.found_all
        self._paused, self._said = state.paused, state.note
        self._total, self._counted = state.total, state.counted
        self._done = state.done
        self._pace = state.pace
        self._begun = 0
        self._tempo = Tempo(workflow.now(), state.done.rows)
        self._told: datetime | None = None
        self._told_state: tuple[State, str] | None = None
        self._failure: FailureError | None = None
        self._stopping = False
        self._running: dict[int, asyncio.Task[None]] = {}
        self._walking: asyncio.Task[None] | None = None
        self._counting: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, input: SweepInput) -> SweepResult:  # noqa: A002, ARG002 -- Temporal's name
        """Go over all slabs."""
        try:
            await self._go_on()
        except asyncio.CancelledError:
            await self._stop()
            self._tell("cancelled")
            raise
        await self._stop()
        if self._failure is not None:
            self._tell("failed")
            raise self._failure
        if self._has_more:
            workflow.continue_as_new(self._input.model_copy(update={"state": self._state()}))
        done = self._done
        if done.dead_letters and self._input.dead_letters == "fail":
            self._tell("failed")
            first = done.first_dead_letters[0]
            raise _failed(
                RowsSetAside(
                    f"{done.dead_letters:,} rows were set aside, since {self._input.step} failed "
                    f"for them; the other {done.rows:,} are done. The first is {list(first.key)}: "
                    f"{first.error}",
                    where=self._input.step,
                    mend="mend the rows or the step and sweep again, or let the sweep go on with "
                    'dead_letters="keep"',
                ),
                done,
            )
        self._tell("completed")
        return done

    @workflow.signal
    def pause(self, note: str = "") -> None:
        """Begin no further slab; those under way stop after the batch that they are at.

        Args:
            note: Who pauses it, and why.
        """
        self._paused, self._said = True, note
        for task in self._running.values():
            task.cancel()
        self._tell(self._going)

    @workflow.signal
    def resume(self, note: str = "") -> None:  # noqa: ARG002 -- for the record: the history has it
        """Go on.

        Args:
            note: Who resumes it, and why.
        """
        self._paused, self._said = False, ""
        self._tell("running")

    @workflow.query
    def progress(self) -> SweepProgress:
        """How far the sweep has come."""
        return self._progress(self._going)

    # --- going over the slabs -------------------------------------------------------------------

    async def _go_on(self) -> None:
        if not self._counted:
            self._counting = asyncio.ensure_future(self._count())
        while self._failure is None and self._has_more:
            if self._is_long and not self._running:
                return
            self._begin_what_may()
            before = self._moment
            await workflow.wait_condition(lambda before=before: self._moment != before)  # type: ignore[misc]

    @property
    def _moment(self) -> tuple[object, ...]:
        """Something else whenever there may be something to do."""
        walking = self._walking is not None and not self._walking.done()
        return (frozenset(self._running), len(self._slabs), walking, self._paused, self._failure)

    @property
    def _has_more(self) -> bool:
        return bool(self._slabs or self._running or not self._found_all)

    @property
    def _is_long(self) -> bool:
        suggested = workflow.info().is_continue_as_new_suggested()
        return self._begun >= SLABS_OF_A_RUN or suggested

    def _begin_what_may(self) -> None:
        if self._paused or self._is_long:
            return
        while self._slabs and len(self._running) < self._input.concurrency:
            slab = self._next().model_copy(update={"begun": True})
            self._begun += 1
            self._running[slab.number] = asyncio.ensure_future(self._go_over(slab))
        is_walking = self._walking is not None and not self._walking.done()
        if not is_walking and not self._found_all and len(self._slabs) < _AHEAD // 2:
            self._walking = asyncio.ensure_future(self._walk())

    def _next(self) -> PlannedSlab:
        """The next slab, together with those behind it where all of them take a moment only.

        What happens between two activities takes some ten milliseconds, in which a quick step could
        have done a slab.
        """
        slab = self._slabs.pop(0)
        most = min(int(self._pace * _MOMENT.total_seconds() / self._input.slab), _MOST_PARTS)
        if slab.begun:
            return slab
        # What is left is shared by all who are at work, so that they end together.
        most = min(most, (len(self._slabs) + 1) // self._input.concurrency)
        while slab.parts < most and self._slabs and not self._slabs[0].begun:
            if self._slabs[0].after != slab.until:
                break
            until = self._slabs.pop(0).until
            slab = slab.model_copy(update={"until": until, "parts": slab.parts + 1})
        return slab

    async def _go_over(self, slab: PlannedSlab) -> None:
        given = SlabInput(
            sweep=self._sweep,
            number=slab.number,
            after=slab.after,
            until=slab.until,
            query=self._input.query,
            step=self._input.step,
            given=self._input.given,
            batch=self._input.batch,
            known=slab.dead,
            may_bury=slab.dead + DEAD_LETTERS - self._done.dead_letters,
        )
        handle: workflow.ActivityHandle[SlabDone] = workflow.start_activity(
            self._input.step,
            given,
            result_type=SlabDone,
            activity_id=next_id(self._input.step),
            start_to_close_timeout=_SLAB_TIMEOUT,
            heartbeat_timeout=_SLAB_HEARTBEAT,
            retry_policy=SLAB_RETRY.policy(),
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            summary=f"slab {slab.number}" + (f", {slab.parts} at once" * (slab.parts > 1)),
        )
        try:
            done = await ended(handle)
        except ActivityError as error:
            if not (self._stopping or was_stopped(error)):
                self._failure = self._failure or error
            self._slabs.insert(0, slab)
        else:
            del self._running[slab.number]
            self._note(slab, done)
        finally:
            self._running.pop(slab.number, None)

    def _note(self, slab: PlannedSlab, done: SlabDone) -> None:
        before = self._done
        letters = (*before.first_dead_letters, *done.letters)[:TOLD]
        self._done = SweepResult(
            rows=before.rows + done.rows - slab.rows,
            slabs=before.slabs + slab.parts * done.finished,
            dead_letters=before.dead_letters + done.dead - slab.dead,
            first_dead_letters=letters,
        )
        if not done.finished:
            rest = slab.model_copy(update={"rows": done.rows, "dead": done.dead})
            self._slabs.insert(0, rest)
        self._pace = done.pace
        if self._done.dead_letters > DEAD_LETTERS and self._failure is None:
            self._failure = _failed(
                SweepStopped(
                    f"{self._input.step} failed for {self._done.dead_letters:,} rows",
                    where=self._input.step,
                    mend="mend the step, and sweep again",
                ),
                self._done,
            )
        self._tempo.note(workflow.now(), self._done.rows)
        self._tell(self._going)

    async def _walk(self) -> None:
        given = WalkInput(
            query=self._input.query,
            given=self._input.given,
            after=self._after,
            last=self._last,
            size=self._input.slab,
            most=_AHEAD if self._found else max(_FIRST, self._input.concurrency),
        )
        try:
            found: Walked = await workflow.execute_activity(
                WALK,
                given,
                result_type=Walked,
                start_to_close_timeout=_WALK_TIMEOUT,
                heartbeat_timeout=timedelta(seconds=30),
                retry_policy=SLAB_RETRY.policy(),
                summary=self._input.query,
            )
        except ActivityError as error:
            if not self._stopping:
                self._failure = self._failure or error
            return
        for bound in found.bounds:
            self._slabs.append(PlannedSlab(number=self._found, after=self._after, until=bound))
            self._found += 1
            self._after = bound
        self._last, self._found_all = found.last, found.finished

    async def _count(self) -> None:
        try:
            self._total = await workflow.execute_activity(
                COUNT,
                CountInput(query=self._input.query, given=self._input.given),
                result_type=int,
                start_to_close_timeout=_COUNT_TIMEOUT,
                retry_policy=Retry(maximum_attempts=1).policy(),
                summary=self._input.query,
            )
        except ActivityError:
            self._total = None
        self._counted = True
        workflow.set_current_details(details_of(self._progress(self._going)))

    async def _stop(self) -> None:
        """Wait for what is under way: slabs stop after the batch that they are at."""
        self._stopping = True
        tasks = [*self._running.values(), self._walking, self._counting]
        under_way = [task for task in tasks if task is not None and not task.done()]
        for task in under_way:
            task.cancel()
        for task in under_way:
            await quietly(task)

    def _state(self) -> SweepState:
        return SweepState(
            sweep=self._sweep,
            slabs=tuple(self._slabs),
            found=self._found,
            after=self._after,
            last=self._last,
            found_all=self._found_all,
            paused=self._paused,
            note=self._said,
            total=self._total,
            counted=self._counted,
            pace=self._pace,
            done=self._done,
        )

    # --- telling --------------------------------------------------------------------------------

    @property
    def _going(self) -> State:
        if not self._paused:
            return "running"
        return "pausing" if self._running else "paused"

    def _progress(self, state: State) -> SweepProgress:
        done = self._done
        rate = self._tempo.rate if state == "running" else 0.0
        left = None if self._total is None else max(self._total - done.rows - done.dead_letters, 0)
        eta = None if left is None or rate == 0 else self._tempo.seconds_for(left)
        return SweepProgress(
            query=self._input.query,
            step=self._input.step,
            rows=done.rows,
            total=self._total,
            slabs=done.slabs,
            dead_letters=done.dead_letters,
            rate=round(rate, 1),
            eta=None if eta is None else round(eta, 1),
            state=state,
            note=self._said,
            updated=workflow.now(),
        )

    def _tell(self, state: State) -> None:
        progress = self._progress(state)
        workflow.set_current_details(details_of(progress))
        changed = (state, self._said) != self._told_state
        if changed or self._told is None or workflow.now() - self._told >= _TELL:
            self._told, self._told_state = workflow.now(), (state, self._said)
            workflow.upsert_memo({SWEEP_MEMO: progress.model_dump(mode="json")})


def _failed(error: Any, done: SweepResult) -> ApplicationError:
    return ApplicationError(
        str(error), done.model_dump(mode="json"), type=type(error).__name__, non_retryable=True
    )
