"""One job with a case for each thing that a rehearsal may meet."""

import asyncio
from datetime import timedelta
from typing import Any

from rehearsed.flows import CountDown, GuardedSleep, JudgeCrate, OpenCrate, Stumble, TakeCrates
from rehearsed.stall import Item, ItemService, Steps
from temporalio import workflow

from euryale import Container, Saga, ScheduledJobConfig

config = ScheduledJobConfig(name="cases", schedule="0 0 * * *")

CASES: dict[str, Any] = {}


def case(function: Any) -> Any:
    CASES[function.__name__] = function
    return function


async def handler(container: Container, data: dict[str, Any]) -> Any:
    rest = {key: value for key, value in data.items() if key != "case"}
    return await CASES[data["case"]](container, container.resolve(ItemService), **rest)


@case
async def adds(container: Container, items: ItemService, count: int = 3) -> int:
    for item_id in await items.ids(limit=count):
        await items.add(item_id)
    return count


@case
async def adds_at_once(container: Container, items: ItemService) -> None:
    await asyncio.gather(*(items.add(item_id) for item_id in await items.ids()))


@case
async def deletes(container: Container, items: ItemService) -> None:
    await items.delete_all(await items.ids(limit=150), reason="dust")
    await items.delete_all(["one", "more"], reason="dust")


@case
async def hands_on(container: Container, items: ItemService) -> object:
    made = await items.add("a")
    container.resolve("logger").info("added", item=made.id, whole=made)
    await items.remove(made.id)
    await workflow.execute_activity(
        Steps.weigh, args=[made.id], start_to_close_timeout=timedelta(seconds=5)
    )
    return {"made": made, "id": made.id}


@case
async def decides(container: Container, items: ItemService) -> None:
    await items.remove("before")
    made = await items.add("a")
    if made.size > 3:  # the line
        await items.remove("after")
    await items.remove("after")


@case
async def swallows(container: Container, items: ItemService) -> str:
    made = await items.add("a")
    try:
        text = f"{made.id}"  # the line
    except:  # noqa: E722
        text = "nothing"
    await items.remove(text)
    return text


@case
async def builds(container: Container, items: ItemService) -> None:
    made = await items.add("a")
    await items.touch(Item(id=made.id).id)  # the line


@case
async def reads(container: Container, items: ItemService) -> None:
    made = await items.touch("a")
    await items.find(made)  # the line


@case
async def previews(container: Container, items: ItemService) -> int:
    packed = await items.pack("a", padding=1)
    if packed.size == 8:
        await items.remove(packed.id)
    seen = await workflow.execute_activity_method(
        Steps.look, "a", start_to_close_timeout=timedelta(seconds=5)
    )
    size = await workflow.execute_child_workflow(OpenCrate.run, "b", id="b")
    return packed.size + size + seen


@case
async def takes(container: Container, items: ItemService, crates: list[str]) -> int:
    await items.add("a")
    return await workflow.execute_child_workflow(TakeCrates.run, crates, id="take-crates-now")


@case
async def takes_twice(container: Container, items: ItemService) -> None:
    async with Saga() as saga:
        await saga.child(TakeCrates.run, ["x"])
        await saga.step(Steps.open, "y")


@case
async def judges(container: Container, items: ItemService) -> str:
    judged = await workflow.execute_child_workflow(JudgeCrate.run, "a", id="judge")
    await items.add(judged.id)
    return "done"


@case
async def calls_others(container: Container, items: ItemService) -> None:
    handle = await workflow.start_child_workflow("their-report", "monthly", id="report")
    await handle.signal("hurry", 1)
    await handle
    await workflow.get_external_workflow_handle("somebody").signal("hello", "you")
    await workflow.execute_activity(
        "theirs.wipe", "disk", task_queue="theirs", start_to_close_timeout=timedelta(seconds=5)
    )
    await workflow.execute_local_activity_method(
        Steps.weigh, "a", start_to_close_timeout=timedelta(seconds=5)
    )


@case
async def cancels_another(container: Container, items: ItemService, other: str) -> None:
    await items.add("a")
    await workflow.get_external_workflow_handle(other).cancel()


@case
async def sleeps(container: Container, items: ItemService) -> float:
    before = container.now()
    await asyncio.sleep(timedelta(hours=3).total_seconds())
    try:
        await workflow.wait_condition(lambda: False, timeout=timedelta(minutes=30))
    except TimeoutError:
        await items.remove("late")
    slept = await workflow.execute_child_workflow(GuardedSleep.run, 2, id="guarded")
    return slept + (container.now() - before).total_seconds()


@case
async def waits_in_vain(container: Container, items: ItemService) -> None:
    await items.remove("before")
    await workflow.wait_condition(lambda: False)  # the line


@case
async def goes_round(container: Container, items: ItemService) -> None:
    await items.remove("first")
    while item_ids := await items.ids():
        for item_id in item_ids:
            await items.add(item_id)


@case
async def counts_down(container: Container, items: ItemService) -> str:
    return await workflow.execute_child_workflow(CountDown.run, 2, id="count")


@case
async def raises(container: Container, items: ItemService) -> None:
    await items.add("a")
    await items.find("none")


@case
async def stumbles(container: Container, items: ItemService) -> None:
    await workflow.execute_child_workflow(Stumble.run, id="stumble")


@case
async def leaves_children(container: Container, items: ItemService) -> str:
    await workflow.start_child_workflow(
        TakeCrates.run,
        ["x"],
        id="left",
        parent_close_policy=workflow.ParentClosePolicy.ABANDON,
    )
    return "gone"
