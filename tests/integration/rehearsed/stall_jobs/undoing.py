"""A job that takes back what it did when it fails."""

from rehearsed.stall import ItemService

from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="undoing", schedule="0 0 * * *", on_failure="undo")


async def handler(container: Container) -> None:
    items = container.resolve(ItemService)
    for item_id in await items.ids():
        await items.add(item_id)
    await items.touch("end")
