"""A market stall whose journal tells of each change that really happened."""

from pydantic import BaseModel
from temporalio import activity

from euryale import StepResponse, mutation, read, step


class Journal(list[str]):
    """What really happened."""


class Item(BaseModel):
    id: str
    size: int = 0


class ItemService:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @read
    async def ids(self, limit: int = 3) -> list[str]:
        return [f"item_{number}" for number in range(limit)]

    @read
    async def find(self, item_id: str) -> Item:
        if item_id == "none":
            raise LookupError("no item")
        return Item(id=item_id, size=len(item_id))

    @mutation(undo="remove")
    async def add(self, item_id: str) -> Item:
        self._journal.append("add")
        return Item(id=item_id)

    @mutation
    async def remove(self, item_id: str) -> None:
        self._journal.append("remove")

    @mutation(preview="preview_pack", words="pack {} boxes")
    async def pack(self, item_id: str, *, padding: int = 0) -> Item:
        self._journal.append("pack")
        return Item(id=item_id)

    @read
    async def preview_pack(self, item_id: str, *, padding: int = 0) -> Item:
        return Item(id=item_id, size=7 + padding)

    async def touch(self, item_id: str) -> str:
        self._journal.append("touch")
        return item_id

    @mutation
    async def delete_all(self, item_ids: list[str], *, reason: str = "old") -> int:
        self._journal.append("delete")
        return len(item_ids)


class Steps:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @activity.defn(name="crate.put-back")
    async def put_back(self, crate: str) -> None:
        self._journal.append("put back")

    @step("crate.take", compensation=put_back)
    async def take(self, crate: str) -> StepResponse[Item, str]:
        self._journal.append("take")
        return StepResponse(output=Item(id=crate), undo=crate)

    @activity.defn(name="crate.preview-open")
    async def preview_open(self, crate: str) -> Item:
        return Item(id=crate, size=5)

    @step("crate.open", compensation=put_back, preview=preview_open, words="open {} crates")
    async def open(self, crate: str) -> StepResponse[Item, str]:
        self._journal.append("open")
        return StepResponse(output=Item(id=crate), undo=crate)

    @step("crate.burn", compensation=None)
    async def burn(self, crate: str) -> StepResponse[None, None]:
        self._journal.append("burn")
        return StepResponse(output=None, undo=None)

    @activity.defn(name="crate.weigh")
    async def weigh(self, crate: str) -> int:
        self._journal.append("weigh")
        return 1

    @read
    @activity.defn(name="crate.look")
    async def look(self, crate: str) -> int:
        return 42


journal = Journal()
