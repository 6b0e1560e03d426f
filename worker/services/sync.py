"""How far the products have been synced, and which ones were changed since."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import ColumnElement, delete, insert, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from euryale import ChangedSince, idempotency_key, mutation, read
from worker.services.entities import Product
from worker.services.errors import SyncMarkMoved
from worker.services.rows import slices, table_of
from worker.store import Store, StoreRefused
from worker.store.tables import ProductRow, SyncStateRow

_product = table_of(ProductRow)
_state = table_of(SyncStateRow)

_NAME = "products"

OVERLAP = timedelta(minutes=10)
"""How far a sync looks back beyond the last one's end.

A change bears the time at which it was made, and is seen only when its transaction is committed:
that may be after a sync has passed its time. A worker whose clock is slow does the same. So the
last minutes are looked at twice. That is harmless: a product that is sent again replaces itself.
"""


class SyncMark(BaseModel):
    """How far the products have been synced.

    Attributes:
        synced_until: Every change made until then has been sent.
        moved_by: What moved the mark there: the idempotency key of the call.
        refused: The products that the catalog refused; each sync offers them again, since what was
            wrong may have been mended there.
    """

    model_config = ConfigDict(frozen=True)

    synced_until: AwareDatetime
    moved_by: str = ""
    refused: tuple[str, ...] = ()


class SyncWindow(BaseModel):
    """What one sync has to look at, fixed when it begins.

    Attributes:
        mark: The mark as it was then; None if there was none.
        since: Changes made at this time or later; None means all.
        until: Changes made at this time or earlier. What is changed while the sync runs is found
            by the next one.
    """

    model_config = ConfigDict(frozen=True)

    mark: SyncMark | None
    since: AwareDatetime | None
    until: AwareDatetime


class Position(BaseModel):
    """The last product that was read: the time of its change, and its id among equal times.

    Attributes:
        deleted: Whether the deleted products are being read, which come after all others.
        at: The time; None before the first one.
        id: The id.
    """

    model_config = ConfigDict(frozen=True)

    deleted: bool = False
    at: AwareDatetime | None = None
    id: str = ""


class ChangedProducts(BaseModel):
    """A page of products that were changed.

    Attributes:
        product_ids: Their ids, the earliest change first.
        next: Where the next page begins; None after the last one. A page may be empty.
    """

    product_ids: list[str]
    next: Position | None


class SyncService:
    """Knows the mark up to which products have been synced, and moves it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @read
    async def window(self) -> SyncWindow:
        """What a sync that begins now has to look at.

        Its end is this worker's time and no workflow's: changes bear their worker's time too.
        """
        async with self._store.session() as session:
            mark = await _mark(session)
        return SyncWindow(
            mark=mark,
            since=mark and mark.synced_until - OVERLAP,
            until=datetime.now(UTC),
        )

    @read
    async def changed(
        self, window: SyncWindow, *, after: Position | None = None, take: int = 1_000
    ) -> ChangedProducts:
        """A page of the products that were changed or deleted in a window.

        Args:
            window: What to look at.
            after: The end of the page before; None for the first page.
            take: How many at most.
        """
        after = after or Position()
        # A soft deletion is a change that leaves `updated_at` alone.
        moment = _product.c.deleted_at if after.deleted else _product.c.updated_at
        conditions: list[ColumnElement[bool]] = [
            _product.c.deleted_at.is_not(None) if after.deleted else _product.c.deleted_at.is_(None)
        ]
        conditions.append(moment <= window.until)
        start = after.at or window.since
        if start is not None:
            last = tuple_(literal(start, moment.type), literal(after.id))
            conditions.append(tuple_(moment, _product.c.id) > last)
        statement = select(_product.c.id, moment.label("moment")).where(*conditions)
        async with self._store.session() as session:
            rows = (
                await session.execute(statement.order_by(moment, _product.c.id).limit(take))
            ).all()
        following: Position | None = None
        if len(rows) == take:
            following = Position(deleted=after.deleted, at=rows[-1].moment, id=rows[-1].id)
        elif not after.deleted:
            following = Position(deleted=True)
        return ChangedProducts(product_ids=[row.id for row in rows], next=following)

    @read
    async def products(self, product_ids: list[str]) -> list[Product]:
        """The products as they are now, in the order of the ids, deleted ones among them."""
        found: dict[str, Product] = {}
        async with self._store.session() as session:
            for ids in slices(product_ids):
                rows = await session.execute(select(_product).where(_product.c.id.in_(ids)))
                found |= {row["id"]: Product.model_validate(dict(row)) for row in rows.mappings()}
        return [found[each] for each in product_ids if each in found]

    @mutation(undo="take_back", timeout=timedelta(seconds=10), words="move the sync's mark")
    async def move(
        self, *, before: SyncMark | None, until: AwareDatetime, refused: list[str]
    ) -> None:
        """Say that every change made until a time has been sent.

        The mark keeps the call's idempotency key, so that a repeated attempt finds it moved.

        Args:
            before: The mark as it was when the sync began.
            until: How far products have been synced now.
            refused: The products to offer again next time.

        Raises:
            SyncMarkMoved: Another sync has moved the mark meanwhile; it stays where that left it.
        """
        key = idempotency_key()
        try:
            async with self._store.begin() as session:
                mark = await _mark(session, locked=True)
                if mark is not None and mark.moved_by == key:
                    return
                if mark != before:
                    raise _moved(mark)
                await _write(
                    session, SyncMark(synced_until=until, moved_by=key, refused=tuple(refused))
                )
        except StoreRefused:
            # Two first syncs at once: the other one's mark came between the reading and this one.
            raise _moved(None) from None

    @mutation
    async def take_back(self, *, before: SyncMark | None, idempotency_key: str) -> None:
        """Put the mark back to where it was before the call with that key moved it.

        Doing it twice is harmless.

        Raises:
            ChangedSince: Another sync has moved the mark since; it stays where that left it.
        """
        async with self._store.begin() as session:
            mark = await _mark(session, locked=True)
            if mark == before:
                return
            if mark is None or mark.moved_by != idempotency_key:
                raise ChangedSince(
                    "the mark of the product sync was moved by another sync since: it stays at "
                    + (mark.synced_until.isoformat() if mark else "the beginning")
                )
            if before is None:
                await session.execute(delete(_state).where(_state.c.name == _NAME))
            else:
                await _write(session, before)


async def _mark(session: AsyncSession, *, locked: bool = False) -> SyncMark | None:
    statement = select(_state).where(_state.c.name == _NAME)
    if locked:
        # Postgres only: SQLite has one writer at a time anyway, and leaves it out.
        statement = statement.with_for_update()
    row = (await session.execute(statement)).mappings().one_or_none()
    if row is None or row["synced_until"] is None:
        return None
    return SyncMark(synced_until=row["synced_until"], **(row["metadata"] or {}))


async def _write(session: AsyncSession, mark: SyncMark) -> None:
    values: dict[str, Any] = {
        "synced_until": mark.synced_until,
        "metadata": mark.model_dump(mode="json", exclude={"synced_until"}),
        "updated_at": datetime.now(UTC),
    }
    there = _state.c.name == _NAME
    if (await session.execute(select(_state.c.name).where(there))).first():
        await session.execute(update(_state).where(there).values(values))
    else:
        await session.execute(insert(_state).values(name=_NAME, **values))


def _moved(mark: SyncMark | None) -> SyncMarkMoved:
    where = f", to {mark.synced_until.isoformat()}" if mark else ""
    return SyncMarkMoved(
        f"another sync has moved the mark of the product sync meanwhile{where}: it stays there, "
        "and the next sync sends what is left"
    )
