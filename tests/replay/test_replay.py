"""Runs of yesterday under the code of today: recorded histories, replayed."""

import base64
import dataclasses
import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from euryale import EuryalePlugin
from tests.replay.histories import FOLDER, ROOT, plugin_of, read
from worker.app import app as shop

FILES = sorted(FOLDER.glob("*/*.json"))

EXPECTED = {
    "shop/publish-once-a-day",  # from before its updates were local activities
    "shop/publish-once-a-day-locally",
    "shop/cleanup-expired-carts",
    "shop/delete-carts",
    "sample/at-once",
    "sample/compensated",
    "sample/compensated-child",
    "sample/timed-out",
    "sample/timed-out-child",
    "shop/export-orders-nightly",
    "shop/export-orders-nightly-child-1",
    "shop/recalculate-aggregates",
    "shop/recalculate-aggregates-child-1",
    "shop/recalculate-aggregates-sweep",
    "shop/send-weekly-newsletter",
    "shop/send-weekly-newsletter-child-1",
    "shop/sync-products-daily",
    "shelf/swept",
    "shelf/sweep",
    "shelf/sweep-of-many-slabs",
    "shelf/undo",
    "vault/taken-back",
    "vault/undo",
    "vault/locked",
    "vault/locked-child",
}

LIST_DRAFTS = """\
    drafts = await product_service.list(status=ProductStatus.DRAFT)
"""

PUBLISH_LOOP = """\
    for product in drafts:
        await product_service.update(product.id, status=ProductStatus.PUBLISHED)
"""


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


async def replay(plugin: EuryalePlugin, name: str) -> None:
    # Temporal would make a build id of the code of every loaded module, which takes seconds.
    replayer = Replayer(workflows=[], plugins=[plugin], build_id="replay")
    await replayer.replay_workflow(read(FOLDER / f"{name}.json"))


def changed_copy(original: Path, copy: Path, old: str, new: str) -> None:
    source = original.read_text(encoding="utf-8")
    assert source.count(old) == 1
    copy.parent.mkdir()
    copy.write_text(source.replace(old, new), encoding="utf-8")


@pytest.fixture
def changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that changed code can be imported from, and is forgotten with."""
    monkeypatch.syspath_prepend(tmp_path)
    loaded = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - loaded:
        if name.partition(".")[0] in {"jobs_changed", "workflows_changed"}:
            del sys.modules[name]


def test_every_kind_of_run_is_recorded() -> None:
    assert {name_of(file) for file in FILES} == EXPECTED


@pytest.mark.parametrize("file", FILES, ids=name_of)
async def test_a_recorded_run_goes_the_same_way_under_the_code_of_today(file: Path) -> None:
    await replay(plugin_of(file.parent.name), name_of(file))


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_recorded_history_tells_nothing_of_the_machine_that_it_was_recorded_on(
    file: Path,
) -> None:
    found = texts(json.loads(file.read_text(encoding="utf-8")))
    assert {text for name, text in found if name == "identity"} == {"recorder"}
    absolute = re.compile(r"(?<![\w.])/(home|Users|root|usr|var|tmp|opt|mnt|work)\b|[A-Z]:\\")
    assert [text for _, text in found if absolute.search(text)] == []
    # A process is told as its number, an @ and its host.
    assert [text for _, text in found if re.search(r"\d@\w", text)] == []


def texts(value: Any, name: str = "") -> list[tuple[str, str]]:
    """The strings of a history, payloads decoded, each with the name of its field."""
    if isinstance(value, dict):
        return [found for key, one in value.items() for found in texts(one, key)]
    if isinstance(value, list):
        return [found for one in value for found in texts(one, name)]
    if name == "data":
        return [(name, base64.b64decode(value).decode())]
    return [(name, str(value))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            f"{LIST_DRAFTS}{PUBLISH_LOOP}",
            f"    drafts = [await product_service.update('prod_1', title='A')]\n{LIST_DRAFTS}",
            id="two calls swapped",
        ),
        pytest.param(
            PUBLISH_LOOP,
            f"    await product_service.list()\n{PUBLISH_LOOP}",
            id="one more call before the loop",
        ),
        pytest.param(
            "in drafts:",
            "in drafts[:-1]:",
            id="one call less in the loop",
        ),
        pytest.param(
            "    logger.info(",
            "    await product_service.list()\n    logger.info(",
            id="one more call at the end",
        ),
        pytest.param(
            PUBLISH_LOOP,
            f"    raise ValueError('no')\n{PUBLISH_LOOP}",
            id="an exception where the run went on",
        ),
        pytest.param(
            PUBLISH_LOOP,
            f"{PUBLISH_LOOP}    raise ValueError('no')\n",
            id="an exception where the run was completed",
        ),
    ],
)
async def test_a_job_that_goes_another_way_than_its_run_did_is_found_out(
    changes: Path, old: str, new: str
) -> None:
    changed_copy(ROOT / "jobs" / "publish_products.py", changes / "jobs_changed" / "x.py", old, new)
    app = dataclasses.replace(shop, jobs=["jobs_changed"])
    plugin = EuryalePlugin(app, root=changes, apply_schedules=False)
    assert plugin.registry.errors == ()
    with pytest.raises(NondeterminismError):
        await replay(plugin, "shop/publish-once-a-day")


async def test_a_job_copied_without_a_change_goes_the_same_way(changes: Path) -> None:
    original = ROOT / "jobs" / "publish_products.py"
    changed_copy(original, changes / "jobs_changed" / "x.py", LIST_DRAFTS, LIST_DRAFTS)
    app = dataclasses.replace(shop, jobs=["jobs_changed"])
    plugin = EuryalePlugin(app, root=changes, apply_schedules=False)
    await replay(plugin, "shop/publish-once-a-day")


async def test_a_workflow_that_waits_where_its_run_did_not_is_found_out(changes: Path) -> None:
    old = "            deleted = await"
    new = f"            await workflow.sleep(1)\n{old}"
    original = ROOT / "workflows" / "delete_carts.py"
    changed_copy(original, changes / "workflows_changed" / "x.py", old, new)
    changed = importlib.import_module("workflows_changed.x")
    app = dataclasses.replace(shop, workflows=[changed.DeleteCarts], jobs=[])
    with pytest.raises(NondeterminismError):
        await replay(EuryalePlugin(app, root=changes, apply_schedules=False), "shop/delete-carts")
