"""The job `export-orders-nightly`, run by a real worker, and the service that it rests on."""

import asyncio
import csv
import dataclasses
import hashlib
import json
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from pyarrow import parquet
from shop_support.order_rows import add_order, add_version, change_order
from shop_support.taken_back import take_back
from sqlalchemy import func, select
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from euryale import ChangedSince, EuryalePlugin
from euryale.runs.run import start_run
from euryale.worker import make_worker
from worker.app import app
from worker.seed import seed
from worker.services import ExportGone, ExportService, MadeExport, OrderExport, OrdersOfDay
from worker.services.export_folder import ExportFolder
from worker.services.order_files import COLUMNS, OrderFiles
from worker.services.order_lines import order_lines
from worker.services.rows import table_of
from worker.settings import Settings
from worker.store import Store
from worker.store.tables import OrderItemRow, OrderRow

ROOT = Path(__file__).parents[3]
ZONE = "Europe/Berlin"
# The day on which the clocks are put back: it has 25 hours.
DAY = date(2025, 10, 26)
BEGIN = datetime(2025, 10, 25, 22, tzinfo=UTC)
NOON = datetime(2025, 10, 26, 11, tzinfo=UTC)
END = datetime(2025, 10, 26, 23, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

Run = Callable[..., Awaitable[Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the exports go; it doesn't exist yet."""
    return tmp_path / "deep" / "exports"


@pytest.fixture
def service(store: Store, folder: Path) -> ExportService:
    return ExportService(store, Settings.model_validate({"export_dir": folder}))


def orders_of(run: str, day: date = DAY) -> OrdersOfDay:
    return OrdersOfDay(day=day, time_zone=ZONE, run=run)


async def export(service: ExportService, run: str) -> OrderExport:
    """Write and publish, as the workflow does."""
    written = await service.write(orders_of(run))
    if written.made:
        await service.publish(made(written, run))
    return written


def made(written: OrderExport, run: str) -> MadeExport:
    return MadeExport(day=written.day, version=written.version, run=run)


def found(folder: Path) -> list[str]:
    """Every file below the folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in found(folder)}


def version(folder: Path, number: int = 1) -> Path:
    return folder / "orders" / "2025-10-26" / f"v{number}"


def csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


VERSION_1 = [
    f"orders/2025-10-26/v1/{name}" for name in ("manifest.json", "orders.csv", "orders.parquet")
]


async def test_the_orders_of_a_day_are_those_between_its_midnights(
    store: Store, service: ExportService, folder: Path
) -> None:
    for order_id, made_at in {
        "order_before": BEGIN - MOMENT,
        "order_first": BEGIN,
        "order_last": END - MOMENT,
        "order_after": END,
    }.items():
        await add_order(store, order_id, made_at, ("cap", "1", "2"))
    assert (await export(service, "run")).orders == 2
    rows = csv_rows(version(folder) / "orders.csv")
    assert [row["order_id"] for row in rows] == ["order_first", "order_last"]


async def test_both_files_hold_every_item_exactly(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(
        store, "order_1", NOON, ("cap", "3", "0.1"), ("mug", "0.5", "8.00"), email="ada@example.com"
    )
    await add_order(store, "order_2", NOON + MOMENT, currency_code="usd")
    assert await export(service, "run") == OrderExport(
        day=DAY, version=1, orders=2, rows=3, made=True
    )
    first, second, empty = csv_rows(version(folder) / "orders.csv")
    assert tuple(first) == COLUMNS
    assert (first["order_id"], first["created_at"]) == ("order_1", "2025-10-26T11:00:00+00:00")
    assert (first["quantity"], first["unit_price"], first["total"]) == ("3", "0.1", "0.3")
    assert (second["quantity"], second["unit_price"], second["total"]) == ("0.5", "8", "4")
    # An order without items is an order, too.
    assert (empty["order_id"], empty["item_id"], empty["total"]) == ("order_2", "", "")
    table = parquet.read_table(version(folder) / "orders.parquet").to_pylist()
    assert [row["order_id"] for row in table] == ["order_1", "order_1", "order_2"]
    assert [row["total"] for row in table] == [Decimal("0.3"), Decimal(4), None]
    assert table[0]["created_at"] == NOON
    assert table[0]["email"] == "ada@example.com"


async def test_drafts_are_left_out_and_canceled_orders_say_so(
    store: Store, service: ExportService, folder: Path
) -> None:
    for number in range(4):
        await add_order(store, f"order_{number}", NOON, ("cap", "1", "2"))
    await change_order(store, "order_1", is_draft_order=True, status="draft")
    await change_order(store, "order_2", canceled_at=END, status="canceled")
    await change_order(store, "order_3", deleted_at=END)
    await export(service, "run")
    rows = csv_rows(version(folder) / "orders.csv")
    assert [(row["order_id"], row["status"], bool(row["canceled_at"])) for row in rows] == [
        ("order_0", "pending", False),
        ("order_2", "canceled", True),
    ]


async def test_an_order_is_exported_as_its_present_version_has_it(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "3", "10"))
    await add_version(store, "order_1", quantity="2", price="9")
    await export(service, "run")
    (row,) = csv_rows(version(folder) / "orders.csv")
    assert (row["quantity"], row["unit_price"], row["total"]) == ("2", "9", "18")


async def test_no_cell_of_the_csv_file_is_a_formula(
    store: Store, service: ExportService, folder: Path
) -> None:
    formula = '=HYPERLINK("https://example.com","cap")'
    await add_order(store, "order_1", NOON, ("cap", "1", "-2"), email=formula)
    await export(service, "run")
    (row,) = csv_rows(version(folder) / "orders.csv")
    assert (row["email"], row["unit_price"]) == (f"'{formula}", "-2")
    (exact,) = parquet.read_table(version(folder) / "orders.parquet").to_pylist()
    assert exact["email"] == formula


async def test_the_manifest_tells_what_the_files_are(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"), ("mug", "1", "2"))
    await export(service, "shop/run-7")
    manifest = json.loads((version(folder) / "manifest.json").read_text())
    assert manifest["day"] == "2025-10-26"
    assert manifest["time_zone"] == ZONE
    assert (manifest["orders"], manifest["rows"]) == (1, 2)
    assert manifest["run"] == "shop/run-7"
    assert manifest["columns"] == list(COLUMNS)
    assert datetime.fromisoformat(manifest["written_at"]).tzinfo is not None
    for file in manifest["files"]:
        content = (version(folder) / file["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"]
        assert (len(content), file["rows"]) == (file["bytes"], 2)
    assert [file["name"] for file in manifest["files"]] == ["orders.csv", "orders.parquet"]


async def test_nobody_else_on_the_machine_may_read_an_export(
    store: Store, service: ExportService, folder: Path
) -> None:
    old = os.umask(0)
    try:
        await add_order(store, "order_1", NOON, ("cap", "1", "2"))
        await export(service, "run")
    finally:
        os.umask(old)
    for path in (folder / "orders").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o750 if path.is_dir() else 0o640), path
    assert stat.S_IMODE((folder / "orders").stat().st_mode) == 0o750


async def test_nothing_is_an_export_before_all_of_it_is_there(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    written = await service.write(orders_of("run"))
    assert not any(name.endswith("/manifest.json") for name in found(folder))
    await service.publish(made(written, "run"))
    await service.publish(made(written, "run"))
    assert found(folder) == VERSION_1


async def test_an_export_of_the_same_data_is_the_same_and_makes_nothing(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    await export(service, "run 1")
    before = contents(folder)
    again = await export(service, "run 2")
    assert (again.version, again.made) == (1, False)
    await service.remove(orders_of("run 2"), again)
    await service.remove(orders_of("run 2"))
    assert contents(folder) == before


async def test_orders_that_changed_make_another_version_beside_the_one_that_is_read(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    await export(service, "run 1")
    with (version(folder) / "orders.csv").open() as reader:
        await change_order(store, "order_1", canceled_at=END, status="canceled")
        assert (await export(service, "run 2")).version == 2
        assert "canceled," not in reader.read().split("\n", 1)[1]
    assert csv_rows(version(folder, 2) / "orders.csv")[0]["status"] == "canceled"
    # And back: the newest version is what counts, not any that was like it.
    await change_order(store, "order_1", canceled_at=None, status="pending")
    assert (await export(service, "run 3")).version == 3


async def test_a_version_that_somebody_damaged_is_made_anew(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    await export(service, "run 1")
    (version(folder) / "orders.csv").unlink()
    assert (await export(service, "run 2")).version == 2
    (version(folder, 2) / "orders.csv").write_text("")
    assert (await export(service, "run 3")).version == 3


async def test_a_second_attempt_takes_what_the_first_one_wrote(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    first = await service.write(orders_of("run"))
    # What an attempt leaves that was killed while it wrote.
    (ExportFolder(folder / "orders", DAY).begin("run 2") / "orders.csv").write_text("half")
    assert await service.write(orders_of("run")) == first
    await service.publish(made(first, "run"))
    assert await service.write(orders_of("run")) == first
    assert (await service.write(orders_of("run 2"))).made is False
    assert found(folder) == VERSION_1


async def test_removing_takes_away_exactly_what_the_run_wrote(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    await export(service, "run 1")
    await change_order(store, "order_1", email="new@example.com")
    second = await export(service, "run 2")
    for _ in range(2):
        await service.withdraw(made(second, "run 2"))
    for _ in range(2):
        await service.remove(orders_of("run 2"), second)
        assert found(folder) == VERSION_1


@pytest.mark.parametrize("killed", ["while writing", "before its answer"])
async def test_what_an_attempt_left_of_which_nobody_heard_is_removed(
    store: Store, service: ExportService, folder: Path, killed: str
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    if killed == "while writing":
        (ExportFolder(folder / "orders", DAY).begin("run") / "orders.csv").write_text("half")
    else:
        await service.write(orders_of("run"))
    assert found(folder)
    for _ in range(2):
        await service.remove(orders_of("run"))
        assert not (folder / "orders").exists()


@pytest.mark.parametrize("name", ["orders.csv", "orders.parquet", "notes.txt"])
async def test_a_file_that_somebody_changed_or_added_is_left_and_the_others_removed(
    store: Store, service: ExportService, folder: Path, name: str
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    written = await export(service, "run")
    (version(folder) / name).write_text("by hand")
    await service.withdraw(made(written, "run"))
    for _ in range(2):
        with pytest.raises(ChangedSince, match=f"somebody has changed {name} since"):
            await service.remove(orders_of("run"), written)
        assert found(folder) == sorted(
            f"orders/2025-10-26/v1/{left}" for left in (".manifest.json", name)
        )
    assert (version(folder) / name).read_text() == "by hand"


async def test_a_manifest_that_somebody_changed_stays(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    written = await export(service, "run")
    path = version(folder) / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"booked": True}))
    with pytest.raises(ChangedSince, match=r"manifest\.json isn't as this run wrote it"):
        await service.withdraw(made(written, "run"))
    with pytest.raises(ChangedSince, match=r"has changed .*manifest\.json"):
        await service.remove(orders_of("run"), written)
    assert json.loads(path.read_text())["booked"] is True
    path.write_text("{}")
    with pytest.raises(ChangedSince, match="doesn't say any more that this run wrote it"):
        await service.remove(orders_of("run"), written)


async def test_a_version_that_is_gone_is_not_published(
    store: Store, service: ExportService, folder: Path
) -> None:
    written = await service.write(orders_of("run"))
    await service.remove(orders_of("run"), written)
    with pytest.raises(ExportGone, match="start the job again"):
        await service.publish(made(written, "run"))
    await service.withdraw(made(written, "run"))


async def test_exports_at_once_get_versions_of_their_own(
    store: Store, service: ExportService, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    written = await asyncio.gather(*(service.write(orders_of(f"run {n}")) for n in range(6)))
    assert sorted(one.version or 0 for one in written) == [1, 2, 3, 4, 5, 6]
    assert not [name for name in found(folder) if ".writing" in name]


async def test_an_export_that_is_cancelled_leaves_nothing(
    store: Store, service: ExportService, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    loop, writing = asyncio.get_running_loop(), asyncio.Event()
    finish = OrderFiles.finish

    def slow(files: OrderFiles) -> None:
        loop.call_soon_threadsafe(writing.set)
        finish(files)

    monkeypatch.setattr(OrderFiles, "finish", slow)
    task = asyncio.ensure_future(service.write(orders_of("run")))
    await writing.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found(folder) == []


async def test_pages_hold_every_order_once_also_those_of_one_moment(store: Store) -> None:
    for number in range(7):
        await add_order(store, f"order_{number}", NOON, ("cap", "1", "2"), ("mug", "1", "2"))
    async with store.session() as session:
        pages = [lines async for lines in order_lines(session, BEGIN, END, page=3)]
    assert [len(lines) for lines in pages] == [6, 6, 2]
    assert [line["order_id"] for lines in pages for line in lines] == [
        f"order_{number}" for number in range(7) for _ in range(2)
    ]


@pytest.fixture
async def run(
    client: Client,
    store: Store,
    database_url: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Run]:
    """Runs the job through a real worker, with data, and takes it back if that is wanted."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("EXPORT_DIR", str(folder))
    named = dataclasses.replace(app, name=f"shop-{uuid4().hex[:8]}")
    plugin = EuryalePlugin(named, root=ROOT, apply_schedules=False)
    job = plugin.registry.job("export-orders-nightly")

    async def run(*, undo: bool = False, **data: Any) -> Any:
        handle = await start_run(client, named, job, data)
        result = await handle.result()
        return str(await take_back(client, plugin, handle)) if undo else result

    async with make_worker(client, plugin):
        yield run


async def test_the_job_exports_the_orders_of_the_day_before(
    store: Store, run: Run, folder: Path
) -> None:
    await seed(store)
    zone = ZoneInfo(ZONE)
    result = await run()
    day = date.fromisoformat(result["day"])
    assert day in {datetime.now(zone).date() - timedelta(days=ago) for ago in (1, 2)}
    begin = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=zone)
    order, item = table_of(OrderRow), table_of(OrderItemRow)
    that_day = (
        order.c.created_at >= begin,
        order.c.created_at < end,
        order.c.is_draft_order.is_(False),
    )
    async with store.session() as session:
        orders = await session.scalar(select(func.count()).select_from(order).where(*that_day))
        items = set(
            await session.scalars(
                select(item.c.item_id).join(order, order.c.id == item.c.order_id).where(*that_day)
            )
        )
    assert result == {
        "day": day.isoformat(),
        "version": 1,
        "orders": orders,
        "rows": len(items),
        "made": True,
    }
    path = folder / "orders" / day.isoformat() / "v1"
    assert {row["item_id"] for row in csv_rows(path / "orders.csv")} == items
    assert parquet.read_table(path / "orders.parquet").num_rows == len(items)
    again = await run(day=day.isoformat())
    assert again == result | {"made": False}


async def test_a_day_that_is_not_over_is_refused(run: Run, folder: Path) -> None:
    today = datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=1)
    with pytest.raises(WorkflowFailureError) as caught:
        await run(day=today.isoformat())
    assert isinstance(caught.value.cause, ApplicationError)
    assert "isn't over in Europe/Berlin" in caught.value.cause.message
    assert found(folder) == []


async def test_a_run_that_fails_after_it_published_leaves_no_file(
    store: Store, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    publish = ExportService.publish
    published: list[list[str]] = []

    async def fail_late(service: ExportService, export: MadeExport) -> None:
        await publish(service, export)
        published.append(found(folder))
        raise ValueError("after its effect")

    monkeypatch.setattr(ExportService, "publish", fail_late)
    with pytest.raises(WorkflowFailureError):
        await run(day=DAY.isoformat())
    assert published == [VERSION_1]
    assert found(folder) == []


async def test_a_finished_run_can_be_taken_back_and_leaves_other_versions_alone(
    store: Store, run: Run, folder: Path
) -> None:
    await add_order(store, "order_1", NOON, ("cap", "1", "2"))
    await run(day=DAY.isoformat())
    before = contents(folder)
    await change_order(store, "order_1", email="new@example.com")
    assert await run(day=DAY.isoformat(), undo=True) == "2 steps were taken back"
    assert contents(folder) == before
