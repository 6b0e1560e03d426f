"""One job with a case for each thing that a handler may do, well or badly."""

import asyncio
import random
import sqlite3
import time
import uuid
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sample_app import Item, ItemActivities, ItemService, TakeItems
from temporalio import workflow

from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="cases", schedule="0 0 * * *", description="Cases.")

CASES: dict[str, Any] = {}


def case(function: Any) -> Any:
    CASES[function.__name__] = function
    return function


async def handler(container: Container, data: dict[str, Any]) -> Any:
    return await CASES[data["case"]](container, **data.get("with", {}))


@case
async def loop(container: Container, count: int) -> int:
    items = container.resolve(ItemService)
    for number in range(count):
        await items.add(Item(id=str(number)))
    return count


@case
async def at_once(container: Container, count: int, size: int = 1) -> int:
    items = container.resolve(ItemService)
    texts = await asyncio.gather(*(items.echo("x" * size) for _ in range(count)))
    return sum(map(len, texts))


@case
async def raises(container: Container) -> None:
    raise KeyError("the moon")


@case
async def exits(container: Container) -> None:
    raise SystemExit(3)


@case
async def asks_the_time(container: Container) -> None:
    datetime.now()  # noqa: DTZ005


@case
async def rolls_dice(container: Container) -> None:
    random.random()  # noqa: S311


@case
async def makes_a_uuid(container: Container) -> None:
    uuid.uuid4()


@case
async def opens_a_file(container: Container) -> None:
    open("/etc/hostname")  # noqa: ASYNC230, PTH123, SIM115


@case
async def opens_a_database(container: Container) -> None:
    sqlite3.connect(":memory:")


@case
async def sleeps(container: Container) -> None:
    time.sleep(10)  # noqa: ASYNC251


@case
async def blocks(container: Container) -> None:
    while True:
        pass


@case
async def unknown_service(container: Container) -> None:
    container.resolve("items")


@case
async def unknown_method(container: Container) -> None:
    await container.resolve("item").ad()


@case
async def unnamed_method(container: Container) -> None:
    await container.resolve("item").unnamed("a")


@case
async def wrong_type(container: Container) -> None:
    await container.resolve("item").echo(text=["a"])


@case
async def missing_argument(container: Container) -> None:
    await container.resolve("item").echo()


@case
async def large_argument(container: Container) -> None:
    await container.resolve("item").echo("x" * 3_000_000)


@case
async def large_result(container: Container) -> None:
    await container.resolve("item").large(3_000_000)


@case
async def unwritable_result(container: Container) -> None:
    await container.resolve("item").unwritable()


@case
async def returns_much(container: Container) -> str:
    return "x" * 3_000_000


@case
async def returns_an_object(container: Container) -> object:
    return object()


@case
async def raises_much(container: Container) -> None:
    raise ValueError("x" * 3_000_000)


@case
async def finds_nothing(container: Container) -> None:
    await container.resolve("item").find("moon")


@case
async def catches(container: Container) -> str:
    try:
        await container.resolve("item").find("moon")
    except Exception as error:  # noqa: BLE001
        return f"caught {error}"
    return "nothing"


@case
async def is_replay_safe(container: Container) -> list[str]:
    logger = container.resolve("logger")
    seen = []
    for number in range(5):
        logger.info("a line", number=number)
        seen += [
            container.now().isoformat(),
            str(container.random().random()),
            str(container.uuid4()),
        ]
        await asyncio.sleep(0.01)
    return seen


@case
async def waits(container: Container, seconds: float) -> None:
    await asyncio.sleep(seconds)


@case
async def slow_call(container: Container) -> None:
    await container.resolve("item").slow(1.0)


@case
async def careful_loop(container: Container, count: int) -> int:
    failed = 0
    for number in range(count):
        try:
            await container.resolve(ItemService).add(Item(id=str(number)))
        except Exception:  # noqa: BLE001
            failed += 1
    return failed


@case
async def shouts(container: Container) -> None:
    await container.resolve("item").shout(1_500_000)


@case
async def raises_much_underneath(container: Container) -> None:
    raise RuntimeError("short") from ValueError("x" * 3_000_000)


@case
async def large_child(container: Container) -> None:
    await workflow.execute_child_workflow(TakeItems.run, ["x" * 3_000_000])


@case
async def raises_in_a_group(container: Container) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(raises(container))


@case
async def takes(container: Container, item_ids: list[str]) -> int:
    return await workflow.execute_child_workflow(
        TakeItems.run, item_ids, id=f"{workflow.info().workflow_id}/take-items"
    )


@case
async def plain_activity(container: Container) -> str:
    return await workflow.execute_activity_method(
        ItemActivities.plain, "x", start_to_close_timeout=timedelta(seconds=5)
    )


@case
async def in_zone(container: Container, zone: str) -> str:
    moment = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("UTC"))
    return moment.astimezone(ZoneInfo(zone)).isoformat()
