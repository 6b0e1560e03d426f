"""A workflow of somebody who has a Temporal worker already, and uses the engine's saga in it."""

from datetime import timedelta

from temporalio import activity, workflow

from euryale import Saga


@activity.defn
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> str:
        async with Saga():
            return await workflow.execute_activity(
                greet, name, start_to_close_timeout=timedelta(seconds=5)
            )
