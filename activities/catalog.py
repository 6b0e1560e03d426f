"""Sending products to the catalog, and moving the mark up to which that was done."""

import asyncio
from datetime import timedelta

from pydantic import AwareDatetime, BaseModel
from temporalio import activity

from euryale import StepResponse, Unfinished, idempotency_key, read, step
from worker.catalog import CONNECTIONS, CatalogUnavailable
from worker.services import (
    CatalogService,
    ChangedProducts,
    Position,
    Product,
    Refusal,
    SyncMark,
    SyncService,
    SyncWindow,
)


class ChangedInput(BaseModel):
    """Which page of changed products to read."""

    window: SyncWindow
    after: Position | None


class Sent(BaseModel):
    """What became of the products of one step.

    Attributes:
        replaced: How many the catalog holds now as they are here.
        removed: How many it holds no more.
        refused: Those that it refused.
        left: The ids of those that are still to be sent, since it could take no more now.
        wait: How long it asked to wait with them.
    """

    replaced: int = 0
    removed: int = 0
    refused: list[Refusal] = []
    left: list[str] = []
    wait: timedelta = timedelta(0)


class MarkMove(BaseModel):
    """Where the mark was, where it is to be moved, and what to offer again next time."""

    before: SyncMark | None
    until: AwareDatetime
    refused: list[str]


class MovedMark(BaseModel):
    """What one step did to the mark, so that exactly that can be taken back."""

    before: SyncMark | None
    idempotency_key: str


def _perhaps_moved(unfinished: Unfinished[MarkMove]) -> MovedMark:
    return MovedMark(before=unfinished.input.before, idempotency_key=unfinished.idempotency_key)


class CatalogActivities:
    """Steps of the product sync; the worker gives each call the shop's services."""

    def __init__(self, sync: SyncService, catalog: CatalogService) -> None:
        self._sync = sync
        self._catalog = catalog

    @activity.defn(name="catalog.read-changed")
    @read
    async def changed(self, input: ChangedInput) -> ChangedProducts:  # noqa: A002 -- Temporal's name
        """Read a page of the products that were changed."""
        return await self._sync.changed(input.window, after=input.after)

    @activity.defn(name="catalog.preview-send")
    @read
    async def preview_send(self, product_ids: list[str]) -> Sent:
        """What `send` returns where the catalog takes everything."""
        return _sent(await self._sync.products(product_ids), [])

    @step(
        "catalog.send-products",
        compensation=None,
        preview=preview_send,
        timeout=timedelta(minutes=5),
        words="send {} products to the catalog",
    )
    async def send(self, product_ids: list[str]) -> StepResponse[Sent, None]:
        """Have the catalog hold the products as they are in the shop, deleted ones removed.

        An attempt that got something through returns what is left, instead of failing: repeated as
        a whole, a step could ask for more than the catalog takes in a minute, and never end. Only
        one that got nothing through fails, with the wait that the catalog asked for.

        There is no compensation. What was sent is what the shop holds, and a sync that fails later
        doesn't make it wrong; what the catalog held before, it alone knew. As the mark stays where
        it was, the next sync sends the same again.
        """
        products = await self._sync.products(product_ids)
        refusals: list[Refusal] = []
        for start in range(0, len(products), CONNECTIONS):
            answers = await asyncio.gather(
                *map(self._catalog.send, products[start : start + CONNECTIONS]),
                return_exceptions=True,
            )
            for position, answer in enumerate(answers, start):
                if isinstance(answer, CatalogUnavailable) and position > 0:
                    sent = _sent(products[:position], refusals)
                    sent.left = [product.id for product in products[position:]]
                    sent.wait = answer.next_retry_delay or timedelta(0)
                    return StepResponse(output=sent, undo=None)
                if isinstance(answer, BaseException):
                    raise answer
                if answer is not None:
                    refusals.append(answer)
        return StepResponse(output=_sent(products, refusals), undo=None)

    @activity.defn(name="catalog.restore-mark")
    async def restore_mark(self, moved: MovedMark) -> None:
        """Put the mark back to where it was, unless another sync has moved it since."""
        await self._sync.take_back(before=moved.before, idempotency_key=moved.idempotency_key)

    @step(
        "catalog.move-mark",
        compensation=restore_mark,
        unfinished=_perhaps_moved,
        timeout=timedelta(seconds=10),
        words="move the mark of the product sync",
    )
    async def move_mark(self, move: MarkMove) -> StepResponse[None, MovedMark]:
        """Say that every change made until a time has been sent."""
        await self._sync.move(before=move.before, until=move.until, refused=move.refused)
        return StepResponse(
            output=None, undo=MovedMark(before=move.before, idempotency_key=idempotency_key())
        )


def _sent(products: list[Product], refusals: list[Refusal]) -> Sent:
    """The tally of products that got through, with those of them that were refused."""
    refused = {refusal.product_id for refusal in refusals}
    taken = [product for product in products if product.id not in refused]
    removed = sum(product.deleted_at is not None for product in taken)
    return Sent(replaced=len(taken) - removed, removed=removed, refused=refusals)
