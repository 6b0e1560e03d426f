"""The mark up to which products are synced, and the pages of those changed since."""

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from temporalio.testing import ActivityEnvironment

from activities.catalog import CatalogActivities, MarkMove, MovedMark
from euryale import ChangedSince, Unfinished, idempotency_key
from euryale.sagas.step import step_mark
from worker.catalog import Catalog
from worker.services import (
    CatalogService,
    Position,
    SyncMark,
    SyncMarkMoved,
    SyncService,
    SyncWindow,
)
from worker.services.rows import table_of
from worker.services.sync import OVERLAP
from worker.store import Store
from worker.store.tables import ProductRow, SyncStateRow

product, state = table_of(ProductRow), table_of(SyncStateRow)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
MONDAY, TUESDAY = NOON, NOON + timedelta(days=1)


@pytest.fixture
def sync(store: Store) -> SyncService:
    return SyncService(store)


@pytest.fixture
def steps(sync: SyncService) -> CatalogActivities:
    return CatalogActivities(sync, CatalogService(Catalog(None)))


class Call:
    """A call of a service or an activity; called again, it is the same call's next attempt."""

    def __init__(self, name: str) -> None:
        self._environment = ActivityEnvironment()
        self._environment.info = dataclasses.replace(self._environment.info, activity_id=name)

    async def __call__(
        self, method: Callable[..., Awaitable[Any]], *args: Any, **named: Any
    ) -> Any:
        async def attempt() -> Any:
            return await method(*args, **named)

        return await self._environment.run(attempt)

    @property
    def key(self) -> str:
        return self._environment.run(idempotency_key)


async def mark_of(sync: SyncService) -> SyncMark | None:
    return (await sync.window()).mark


async def test_a_first_sync_looks_at_everything_until_now(sync: SyncService) -> None:
    window = await sync.window()
    assert window.mark is None
    assert window.since is None
    assert abs(window.until - datetime.now(UTC)) < timedelta(seconds=30)


async def test_a_later_sync_looks_back_a_little_beyond_the_mark(sync: SyncService) -> None:
    await Call("monday")(sync.move, before=None, until=MONDAY, refused=["prod_1"])
    window = await sync.window()
    key = Call("monday").key
    assert window.mark == SyncMark(synced_until=MONDAY, moved_by=key, refused=("prod_1",))
    assert window.since == MONDAY - OVERLAP


async def test_a_move_that_is_attempted_again_moves_once(sync: SyncService) -> None:
    call = Call("monday")
    for _ in range(2):
        await call(sync.move, before=None, until=MONDAY, refused=[])
    monday = await mark_of(sync)
    for _ in range(2):
        await Call("tuesday")(sync.move, before=monday, until=TUESDAY, refused=[])
    tuesday = await mark_of(sync)
    assert tuesday == SyncMark(synced_until=TUESDAY, moved_by=Call("tuesday").key)


async def test_of_two_syncs_that_began_alike_only_one_moves_the_mark(sync: SyncService) -> None:
    await Call("a")(sync.move, before=None, until=MONDAY, refused=[])
    with pytest.raises(SyncMarkMoved, match="meanwhile, to 2026-01-05"):
        await Call("b")(sync.move, before=None, until=TUESDAY, refused=[])
    first = await mark_of(sync)
    await Call("c")(sync.move, before=first, until=TUESDAY, refused=[])
    with pytest.raises(SyncMarkMoved):
        await Call("d")(sync.move, before=first, until=TUESDAY, refused=[])
    mark = await mark_of(sync)
    assert mark is not None
    assert mark.moved_by == Call("c").key


async def test_an_operator_who_empties_the_mark_has_everything_synced_again(
    sync: SyncService, store: Store
) -> None:
    await Call("monday")(sync.move, before=None, until=MONDAY, refused=[])
    async with store.begin() as session:
        await session.execute(update(state).values(synced_until=None))
    assert (await sync.window()).since is None
    await Call("again")(sync.move, before=None, until=TUESDAY, refused=[])
    mark = await mark_of(sync)
    assert mark is not None
    assert mark.synced_until == TUESDAY


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_mark_is_put_back_to_where_it_was_and_doing_it_twice_is_harmless(
    sync: SyncService, steps: CatalogActivities, store: Store, *, is_first: bool
) -> None:
    if not is_first:
        await Call("monday")(sync.move, before=None, until=MONDAY, refused=["prod_1"])
    before = await mark_of(sync)
    response = await Call("tuesday")(
        steps.move_mark, MarkMove(before=before, until=TUESDAY, refused=[])
    )
    assert response.undo == MovedMark(before=before, idempotency_key=Call("tuesday").key)
    for _ in range(2):
        await steps.restore_mark(response.undo)
        assert await mark_of(sync) == before
    async with store.session() as session:
        assert len((await session.execute(select(state))).all()) == (0 if is_first else 1)


