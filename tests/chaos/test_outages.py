"""Orderly ends and outages in the middle of a run: a deploy, a locked database, a server away."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from euryale.server.server import DevServer
from euryale.worker import GRACE
from tests.chaos.conftest import OpenShop
from tests.chaos.shop import Run, Shop
from worker.seed import DRAFT_PRODUCTS, UNTOUCHED_CARTS

pytestmark = pytest.mark.chaos

JOB = "publish-once-a-day"
UPDATE = "product.update"

OUTAGE_SECONDS = 5


async def run_in_the_middle(shop: Shop) -> Run:
    run = await shop.start_run(JOB)
    await shop.worker.until(lambda: shop.file.writes() >= DRAFT_PRODUCTS // 4, "a quarter")
    return run


async def each_made_once(run: Run, shop: Shop) -> None:
    """See that the run completed, and that it has updated every draft once.

    What was made again was known by its key.
    """
    assert await run.result() == {"published": DRAFT_PRODUCTS}
    updates = shop.file.updates("product")
    assert len(updates) == DRAFT_PRODUCTS
    assert set(updates.values()) == {1}
    assert shop.file.drafts() == set()


async def in_an_update(run: Run, *, attempt: int = 1) -> bool:
    call = await run.started(UPDATE)
    return call is not None and call.attempt >= attempt


@pytest.mark.timeout(240)
async def test_a_worker_told_to_stop_finishes_its_call_and_leaves_the_run_to_the_next(
    open_shop: OpenShop,
) -> None:
    shop = await open_shop("shop")
    run = await run_in_the_middle(shop)
    with shop.file.locked():
        await shop.worker.until(lambda: in_an_update(run), "an update under way", every=0.02)
        told = time.monotonic()
        shop.worker.terminate()
        await shop.worker.until_logged("worker_draining")

    assert await shop.worker.ended() == 0
    assert time.monotonic() - told < GRACE.total_seconds()
    assert await run.is_running()
    shop.start_worker()

    await each_made_once(run, shop)


@pytest.mark.timeout(240)
async def test_a_run_heals_when_its_database_was_locked_for_a_while(open_shop: OpenShop) -> None:
    shop = await open_shop("shop")
    run = await run_in_the_middle(shop)
    with shop.file.locked():
        # An attempt waits for two seconds before it fails and is repeated.
        await shop.worker.until(lambda: in_an_update(run, attempt=3), "a third attempt", every=0.05)

    await each_made_once(run, shop)
    assert shop.worker.lives


@pytest.mark.timeout(240)
async def test_a_worker_stays_and_its_run_goes_on_when_the_server_was_away_for_a_while(
    server: DevServer, open_shop: OpenShop
) -> None:
    shop = await open_shop("shop")
    run = await run_in_the_middle(shop)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGTERM)
    await server.wait_stopped()
    assert 0 < len(shop.file.drafts()) < DRAFT_PRODUCTS
    await asyncio.sleep(OUTAGE_SECONDS)  # the outage itself: nothing is waited for
    await server.restart()

    await each_made_once(run, shop)
    assert shop.worker.lives


@pytest.mark.timeout(240)
async def test_a_worker_that_starts_before_its_server_waits_for_it_and_serves(
    address: str, seeded: Path, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "shop", seeded, address=address, namespace="default")
    try:
        shop.start_worker()
        await shop.worker.until_logged("temporal-connect-retry")
        async with DevServer.start(address, state_dir=tmp_path / "temporal") as server:
            assert server.address == address
            await shop.open()
            run = await shop.start_run("cleanup-expired-carts")
            assert await run.result() == {"deleted": UNTOUCHED_CARTS}
            shop.worker.terminate()
            assert await shop.worker.ended() == 0
    finally:
        await shop.close()
