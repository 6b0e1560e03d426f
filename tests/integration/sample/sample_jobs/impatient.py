"""A job whose run may take a second, and whose calls may fail twice."""

from typing import Any

from sample_app import Item, TakeItems
from temporalio import workflow

from euryale import Container, Retry

config = {
    "name": "impatient",
    "schedule": "0 0 * * *",
    "timeout": 1,
    "retry": Retry(maximum_attempts=2, initial_interval=0.01),
}


async def handler(container: Container, data: dict[str, Any]) -> Any:
    if data.get("add"):
        return await container.resolve("item").add(Item(id="x"))
    return await workflow.execute_child_workflow(
        TakeItems.run, ["a", "wait"], id=f"{workflow.info().workflow_id}/take-items"
    )
