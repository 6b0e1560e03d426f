"""Sweeps over the shelf, with steps that do what they should and steps that don't."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy import case, select, update
from sweeping.shelf import Shelf, id_of, item
from temporalio import activity

from euryale import sweep_query, sweep_step
from euryale.sweeps.sql import Batch, Rows, UndoingRows


@dataclass
class Stage:
    """Where the items are, what went on, and what a test wants to go wrong."""

    database: Any
    shelf: Shelf | None = None
    batches: int = 0
    attempts: Counter[int] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0
    keys: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    away: int = 0
    """Batches that still fail, since something is away."""
    hold_after: int | None = None
    """Batches after which every further one is held up until `go` is set."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_by(self) -> None:
        self.batches += 1
        if self.hold_after is not None and self.batches > self.hold_after:
            self.reached.set()
            await self.go.wait()


class State(BaseModel):
    state: str
    to: str = "done"


class ItemSweeps:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def _rows(self, key: Any, state: str = "new") -> Rows:
        return Rows(self._stage.database, select(item).where(item.c.state == state), key=key)

    @sweep_query("item.new")
    def new(self) -> Rows:
        return self._rows(item.c.id)

    @sweep_query("item.in-state")
    def in_state(self, given: State) -> Rows:
        return self._rows(item.c.id, given.state)

    @sweep_query("item.new-by-place")
    def new_by_place(self) -> Rows:
        return self._rows([item.c.aisle, item.c.place])

    @sweep_query("item.new-by-aisle")
    def new_by_aisle(self) -> Rows:
        return self._rows(item.c.aisle)

    @sweep_query("item.new-by-label")
    def new_by_label(self) -> Rows:
        return self._rows(item.c.label)

    @sweep_query("item.every")
    def every(self) -> Rows:
        return Rows(self._stage.database, select(item), key=item.c.id)

    @sweep_step("item.publish", undo="restore", words="publish {} items")
    async def publish(self, batch: Batch) -> None:
        await self._stage.pass_by()
        self._stage.attempts[activity.info().attempt] += 1
        batch.update(state="done", touched=item.c.touched + 1)

    @sweep_step("item.move", undo="restore")
    async def move(self, batch: Batch, given: State) -> None:
        batch.update(state=given.to)

    @sweep_step("item.reprice", undo="restore")
    async def reprice(self, batch: Batch) -> None:
        batch.update(
            {
                "price": item.c.price * 1.1 + 0.1,
                "weight": item.c.place / 3.0,
                "label": None,
                "state": "done",
            }
        )

    @sweep_step("item.throw-away")
    async def throw_away(self, batch: Batch) -> None:
        batch.update(state="gone")

    @sweep_step("item.side-by-side", undo="restore")
    async def side_by_side(self, batch: Batch) -> None:
        stage = self._stage
        stage.at_once += 1
        stage.most_at_once = max(stage.most_at_once, stage.at_once)
        if stage.most_at_once < 3:
            await asyncio.wait_for(stage.go.wait(), 20)
        else:
            stage.go.set()
        stage.at_once -= 1
        batch.update(state="done", touched=item.c.touched + 1)

    @sweep_step("item.picky", undo="restore")
    async def picky(self, batch: Batch) -> None:
        for row in await batch.rows():
            if row.label.startswith("bad"):
                raise ValueError(f"{row.label} is refused")
        batch.update(state="done", touched=item.c.touched + 1)

    @sweep_step("item.refused-by-database")
    async def refused_by_database(self, batch: Batch) -> None:
        bad = case((item.c.label == "bad", None), else_="done")
        batch.update(state=bad)

    @sweep_step("item.broken")
    async def broken(self, batch: Batch) -> None:
        raise KeyError("no row will do")

    @sweep_step("item.unreachable")
    async def unreachable(self, batch: Batch) -> None:
        if self._stage.away:
            self._stage.away -= 1
            raise ConnectionError("the warehouse is away")
        batch.update(state="done")

    @sweep_step("item.slow-to-refuse")
    async def slow_to_refuse(self, batch: Batch) -> None:
        if (await batch.rows())[0].label.startswith("bad"):
            await asyncio.sleep(0.1)
            raise ValueError("the first is refused")
        batch.update(state="done", touched=item.c.touched + 1)

    @sweep_step("item.cut-off", undo="restore")
    async def cut_off(self, batch: Batch) -> None:
        """The first slab gets nowhere as long as something is away; another one is held up."""
        stage = self._stage
        first = (await batch.rows())[0].id
        if stage.away and first == id_of(0):
            await stage.gone.wait()
            raise ConnectionError("the warehouse is away")
        if first == id_of(150):
            stage.reached.set()
            await stage.go.wait()
        batch.update(state="done", touched=item.c.touched + 1)

    @sweep_step("item.rekey")
    async def rekey(self, batch: Batch) -> None:
        batch.update(id="same")

    @activity.defn(name="item.look")
    async def look(self) -> int:
        return self._stage.batches

    async def untell(self, rows: UndoingRows) -> None:
        for kept in rows.kept:
            if kept.undo == "told item 3":
                rows.changed_since(kept.key)
            else:
                self._stage.untold.append(kept.undo)

    @sweep_step("item.tell", undo=untell)
    async def tell(self, batch: Batch) -> None:
        self._stage.keys.append(batch.idempotency_key)
        for row in await batch.rows():
            self._stage.told.append(row.label)
            batch.keep(row.id, undo=f"told {row.label}")
        await batch.run(
            lambda connection: connection.execute(
                update(item).where(batch.condition).values(state="told")
            )
        )
