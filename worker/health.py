"""`python -m worker.health` asks whether the worker of this machine or container works.

It does if it has asked Temporal for work lately and the shop's database answers. A container's
health check runs it.
"""

import asyncio
import socket
import sys
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from euryale.errors import EuryaleError
from euryale.server.connection import connect, translate
from euryale.services.service_container import ServiceContainer
from worker.app import app

POLLED_WITHIN = timedelta(seconds=75)
"""A worker asks for work at least once a minute, the length of its long poll."""


async def problems() -> list[str]:
    """What keeps the worker from working, in sentences; none if it works."""
    found = []
    try:
        if not await _polls(await connect()):
            found.append(f"no worker on {socket.gethostname()} asks for work on '{app.queue}'")
    except (EuryaleError, RPCError) as error:
        found.append(translate(error).what)
    async with ServiceContainer(app.parts.services, app.parts.providers) as services:
        answers = await services.check_health()
    return found + [f"{answer.name}: {answer.error}" for answer in answers if not answer.ok]


async def _polls(client: Client) -> bool:
    described = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=app.queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    since = datetime.now(UTC) - POLLED_WITHIN
    # The SDK names a worker `<process>@<host>`.
    return any(
        poller.identity.endswith(f"@{socket.gethostname()}")
        and poller.last_access_time.ToDatetime(tzinfo=UTC) >= since
        for poller in described.pollers
    )


def main() -> int:
    """Say what is wrong; 0 if nothing is, else 1."""
    found = asyncio.run(problems())
    sys.stdout.write("".join(f"{problem}.\n" for problem in found) or "The worker works.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
