"""The stall's workflows."""

import asyncio
from datetime import timedelta

from rehearsed.stall import Item, Steps
from temporalio import workflow

from euryale import Saga
from euryale.sagas.lock import Lock


@workflow.defn(name="take-crates")
class TakeCrates:
    @workflow.run
    async def run(self, crates: list[str]) -> int:
        async with Saga() as saga:
            for crate in crates:
                await saga.step(Steps.take, crate, summary=f"crate {crate}")
            await saga.step(Steps.burn, "last")
        return len(crates)


@workflow.defn(name="judge-crate")
class JudgeCrate:
    @workflow.run
    async def run(self, crate: str) -> Item:
        async with Saga() as saga:
            taken = await saga.step(Steps.take, crate)
            return taken if taken.size > 3 else Item(id="small")


@workflow.defn(name="open-crate")
class OpenCrate:
    @workflow.run
    async def run(self, crate: str) -> int:
        async with Saga() as saga:
            opened = await saga.step(Steps.open, crate)
        return opened.size


@workflow.defn(name="guarded-sleep")
class GuardedSleep:
    @workflow.run
    async def run(self, hours: int) -> float:
        before = workflow.now()
        async with Lock("the stall"):
            await asyncio.sleep(timedelta(hours=hours).total_seconds())
        return (workflow.now() - before).total_seconds()


@workflow.defn(name="count-down")
class CountDown:
    @workflow.run
    async def run(self, left: int) -> str:
        await workflow.execute_activity_method(
            Steps.weigh, str(left), start_to_close_timeout=timedelta(seconds=5)
        )
        if left:
            workflow.continue_as_new(left - 1)
        return "done"


@workflow.defn(name="stumble")
class Stumble:
    @workflow.run
    async def run(self) -> None:
        # No Temporal failure: Temporal would repeat the workflow task for ever.
        raise KeyError("the moon")
