"""The main job, with its worker killed at twenty moments and its server once.

Its updates are local activities between checkpoints: what a killed worker had made and the server
hadn't heard of is made again, under its old key, by which the service knows it.
"""

import asyncio
import os
import signal
import sys
import time
from dataclasses import dataclass
from random import Random
from typing import Literal

import pytest

from euryale.server.server import DevServer
from tests.chaos.conftest import OpenShop
from tests.chaos.shop import Run, Shop
from tests.chaos.shop_file import ShopFile
from worker.seed import DRAFT_PRODUCTS

JOB = "publish-once-a-day"
UPDATE = "product.update"

Kind = Literal["accepted", "listing", "written", "in the middle"]


@dataclass(frozen=True)
class Moment:
    """When the worker is killed.

    Attributes:
        kind: `accepted`, as soon as the run exists; `listing`, as soon as its first call does;
            `written`, as soon as a product's update is in the database; `in the middle`, while an
            update waits for the database.
        updates: After how many updates.
    """

    kind: Kind
    updates: int


def moments(seed: int) -> list[Moment]:
    """Twenty moments: one before any update, one for each ten updates, one in the last update."""
    random = Random(seed)  # noqa: S311 -- no secret
    kinds: tuple[Kind, ...] = ("in the middle", "written")
    between = [
        Moment(kinds[number % 2], random.randrange(10 * number, 10 * number + 10))
        for number in range(2, 19)
    ]
    last = Moment("in the middle", DRAFT_PRODUCTS - 1)
    return [Moment("accepted", 0), Moment("listing", 0), *between, last]


async def kill_at(moment: Moment, shop: Shop, run: Run) -> None:
    """Wait for the moment, and kill the worker in it."""
    worker, file = shop.worker, shop.file
    await worker.until(lambda: file.writes() >= moment.updates, str(moment))
    match moment.kind:
        case "accepted" | "written":
            worker.kill()
        case "listing":
            await worker.until(lambda: run.reached("product.list"), str(moment))
            worker.kill()
        case "in the middle":
            with file.locked():
                await worker.until(lambda: waits_for(file, run), str(moment), every=0.02)
                worker.kill()
    assert await run.is_running(), f"{moment} came too late: the run has ended"


async def waits_for(file: ShopFile, run: Run) -> bool:
    """Whether an update waits for the locked file, instead of being on its way back from it.

    One that waited in vain as a local activity is an ordinary one by then, and all before it are
    reported with it.
    """
    all_reported = run.finished(UPDATE) == len(file.updates("product"))
    call = await run.started(UPDATE)
    return call is not None and (all_reported or call.attempt > 1)


async def publish(shop: Shop, kills: list[Moment]) -> Run:
    """Publish the drafts of one shop, with a new worker after each kill."""
    run = await shop.start_run(JOB)
    for moment in kills:
        await kill_at(moment, shop, run)
        shop.start_worker()
    return run


async def kill_server_once(server: DevServer, shops: list[Shop]) -> None:
    """Kill the server when half of all updates are done, and start it on the state that it left."""
    half = len(shops) * DRAFT_PRODUCTS // 2
    while sum(shop.file.writes() for shop in shops) < half:
        await asyncio.sleep(0.01)
    pid, address = server.pid, server.address
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await server.wait_stopped() == -signal.SIGKILL
    await server.restart()
    assert server.address == address


@pytest.mark.chaos
@pytest.mark.timeout(480)
async def test_each_update_is_made_once_when_workers_and_the_server_are_killed(
    server: DevServer, open_shop: OpenShop, capfd: pytest.CaptureFixture[str]
) -> None:
    began = time.monotonic()
    killed = moments(seed=2)
    # Side by side, since most of the time is waiting for the server to give up lost attempts.
    shops = list(await asyncio.gather(*(open_shop(f"shop-{number}") for number in range(4))))
    drafts = shops[0].file.drafts()
    kills_of = [killed[number :: len(shops)] for number in range(len(shops))]

    async with asyncio.TaskGroup() as group:
        group.create_task(kill_server_once(server, shops))
        publishing = [
            group.create_task(publish(shop, kills))
            for shop, kills in zip(shops, kills_of, strict=True)
        ]
    runs = [task.result() for task in publishing]

    for shop, run, kills in zip(shops, runs, kills_of, strict=True):
        assert await run.result() == {"published": DRAFT_PRODUCTS}
        assert run.finished(UPDATE) >= DRAFT_PRODUCTS
        assert shop.file.drafts() == set()
        updates = shop.file.updates("product")
        assert set(updates) == drafts
        # Whatever was repeated was known by its key.
        assert shop.file.repeats("product") == 0, f"{updates} after {len(kills)} kills"

    with capfd.disabled():  # the standard error also comes through from one of several processes
        sys.stderr.write(
            f"\n{len(killed)} kills of a worker and 1 of the server in {len(runs)} runs of {JOB}: "
            f"{len(runs) * DRAFT_PRODUCTS} updates, each made once, "
            f"{time.monotonic() - began:.0f} s\n"
        )