async def test_a_mark_that_was_moved_since_is_left_alone(
    sync: SyncService, steps: CatalogActivities
) -> None:
    await Call("monday")(sync.move, before=None, until=MONDAY, refused=[])
    monday = await mark_of(sync)
    await Call("tuesday")(sync.move, before=monday, until=TUESDAY, refused=[])
    tuesday = await mark_of(sync)
    with pytest.raises(ChangedSince, match="stays at 2026-01-06"):
        await steps.restore_mark(MovedMark(before=None, idempotency_key=Call("monday").key))
    assert await mark_of(sync) == tuesday


@pytest.mark.parametrize("took_effect", [True, False])
async def test_a_move_that_was_cut_off_is_taken_back_whether_it_took_effect_or_not(
    sync: SyncService, steps: CatalogActivities, *, took_effect: bool
) -> None:
    move = MarkMove(before=None, until=MONDAY, refused=[])
    if took_effect:
        await Call("monday")(steps.move_mark, move)
    declared = step_mark(CatalogActivities.move_mark)
    assert declared is not None
    assert declared.unfinished is not None
    await steps.restore_mark(declared.unfinished(Unfinished(move, Call("monday").key)))
    assert await mark_of(sync) is None


async def add(store: Store, id_: str, updated_at: datetime, **values: Any) -> None:
    moments = {"created_at": NOON - timedelta(days=30), "updated_at": updated_at}
    async with store.begin() as session:
        await session.execute(
            insert(product).values(id=id_, title=id_, handle=id_, **moments, **values)
        )


async def pages(sync: SyncService, window: SyncWindow, take: int) -> list[list[str]]:
    found = []
    after: Position | None = None
    while True:
        page = await sync.changed(window, after=after, take=take)
        found.append(page.product_ids)
        after = page.next
        if after is None:
            return [each for each in found if each]


async def test_changes_are_found_in_their_order_and_deletions_after_them(
    sync: SyncService, store: Store
) -> None:
    early, late = MONDAY - timedelta(hours=1), MONDAY + timedelta(microseconds=1)
    await add(store, "prod_b", early)
    await add(store, "prod_c", MONDAY)
    await add(store, "prod_a", MONDAY)
    await add(store, "prod_late", late)
    # A deletion counts by its own time: `updated_at` says when the product was last edited.
    await add(store, "prod_gone", early - timedelta(days=9), deleted_at=early)
    await add(store, "prod_gone_late", early, deleted_at=late)
    await add(store, "prod_old", early - timedelta(microseconds=1))
    await add(store, "prod_gone_long_ago", early, deleted_at=early - timedelta(microseconds=1))
    window = SyncWindow(mark=None, since=early, until=MONDAY)
    assert await pages(sync, window, 100) == [["prod_b", "prod_a", "prod_c"], ["prod_gone"]]


@pytest.mark.parametrize("take", [1, 2, 3, 7])
async def test_pages_of_any_size_hold_each_change_once(
    sync: SyncService, store: Store, take: int
) -> None:
    ids = [f"prod_{number}" for number in range(6)]
    for number, id_ in enumerate(ids):
        moment = MONDAY + timedelta(microseconds=number // 3)
        gone = {"deleted_at": moment} if number % 2 else {}
        await add(store, id_, moment, **gone)
    window = SyncWindow(mark=None, since=None, until=TUESDAY)
    found = [id_ for page in await pages(sync, window, take) for id_ in page]
    assert found == ["prod_0", "prod_2", "prod_4", "prod_1", "prod_3", "prod_5"]


async def test_products_are_read_in_the_order_asked_for_with_deleted_ones_and_without_gone_ones(
    sync: SyncService, store: Store
) -> None:
    await add(store, "prod_1", MONDAY)
    await add(store, "prod_2", MONDAY, deleted_at=TUESDAY)
    found = await sync.products(["prod_2", "prod_9", "prod_1"])
    assert [(each.id, each.deleted_at) for each in found] == [("prod_2", TUESDAY), ("prod_1", None)]


async def test_a_preview_tells_what_would_be_sent_and_sends_nothing(
    steps: CatalogActivities, store: Store
) -> None:
    await add(store, "prod_1", MONDAY)
    await add(store, "prod_2", MONDAY, deleted_at=TUESDAY)
    # There is no catalog here to send to.
    preview = await steps.preview_send(["prod_1", "prod_2"])
    assert (preview.replaced, preview.removed, preview.left) == (1, 1, [])
