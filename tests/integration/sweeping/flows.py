"""Workflows that sweep, as a test tells them to."""

from typing import Any, Literal

from pydantic import BaseModel
from sweeping.items import ItemSweeps, State
from temporalio import workflow
from temporalio.exceptions import ApplicationError

from euryale import Saga, SweepFailed, SweepResult, sweep


class Asked(BaseModel):
    query: str = "new"
    step: str = "publish"
    given: State | None = None
    batch: int = 10
    slab: int = 100
    concurrency: int = 1
    dead_letters: Literal["fail", "keep"] = "fail"
    in_saga: bool = False
    then_fail: bool = False
    times: int = 1


async def sweep_as(asked: Asked, saga: Saga | None = None) -> SweepResult:
    query: Any = getattr(ItemSweeps, asked.query)
    step: Any = getattr(ItemSweeps, asked.step)
    options: dict[str, Any] = asked.model_dump(
        include={"batch", "slab", "concurrency", "dead_letters"}
    )
    given = () if asked.given is None else (asked.given,)
    result: SweepResult = await sweep(query, step, *given, **options, saga=saga)
    return result


@workflow.defn(name="sweep-items")
class SweepItems:
    @workflow.run
    async def run(self, asked: Asked) -> list[SweepResult]:
        if not asked.in_saga:
            return [await sweep_as(asked) for _ in range(asked.times)]
        async with Saga() as saga:
            done = [await sweep_as(asked, saga)]
            if asked.then_fail:
                raise ApplicationError("as told", type="AsTold")
            return done


@workflow.defn(name="sweep-typed")
class SweepTyped:
    """Called as an application would: a type checker knows all of it."""

    @workflow.run
    async def run(self) -> int:
        done = await sweep(ItemSweeps.new, ItemSweeps.publish, batch=20, slab=50)
        moved = await sweep(ItemSweeps.in_state, ItemSweeps.move, State(state="done", to="moved"))
        try:
            await sweep(ItemSweeps.every, ItemSweeps.broken)
        except SweepFailed:
            return done.rows + moved.rows
        return -1
