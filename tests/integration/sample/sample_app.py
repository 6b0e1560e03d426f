"""A small application that does on purpose what applications do by mistake."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import BaseModel
from temporalio import activity, workflow

from euryale import (
    Euryale,
    Retry,
    Saga,
    StepResponse,
    idempotency_key,
    instance,
    mutation,
    read,
    step,
)


@dataclass
class Journal:
    """What really happened, as the services saw it."""

    entries: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    failures_left: int = 0

    def clear(self) -> None:
        self.entries.clear()
        self.keys.clear()
        self.failures_left = 0


class Item(BaseModel):
    id: str
    size: int = 0


class LampBroken(Exception):
    """An error of a service's own, that may heal."""


class ItemMissing(LookupError):
    """An error of a service's own, that can't heal."""


class ItemService:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @read
    async def echo(self, text: str, *, times: int = 1) -> str:
        return text * times

    @read
    async def find(self, item_id: str) -> Item:
        raise ItemMissing(f"no item {item_id}")

    @mutation
    async def add(self, item: Item) -> Item:
        self._journal.entries.append(f"add {item.id}")
        self._journal.keys.append(idempotency_key())
        if self._journal.failures_left:
            self._journal.failures_left -= 1
            raise LampBroken("the lamp flickers")
        return item

    @read
    async def large(self, size: int) -> str:
        return "x" * size

    @read
    async def unwritable(self) -> object:
        return object()

    @mutation
    async def shout(self, size: int) -> None:
        raise ValueError("x" * size)

    @mutation
    async def slow(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def unnamed(self, *texts: str) -> None: ...


class ItemActivities:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @activity.defn(name="item.put-back")
    async def put_back(self, item_id: str) -> None:
        self._journal.entries.append(f"put back {item_id}")
        if item_id == "stuck":
            raise ValueError("it is stuck")

    @step(
        "item.take",
        compensation=put_back,
        compensation_retry=Retry(maximum_attempts=2, initial_interval=timedelta(milliseconds=10)),
    )
    async def take(self, item_id: str) -> StepResponse[int, str]:
        if item_id == "broken":
            raise ItemMissing("no item broken")
        if item_id == "late":
            await asyncio.sleep(0.5)
        self._journal.entries.append(f"take {item_id}")
        return StepResponse(output=len(item_id), undo=item_id)

    @activity.defn(name="item.shrink")
    async def shrink(self, texts: list[str]) -> None:
        self._journal.entries.append(f"shrink {len(texts)}")

    @step("item.grow", compensation=shrink)
    async def grow(self, text: str) -> StepResponse[int, list[str]]:
        self._journal.entries.append("grow")
        return StepResponse(output=1, undo=[text * 3_000_000])

    @activity.defn
    def plain(self, item_id: str) -> str:
        return f"plain {item_id}"


@workflow.defn(name="take-items")
class TakeItems:
    @workflow.run
    async def run(self, item_ids: list[str]) -> int:
        async with Saga() as saga:
            if "side by side" in item_ids:
                steps = (saga.step(ItemActivities.take, item_id) for item_id in item_ids)
                return sum(await asyncio.gather(*steps))
            if "grow" in item_ids:
                return await saga.step(ItemActivities.grow, "x")
            taken = [await saga.step(ItemActivities.take, item_id) for item_id in item_ids]
            if "wait" in item_ids:
                await asyncio.sleep(3600)
        return sum(taken)


journal = Journal()

app = Euryale(
    name="sample",
    services={"item": ItemService},
    providers=[instance(journal)],
    workflows=[TakeItems],
    activities=[ItemActivities],
    jobs=["sample_jobs"],
)
