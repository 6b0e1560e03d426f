"""One job for all cases of calls that are made many at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel
from together_app import LedgerService

from euryale import CallFailed, Container, Retry, ScheduledJobConfig

config = ScheduledJobConfig(
    name="cases", schedule="0 0 1 1 *", retry=Retry(initial_interval=0.05, maximum_attempts=4)
)

CASES: dict[str, Callable[..., Awaitable[Any]]] = {}


class Data(BaseModel):
    case: str = ""
    given: dict[str, Any] = {}


def case(function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    CASES[function.__name__] = function
    return function


async def handler(container: Container, data: Data) -> Any:
    return await CASES[data.case](container, container.resolve(LedgerService), **data.given)


async def told(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except CallFailed as error:
        return f"{error.call}: {error.type}: {error.message}"


@case
async def gathers(_: Container, ledger: LedgerService, names: list[str]) -> list[Any]:
    return await asyncio.gather(*(told(ledger.write(name)) for name in names))


@case
async def posts(_: Container, ledger: LedgerService, names: list[str]) -> list[Any]:
    return await asyncio.gather(*(told(ledger.post(name)) for name in names))


@case
async def groups(_: Container, ledger: LedgerService, names: list[str]) -> None:
    async def one(name: str) -> None:
        await ledger.write(name)

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(one(name))


@case
async def each(
    container: Container, ledger: LedgerService, count: int, concurrency: int
) -> list[str]:
    async def one(number: int) -> str:
        await ledger.write(f"a{number}")
        return await ledger.write(f"b{number}")

    return await container.each(range(count), one, concurrency=concurrency)


@case
async def each_fails(container: Container, ledger: LedgerService, names: list[str]) -> list[str]:
    return await container.each(names, ledger.write, concurrency=2)


@case
async def mixes(_: Container, ledger: LedgerService, count: int) -> list[Any]:
    calls: list[Awaitable[Any]] = []
    for number in range(count):
        calls += [ledger.write(f"w{number}"), ledger.post(f"p{number}"), ledger.look(f"w{number}")]
    return await asyncio.gather(*calls)


@case
async def impatient(_: Container, ledger: LedgerService, names: list[str]) -> str:
    tasks = [asyncio.ensure_future(ledger.write(name)) for name in names]
    await asyncio.sleep(0.2)
    tasks[0].cancel()
    try:
        await tasks[0]
    except asyncio.CancelledError:
        return f"cancelled, {await tasks[1]}"
    return "not cancelled"


@case
async def wrong(_: Container, ledger: LedgerService) -> list[str]:
    calls: list[Any] = [ledger.write("a"), ledger.write("b", 3), ledger.write(nome="c")]  # type: ignore[arg-type, call-arg]
    ends = await asyncio.gather(*calls, return_exceptions=True)
    return [type(end).__name__ if isinstance(end, BaseException) else end for end in ends]


@case
async def large_arguments(_: Container, ledger: LedgerService, sizes: list[int]) -> list[Any]:
    calls = (ledger.write(f"n{number}", "x" * size) for number, size in enumerate(sizes))
    ends = await asyncio.gather(*calls, return_exceptions=True)
    return [type(end).__name__ if isinstance(end, BaseException) else len(end) for end in ends]


@case
async def large_results(_: Container, ledger: LedgerService, sizes: list[int]) -> list[Any]:
    calls = (ledger.large(size) for size in sizes)
    ends = await asyncio.gather(*calls, return_exceptions=True)
    return [type(end).__name__ if isinstance(end, BaseException) else len(end) for end in ends]


@case
async def crashes(_: Container, ledger: LedgerService, names: list[str]) -> list[Any]:
    return await asyncio.gather(*(told(ledger.crash(name)) for name in names))


@case
async def dashes(_: Container, ledger: LedgerService, names: list[str]) -> list[Any]:
    return await asyncio.gather(*(told(ledger.dash(name)) for name in names))


@case
async def refusals(_: Container, ledger: LedgerService, count: int, size: int) -> list[Any]:
    return await asyncio.gather(*(told(ledger.refuse(size)) for _ in range(count)))


@case
async def halves(_: Container, ledger: LedgerService, name: str) -> Any:
    return await told(ledger.half(name))


@case
async def passes_on(_: Container, ledger: LedgerService, sizes: list[int]) -> int:
    texts = [await ledger.large(size) for size in sizes]
    return len(await ledger.write("last", texts[-1]))


@case
async def puts_beside(_: Container, ledger: LedgerService, names: list[str]) -> None:
    async def beside() -> None:
        await ledger.write("slow")

    async def puts() -> None:
        await ledger.nothing(1)
        for name in names:
            await ledger.put(name)

    await asyncio.gather(beside(), puts())


@case
async def a_great_many(container: Container, ledger: LedgerService, count: int) -> int:
    return len(await asyncio.gather(*(ledger.nothing(number) for number in range(count))))


@case
async def a_great_many_in_turns(container: Container, ledger: LedgerService, count: int) -> int:
    return len(await container.each(range(count), ledger.nothing))


@case
async def puts(_: Container, ledger: LedgerService, names: list[str]) -> list[Any]:
    return [await told(ledger.put(name)) for name in names]


@case
async def looks_and_puts(_: Container, ledger: LedgerService, names: list[str]) -> list[Any]:
    ends: list[Any] = []
    for name in names:
        ends += [await ledger.look(name), await ledger.put(name)]
    return ends


@case
async def asks_the_time_and_puts(
    container: Container, ledger: LedgerService, names: list[str]
) -> None:
    for name in names:
        container.now()
        await ledger.put(name)


@case
async def looks(_: Container, ledger: LedgerService, names: list[str]) -> list[Any]:
    return [await ledger.look(name) for name in names]
