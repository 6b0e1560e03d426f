"""Recalculating what products have sold, as a sweep that can be taken back."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, TypeAdapter
from temporalio import activity

from euryale import read, sweep_query, sweep_step
from euryale.sweeps.sql import Batch, Rows, UndoingRows
from worker.services.rows import table_of
from worker.services.sales import count_changed, products_with_sales, recalculate, restore
from worker.store import Store
from worker.store.tables import ProductRow

_product = table_of(ProductRow)
_time: TypeAdapter[datetime] = TypeAdapter(datetime)


class Recalculation(BaseModel):
    """One recalculation.

    Attributes:
        mark: Its own time, by which the rows that it made and replaced are known.
    """

    model_config = ConfigDict(frozen=True)

    mark: AwareDatetime


class SalesActivities:
    """Which products there are to recalculate, how it is done, and what came of it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @sweep_query("sales.products")
    def products(self) -> Rows:
        """The products that were ordered, or have sales in the table."""
        return Rows(self._store, products_with_sales(), key=_product.c.id)

    async def restore(self, batch: UndoingRows) -> None:
        """Bring back the rows that were replaced, where nobody has changed them since."""
        mark = _time.validate_python(batch.kept[0].undo)  # that of the sweep: all have the same
        products = [str(key) for kept in batch.kept for key in kept.key]
        for product in await batch.run(lambda one: restore(one, products, mark)):
            batch.changed_since((product,))

    @sweep_step("sales.recalculate", undo=restore, words="recalculate the sales of {} products")
    async def recalculate(self, batch: Batch, given: Recalculation) -> None:
        """Bring the sales of some products up to date with the orders."""
        products = [row.id for row in await batch.rows()]
        changed = await batch.run(lambda one: recalculate(one, products, given.mark))
        for product in sorted(changed):
            batch.keep(product, undo=given.mark)

    @activity.defn(name="sales.count-changed")
    @read
    async def count_changed(self, done: Recalculation) -> int:
        """How many rows a recalculation made, replaced or removed."""
        async with self._store.session() as session:
            return await session.run_sync(lambda one: count_changed(one.connection(), done.mark))
