"""The workflow that sends changed products to the catalog, and then moves the mark."""

from datetime import timedelta

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.catalog import CatalogActivities, ChangedInput, MarkMove, Sent
from euryale import Retry, Saga
from worker.services import Position, Refusal, SyncWindow

_BATCH = 100
"""Products in one step: a few seconds' work for the catalog."""

_MOST_REFUSED = 1_000
"""Products that may be refused. With more it is the catalog that is wrong, and not the products."""


class SyncProgress(BaseModel):
    """How far a sync has come.

    Attributes:
        replaced: How many products the catalog holds now as they are here.
        removed: How many it holds no more.
        refused: Why it refused a product, by the product's id.
        waiting: The ids of products that have been found, and not sent yet.
        after: Where the next page of changed products begins; None for the first page.
        found_all: Whether there is no other page.
    """

    replaced: int = 0
    removed: int = 0
    refused: dict[str, str] = {}
    waiting: list[str] = []
    after: Position | None = None
    found_all: bool = False


class SyncProductsInput(BaseModel):
    """What to sync.

    Attributes:
        window: Which changes to look at.
        progress: What an earlier run of this workflow has done of it; None for the first one.
    """

    window: SyncWindow
    progress: SyncProgress | None = None


class SyncProductsResult(BaseModel):
    """What became of the changed products.

    Attributes:
        replaced: How many the catalog holds now as they are here.
        removed: How many it holds no more.
        refused: Those that it refused, at most a thousand; they are offered again by each sync.
    """

    replaced: int
    removed: int
    refused: list[Refusal]


@workflow.defn(name="sync-products")
class SyncProducts:
    """Sends every product that was changed in a window, and moves the mark when all is through.

    However many there are, the history stays small: when Temporal suggests it, a new run goes on
    where this one is. Nothing that could be taken back is lost by that, since only the last step,
    which moves the mark, has a compensation.
    """

    @workflow.run
    async def run(self, input: SyncProductsInput) -> SyncProductsResult:  # noqa: A002 -- Temporal's name
        """Send the products."""
        window = input.window
        # Those refused last time first: what was wrong may have been mended in the catalog.
        progress = input.progress or SyncProgress(
            waiting=list(window.mark.refused) if window.mark else []
        )
        async with Saga() as saga:
            while progress.waiting or not progress.found_all:
                if workflow.info().is_continue_as_new_suggested():
                    workflow.continue_as_new(SyncProductsInput(window=window, progress=progress))
                if progress.waiting:
                    await _send(saga, progress)
                else:
                    await _find(window, progress)
            await saga.step(
                CatalogActivities.move_mark,
                MarkMove(before=window.mark, until=window.until, refused=list(progress.refused)),
                summary=f"to {window.until.isoformat()}",
            )
        refused = progress.refused.items()
        return SyncProductsResult(
            replaced=progress.replaced,
            removed=progress.removed,
            refused=[Refusal(product_id=each, reason=reason) for each, reason in refused],
        )


async def _find(window: SyncWindow, progress: SyncProgress) -> None:
    """Read the next page of changed products."""
    page = await workflow.execute_activity_method(
        CatalogActivities.changed,
        ChangedInput(window=window, after=progress.after),
        start_to_close_timeout=timedelta(seconds=30),
        retry_policy=Retry().policy(),
    )
    progress.waiting = page.product_ids
    progress.after = page.next
    progress.found_all = page.next is None


async def _send(saga: Saga, progress: SyncProgress) -> None:
    """Send the next batch, and wait as long as the catalog asks where it takes no more now."""
    batch = progress.waiting[:_BATCH]
    sent: Sent = await saga.step(
        CatalogActivities.send, batch, summary=f"{len(batch)} products from {batch[0]}"
    )
    progress.waiting = sent.left + progress.waiting[_BATCH:]
    progress.replaced += sent.replaced
    progress.removed += sent.removed
    progress.refused |= {each.product_id: each.reason for each in sent.refused}
    if len(progress.refused) > _MOST_REFUSED:
        raise ApplicationError(
            f"the catalog refused more than {_MOST_REFUSED:,} products, the last one for: "
            f"{sent.refused[-1].reason}; the mark stays where it is",
            type="CatalogRefused",
            non_retryable=True,
        )
    if sent.wait:
        await workflow.sleep(sent.wait)
