import asyncio
import os
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from worker.seed import main, seed
from worker.services import QueryService
from worker.settings import parse_database_url
from worker.store import Store, StoreUnavailable
from worker.store.tables import Base, CartLineItemRow, OrderItemRow, ProductRow

ROOT = Path(__file__).parents[3]


async def count(store: Store, entity: str, filters: dict[str, Any]) -> int:
    result = await QueryService(store).graph(entity, ["id"], filters, {"skip": 0, "take": 0})
    assert result.metadata
    return result.metadata.count


async def test_the_shop_has_what_its_jobs_need(store: Store) -> None:
    assert await seed(store)
    day_ago = datetime.now(UTC) - timedelta(days=1)
    assert await count(store, "product", {}) == 1_000
    assert await count(store, "product", {"status": "draft"}) == 200
    assert await count(store, "product", {"variants": None}) == 0
    assert await count(store, "customer", {}) == 500
    assert await count(store, "customer", {"metadata": {"newsletter": True}}) == 412
    assert await count(store, "cart", {}) == 300
    assert await count(store, "cart", {"updated_at": {"$lt": day_ago}}) == 200
    assert await count(store, "order", {}) == 1_000
    assert await count(store, "order", {"status": "draft", "is_draft_order": True}) == 40
    assert await count(store, "order", {"status": "canceled", "canceled_at": {"$ne": None}}) == 50
    assert await count(store, "order", {"status": "pending", "canceled_at": None}) == 910
    now = datetime.now(UTC)
    assert await count(store, "order", {"created_at": {"$gte": now - timedelta(days=60)}}) == 1_000
    assert await count(store, "order", {"updated_at": {"$gt": now}}) == 0
    async with store.session() as session:
        items = await session.scalars(
            select(func.count(CartLineItemRow.id)).group_by(CartLineItemRow.cart_id)
        )
        assert set(items) == {1, 2, 3}
        lines = await session.scalars(
            select(func.count(OrderItemRow.id)).group_by(OrderItemRow.order_id)
        )
        assert set(lines) == {1, 2, 3}


async def test_a_shop_with_products_is_left_alone(store: Store) -> None:
    assert await seed(store)
    assert not await seed(store)


async def test_two_that_fill_the_shop_at_once_fill_it_once(store: Store) -> None:
    assert sorted(await asyncio.gather(seed(store), seed(store))) == [False, True]
    assert await count(store, "product", {}) == 1_000


async def test_the_shop_is_the_same_every_time_but_for_the_times(
    tmp_path: Path, migrated_file: Path
) -> None:
    shops = []
    for name in ("one.db", "other.db"):
        store = Store(
            parse_database_url(f"sqlite:///{shutil.copy(migrated_file, tmp_path / name)}")
        )
        await seed(store)
        async with store.session() as session:
            shops.append(
                [
                    [
                        {key: value for key, value in row.items() if not key.endswith("_at")}
                        for row in (
                            await session.execute(select(table).order_by(*table.primary_key))
                        ).mappings()
                    ]
                    for table in Base.metadata.sorted_tables
                ]
            )
        await store.close()
    assert shops[0] == shops[1]


async def test_a_kill_in_the_middle_leaves_nothing(sqlite_url: str) -> None:
    # The process kills itself between two inserts: the transaction is open, rows are written.
    program = (
        "import asyncio, os, signal, sys\n"
        "from sqlalchemy import event\n"
        "from sqlalchemy.engine import Engine\n"
        "@event.listens_for(Engine, 'before_cursor_execute')\n"
        "def kill(_c, _u, statement, *_):\n"
        "    if statement.startswith('INSERT INTO cart '):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "from worker.seed import main\n"
        "main()\n"
    )
    killed = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program), env={**os.environ, "DATABASE_URL": sqlite_url}, cwd=ROOT
    )
    assert await killed.wait() == -signal.SIGKILL
    store = Store(parse_database_url(sqlite_url))
    async with store.session() as session:
        assert await session.scalar(select(func.count()).select_from(ProductRow)) == 0
    assert await seed(store)
    await store.close()


def test_the_command_migrates_and_fills_and_says_so_in_a_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker.seed"],
        env={**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/shop.db"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
    assert "1,000 products (200 of them drafts)" in done.stdout


def test_the_command_leaves_a_filled_shop_alone_and_says_so(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    for said in ("1,000 products (200 of them drafts)", "nothing was changed"):
        assert main() == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgres://shop:hunter2@127.0.0.1:1/shop", "is unavailable"),
        ("mysql://shop:hunter2@db/shop", "DATABASE_URL is invalid"),
    ],
)
def test_the_command_says_in_a_line_what_is_wrong(
    url: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert main() == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert "hunter2" not in said.err


async def test_a_store_without_tables_is_not_filled(tmp_path: Path) -> None:
    store = Store(parse_database_url(f"sqlite:///{tmp_path}/shop.db"))
    with pytest.raises(StoreUnavailable):
        await seed(store)
    await store.close()
