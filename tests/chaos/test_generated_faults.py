"""Every workflow of the shop, disturbed in every way that its undisturbed run suggests."""

import contextlib
import hashlib
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from shop_support.catalog_server import CatalogServer
from shop_support.mail_server import mail_server

from euryale.server.server import DevServer
from euryale.sweeps.sql import metadata as sweep_tables
from euryale.testing import OpenWorld, World, prove, sqlite_file
from tests.chaos.worker_process import ROOT
from worker.app import app
from worker.services import SyncWindow
from worker.services.newsletter_mail import Edition, Offer
from workflows.delete_carts import DeleteCarts, DeleteCartsInput
from workflows.export_orders import ExportOrders, ExportOrdersInput
from workflows.recalculate_aggregates import RecalculateAggregates, RecalculateAggregatesInput
from workflows.send_newsletter import SendNewsletter, SendNewsletterInput
from workflows.sync_products import SyncProducts, SyncProductsInput

SMALL = """
DELETE FROM product WHERE id NOT IN (SELECT id FROM product ORDER BY id LIMIT 5);
DELETE FROM product_variant WHERE product_id NOT IN (SELECT id FROM product);
DELETE FROM customer WHERE id NOT IN (
    SELECT id FROM customer WHERE json_extract(metadata, '$.newsletter') ORDER BY id LIMIT 3
);
DELETE FROM cart WHERE id NOT IN (SELECT id FROM cart ORDER BY id LIMIT 4);
DELETE FROM cart_line_item WHERE cart_id NOT IN (SELECT id FROM cart);
DELETE FROM order_line_item WHERE product_id NOT IN (SELECT id FROM product);
DELETE FROM order_item WHERE item_id NOT IN (SELECT id FROM order_line_item);
DELETE FROM "order" WHERE id NOT IN (SELECT order_id FROM order_item);
"""


@dataclass(frozen=True)
class Proved:
    """How a workflow is proved.

    Attributes:
        run: Its run method.
        given: What it is given, from the shop's file.
        world: The state that it works on, from the shop's file.
        leaves: What its steps may leave that can't be taken back.
        cases: How many cases there are, at least.
    """

    run: Callable[..., Any]
    given: Callable[[sqlite3.Connection], Any]
    world: Callable[[Path], OpenWorld] = sqlite_file
    leaves: dict[str, list[str]] = field(default_factory=dict)
    cases: int = 20


def without_sweeps(file: Path) -> OpenWorld:
    """The shop without what sweeps keep of themselves, which stays when they are taken back."""
    return sqlite_file(file, without=[table.name for table in sweep_tables.sorted_tables])


def exporting(file: Path) -> OpenWorld:
    """The shop with its folder of exports."""

    @contextlib.asynccontextmanager
    async def open_world(folder: Path) -> AsyncIterator[World]:
        exports = folder / "exports"
        exports.mkdir()
        async with sqlite_file(file)(folder) as shop:

            async def snapshot() -> Any:
                files = [each for each in exports.rglob("*") if each.is_file()]
                digests = {
                    str(each.relative_to(exports)): hashlib.sha256(each.read_bytes()).hexdigest()
                    for each in files
                }
                return {**await shop.snapshot(), "exports": digests}

            yield World(snapshot, {**shop.environment, "EXPORT_DIR": str(exports)})

    return open_world


def mailing(file: Path) -> OpenWorld:
    """The shop with a mail server, and the mails that it took."""

    @contextlib.asynccontextmanager
    async def open_world(folder: Path) -> AsyncIterator[World]:
        async with sqlite_file(file)(folder) as shop, mail_server() as mails:

            async def snapshot() -> Any:
                return {**await shop.snapshot(), "mails": dict(mails.receivers)}

            settings = {
                "SMTP_URL": f"smtp+plain://127.0.0.1:{mails.port}",
                "MAIL_FROM": "The shop <news@shop.example>",
                "MAILS_PER_SECOND": "1000",
            }
            yield World(snapshot, {**shop.environment, **settings})

    return open_world


