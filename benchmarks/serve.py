"""One side's worker, in a process of its own: `python -m benchmarks.serve (euryale|bare) ADDRESS`.

It answers each line of its input with the CPU seconds that it has used, user and system, and ends
with its input.
"""

import asyncio
import sys
import time
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from benchmarks.bare import Calls, update
from benchmarks.shop import app
from euryale import EuryalePlugin
from euryale.worker import EAGER_ACTIVITIES, GRACE, make_worker


def worker_of(side: str, client: Client) -> Worker:
    """The worker of a side, on a task queue of the side's name."""
    if side == "euryale":
        plugin = EuryalePlugin(app, root=Path(__file__).parent, apply_schedules=False)
        for error in plugin.registry.errors:
            raise error
        return make_worker(client, plugin)
    return Worker(
        client,
        task_queue=side,
        workflows=[Calls],
        activities=[update],
        graceful_shutdown_timeout=GRACE,
        max_eager_activity_reservations_per_workflow_task=EAGER_ACTIVITIES,
    )


async def main(side: str, address: str) -> None:
    """Serve until the input ends."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    async with worker_of(side, client):
        while await asyncio.to_thread(sys.stdin.readline):
            print(time.process_time(), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
