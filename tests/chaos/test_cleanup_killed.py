"""The job with a child workflow and a step, with its worker killed at several moments."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from euryale.server.server import DevServer
from tests.chaos.conftest import OpenShop
from tests.chaos.shop import Run, Shop
from worker.seed import UNTOUCHED_CARTS

JOB = "cleanup-expired-carts"
CHILD = "delete-carts"
STEP = "cart.delete-expired"


async def killed_in_query_and_step(shop: Shop) -> Run:
    # While the file is locked the run can't end before its worker is killed; reads go on.
    with shop.file.locked():
        run = await shop.start_run(JOB)
        await shop.worker.until(lambda: run.reached("query.graph"), "the query")
        shop.worker.kill()
        await shop.start_worker().until(lambda: in_step(run), "the step", every=0.02)
        shop.worker.kill()
    shop.start_worker()
    return run


async def killed_at_start_in_child_and_before_answer(shop: Shop, server: DevServer) -> Run:
    with ExitStack() as lock:
        lock.enter_context(shop.file.locked())
        run = await shop.start_run(JOB)
        shop.worker.kill()
        await shop.start_worker().until(lambda: run.reached(CHILD), "the child workflow")
        shop.worker.kill()
        await shop.start_worker().until(lambda: in_step(run), "the step", every=0.02)
        # The step can write what it has to, but the server can't hear of it.
        with held_up(server):
            lock.close()
            await shop.worker.until(lambda: shop.file.writes() > 0, "the deletion")
            shop.worker.kill()
    shop.start_worker()
    return run


async def in_step(run: Run) -> bool:
    return await run.started(STEP, child=CHILD) is not None


@contextmanager
def held_up(server: DevServer) -> Iterator[None]:
    """Let the server do nothing until the block ends."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.chaos
@pytest.mark.timeout(240)
async def test_expired_carts_are_deleted_once_however_often_the_worker_is_killed(
    server: DevServer, open_shop: OpenShop
) -> None:
    shops = [await open_shop("shop-0"), await open_shop("shop-1")]
    expired = [shop.file.expired_carts() for shop in shops]

    runs = await asyncio.gather(
        killed_in_query_and_step(shops[0]),
        killed_at_start_in_child_and_before_answer(shops[1], server),
    )

    for shop, run, carts in zip(shops, runs, expired, strict=True):
        assert await run.result() == {"deleted": UNTOUCHED_CARTS}
        items = shop.file.items_of(carts)
        assert len(carts) == UNTOUCHED_CARTS
        assert shop.file.deleted("cart") == carts
        assert shop.file.deleted("cart_line_item") == items
        # Once each: an attempt that repeats a lost one finds what that one deleted.
        assert shop.file.updates("cart") == dict.fromkeys(carts, 1)
        assert shop.file.updates("item") == dict.fromkeys(items, 1)