def syncing(file: Path) -> OpenWorld:
    """The shop with the catalog, and the products that it holds."""

    @contextlib.asynccontextmanager
    async def open_world(folder: Path) -> AsyncIterator[World]:
        catalog = CatalogServer()
        async with sqlite_file(file)(folder) as shop, catalog.running():

            async def snapshot() -> Any:
                return {**await shop.snapshot(), "catalog": dict(catalog.products)}

            yield World(snapshot, {**shop.environment, "CATALOG_URL": catalog.url})

    return open_world


def some_carts(shop: sqlite3.Connection) -> DeleteCartsInput:
    return DeleteCartsInput(cart_ids=ids(shop, "cart")[:3])


def a_day(shop: sqlite3.Connection) -> ExportOrdersInput:
    ((last,),) = shop.execute('SELECT max(created_at) FROM "order"')
    return ExportOrdersInput(day=date.fromisoformat(last[:10]), time_zone="UTC")


def three_slabs(shop: sqlite3.Connection) -> RecalculateAggregatesInput:
    ((sold,),) = shop.execute("SELECT count(DISTINCT product_id) FROM order_line_item")
    assert sold == len(ids(shop, "product")) == 5
    return RecalculateAggregatesInput(products_per_slab=2)


def three_readers(shop: sqlite3.Connection) -> SendNewsletterInput:
    edition = Edition(week="2026-W47", offers=(Offer(title="A coat", description=None),))
    return SendNewsletterInput(edition=edition, customer_ids=ids(shop, "customer"))


def everything(_shop: sqlite3.Connection) -> SyncProductsInput:
    until = datetime(2100, 1, 1, tzinfo=UTC)
    return SyncProductsInput(window=SyncWindow(mark=None, since=None, until=until))


PROVED = (
    Proved(DeleteCarts.run, some_carts),
    Proved(ExportOrders.run, a_day, exporting),
    Proved(RecalculateAggregates.run, three_slabs, without_sweeps),
    Proved(
        SendNewsletter.run,
        three_readers,
        mailing,
        # A mail can't be taken back, and its notification keeps it from being sent again.
        {"newsletter.send": ["mails", "notification"]},
    ),
    Proved(
        SyncProducts.run,
        everything,
        syncing,
        # What the catalog held before, it alone knew.
        {"catalog.send-products": ["catalog"]},
    ),
)


@pytest.fixture(scope="module")
def small_shop(seeded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop that is small enough to be looked at hundreds of times."""
    file = Path(shutil.copy(seeded, tmp_path_factory.mktemp("small") / "shop.db"))
    with contextlib.closing(sqlite3.connect(file)) as shop:
        shop.executescript(SMALL)
        shop.execute("VACUUM")
    return file


def ids(shop: sqlite3.Connection, table: str) -> list[str]:
    rows = shop.execute(f'SELECT id FROM "{table}" WHERE deleted_at IS NULL ORDER BY id')  # noqa: S608
    return [id_ for (id_,) in rows]


def name_of(proved: Proved) -> str:
    return proved.run.__qualname__.removesuffix(".run")


def test_every_workflow_of_the_shop_is_proved() -> None:
    assert {name_of(each) for each in PROVED} == {each.__name__ for each in app.workflows}


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("proved", PROVED, ids=name_of)
async def test_a_workflow_does_all_or_leaves_nothing_in_every_case(
    proved: Proved, small_shop: Path, server: DevServer, capfd: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(sqlite3.connect(small_shop)) as shop:
        given = proved.given(shop)
    proof = await prove(
        proved.run,
        given,
        world=proved.world(small_shop),
        leaves=proved.leaves,
        root=ROOT,
        address=server.address,
    )
    assert proof.cases >= proved.cases
    with capfd.disabled():  # the standard error also comes through from one of several processes
        sys.stderr.write(f"\n{proof}\n")
