"""A job whose data are of a type."""

from pydantic import BaseModel
from rehearsed.stall import ItemService

from euryale import Container, ScheduledJobConfig


class Limits(BaseModel):
    limit: int


config = ScheduledJobConfig(name="limited", schedule="0 0 * * *", data={"limit": 2})


async def handler(container: Container, data: Limits) -> None:
    items = container.resolve(ItemService)
    for item_id in await items.ids(limit=data.limit):
        await items.remove(item_id)
