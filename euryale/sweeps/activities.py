"""The worker's side of sweeps: activities that look for slabs, go over one, and take it back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_json
from temporalio import activity

from euryale.errors import SweepInvalid
from euryale.sagas.step import ChangedSince
from euryale.services.attempt import attempt
from euryale.services.service_container import ActivityScope, ServiceContainer
from euryale.sweeps.declaration import Declared, declared_in
from euryale.sweeps.messages import (
    COUNT,
    TAKE_BACK,
    TOLD,
    WALK,
    CountInput,
    DeadLetter,
    SlabDone,
    SlabInput,
    Walked,
    WalkInput,
)
from euryale.sweeps.slab_loop import go_over
from euryale.sweeps.source import Cursor, Slab, Source, Undoing

BEAT = timedelta(seconds=0.4)
"""How often a slab that is under way tells how far it has come."""

TURN = timedelta(seconds=10)
"""How long a slab goes on before it lets its sweep tell how far it has come."""

_ERROR_LENGTH = 300


def sweep_activities(
    container: ServiceContainer, classes: Iterable[type]
) -> list[Callable[..., Any]]:
    """The activities of the sweeps that classes declare.

    Raises:
        SweepInvalid: A class declares a query or a step that can't be one.
        ServiceInvalid: A constructor names what no provider provides.
    """
    declared = declared_in(classes)
    for cls in {one.cls for one in declared.values()}:
        container.prepare(cls)
    parts = _Parts(container, declared)
    return [
        *(parts.slab_activity(one) for one in declared.values() if one.mark.kind == "step"),
        parts.walk_activity(),
        parts.count_activity(),
        parts.take_back_activity(),
    ]


class _Parts:
    """The queries and steps of an application, made with their services when they are needed."""

    def __init__(self, container: ServiceContainer, declared: Mapping[str, Declared]) -> None:
        self._container, self._declared = container, declared

    def walk_activity(self) -> Callable[..., Any]:
        @activity.defn(name=WALK)
        async def walk(given: WalkInput) -> Walked:
            async with attempt(), self._container.activity_scope() as scope:
                source = await self._source(scope, given.query, given.given)
                found = await source.walk(given.after, given.last, given.size, given.most)
            return Walked(bounds=found.bounds, last=found.last, finished=found.finished)

        return walk

    def count_activity(self) -> Callable[..., Any]:
        @activity.defn(name=COUNT)
        async def count(given: CountInput) -> int:
            async with attempt(), self._container.activity_scope() as scope:
                return await (await self._source(scope, given.query, given.given)).count()

        return count

    def slab_activity(self, step: Declared) -> Callable[..., Any]:
        @activity.defn(name=step.mark.name)
        async def go(given: SlabInput) -> SlabDone:
            async with attempt(), self._container.activity_scope() as scope:
                source = await self._source(scope, given.query, given.given)
                work = await self._step(scope, step, given.given)
                return await _carry_out(source, work, given, step.mark.keeps)

        return go

    def take_back_activity(self) -> Callable[..., Any]:
        @activity.defn(name=TAKE_BACK)
        async def take_back(given: SlabInput) -> int:
            step = self._known(given.step, "step")
            async with attempt(), self._container.activity_scope() as scope:
                source = await self._source(scope, given.query, given.given)
                undo: Callable[[Undoing], Awaitable[None]] | None = None
                if callable(step.mark.undo):
                    undo = getattr(await scope.make(step.cls), step.mark.undo.__name__)
                done = await source.take_back(_slab(given), undo)
            if done.left:
                keys = ", ".join(done.keys)
                rows = "1 row was" if done.left == 1 else f"{done.left:,} rows were"
                raise ChangedSince(f"{rows} changed by somebody since, and left alone: {keys}")
            return done.rows

        return take_back

    async def _source(self, scope: ActivityScope, name: str, given: Any) -> Source[Any]:
        query = self._known(name, "query")
        method = getattr(await scope.make(query.cls), query.method)
        source: Source[Any] = method(*_input(query, given))
        return source

    async def _step(
        self, scope: ActivityScope, step: Declared, given: Any
    ) -> Callable[[Any], Awaitable[None]]:
        method = getattr(await scope.make(step.cls), step.method)
        more = _input(step, given)
        return lambda batch: method(batch, *more)

    def _known(self, name: str, kind: str) -> Declared:
        found = self._declared.get(name)
        if found is None or found.mark.kind != kind:
            known = sorted(n for n, one in self._declared.items() if one.mark.kind == kind)
            raise SweepInvalid(
                f"the application has no sweep's {kind} '{name}'",
                mend=f"there are: {', '.join(known) or 'none'}; the class that declares it belongs "
                "into Euryale(activities=[…])",
            )
        return found


def _input(declared: Declared, given: Any) -> tuple[Any, ...]:
    """The input of a query or a step, as its own annotation reads it."""
    if declared.input_type is None:
        return ()
    return (TypeAdapter(declared.input_type).validate_json(to_json(given)),)


def _slab(given: SlabInput) -> Slab:
    return Slab(given.sweep, given.number, given.after, given.until)


async def _carry_out(
    source: Source[Any],
    step: Callable[[Any], Awaitable[None]],
    given: SlabInput,
    keeps: str,
) -> SlabDone:
    """Go over a slab till it is done, its turn is over, or somebody asks it to stop.

    What was asked to stop finishes the batch that is under way. So it is known what was done.
    """
    begun = time.monotonic()
    end = begun + TURN.total_seconds()
    first: Cursor | None = None
    stopping = asyncio.Event()
    told: Cursor | None = None

    def is_over(cursor: Cursor) -> bool:
        nonlocal first, told
        first, told = first or cursor, cursor
        # Not before it has come further: what fails is looked for by halves, and a turn that ended
        # in the middle of that would have the next one begin the search anew, for ever.
        return stopping.is_set() or (cursor != first and time.monotonic() >= end)

    async def beat() -> None:
        while True:
            if told is not None:
                activity.heartbeat({"rows": told.rows, "position": told.position})
            else:
                activity.heartbeat()
            await asyncio.sleep(BEAT.total_seconds())

    beating = asyncio.ensure_future(beat())
    work = asyncio.ensure_future(
        go_over(
            source,
            _slab(given),
            step,
            keeps=keeps,
            batch=given.batch,
            may_bury=given.may_bury,
            is_over=is_over,
        )
    )
    try:
        cursor = await _finished(work, stopping)
        letters: tuple[DeadLetter, ...] = ()
        if cursor.dead > given.known:
            letters = tuple(
                DeadLetter(key=one.key, error=one.error[:_ERROR_LENGTH])
                for one in await source.buried(cursor, given.known, TOLD)
            )
        before = first.rows if first else cursor.rows
        return SlabDone(
            rows=cursor.rows,
            dead=cursor.dead,
            letters=letters,
            finished=cursor.finished,
            pace=round((cursor.rows - before) / max(time.monotonic() - begun, 0.001), 1),
        )
    finally:
        beating.cancel()


async def _finished(work: asyncio.Task[Cursor], stopping: asyncio.Event) -> Cursor:
    while True:
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            asked_by_run = details is not None and details.cancel_requested
            if work.done() or stopping.is_set() or not asked_by_run:
                # The attempt's timeout, or the end of the worker: it will be tried again.
                work.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await work
                raise
            stopping.set()
