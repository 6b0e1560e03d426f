"""Bare temporalio: what somebody who knows Temporal would write, with its usual settings.

Activities are synchronous, in a pool of threads, as the SDK's guide has it for drivers that block.
"""

import asyncio
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version

from temporalio import activity, workflow
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleCalendarSpec,
    ScheduleRange,
    ScheduleSpec,
)
from temporalio.common import SearchAttributeKey
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from benchmarks.bare_calls import CALLS, Calls, Loop, update
    from benchmarks.first_line import first_line
    from benchmarks.products import Products
    from benchmarks.side import AT_ONCE, Side, arguments, main, until_input_ends

SLAB = 10_000
TIMEOUT = timedelta(seconds=2)  # so long a dead worker's activity stays unnoticed
HEARTBEAT = timedelta(seconds=2)
_DUE = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
_RPCS_AT_ONCE = 20


@dataclass
class Range:
    """The products from one number to another, both included."""

    first: int
    last: int


class Activities:
    """The activities, with the database that they need."""

    def __init__(self, products: Products) -> None:
        self._products = products

    @activity.defn
    def publish(self, number: int) -> None:
        """Publish one product."""
        self._products.publish(number)

    @activity.defn
    def publish_page(self, rest: Range) -> int:
        """Publish a page, and return its last number."""
        return self._products.publish_page(rest.first - 1, rest.last)

    @activity.defn
    def publish_slab(self, slab: Range) -> None:
        """Publish a slab page by page, going on where an earlier attempt was."""
        beats = activity.info().heartbeat_details
        cursor = beats[0] if beats else slab.first - 1
        while cursor < slab.last:
            cursor = self._products.publish_page(cursor, slab.last)
            activity.heartbeat(cursor)

    @activity.defn
    def fired(self, job: str, due: float, at: float) -> None:
        """Record a firing."""
        self._products.fired(job, due, at)


@workflow.defn(name="one by one")
class OneByOne:
    """The plain loop."""

    @workflow.run
    async def run(self, given: Range) -> None:
        """Publish one product after the other."""
        for number in range(given.first, given.last + 1):
            await workflow.execute_activity_method(
                Activities.publish, number, start_to_close_timeout=TIMEOUT
            )


@workflow.defn(name="at once")
class AtOnce:
    """Fifty at a time."""

    @workflow.run
    async def run(self, given: Range) -> None:
        """Publish with so many activities under way."""
        places = asyncio.Semaphore(AT_ONCE)

        async def publish(number: int) -> None:
            async with places:
                await workflow.execute_activity_method(
                    Activities.publish, number, start_to_close_timeout=TIMEOUT
                )

        await asyncio.gather(*(publish(one) for one in range(given.first, given.last + 1)))


@workflow.defn(name="one page an activity")
class Batches:
    """One activity a page."""

    @workflow.run
    async def run(self, given: Range) -> None:
        """Publish page by page."""
        cursor = given.first - 1
        while cursor < given.last:
            cursor = await workflow.execute_activity_method(
                Activities.publish_page,
                Range(cursor + 1, given.last),
                start_to_close_timeout=TIMEOUT,
            )


@workflow.defn(name="one slab an activity")
class Slabs:
    """One activity a slab, which beats with its cursor."""

    @workflow.run
    async def run(self, given: Range) -> None:
        """Publish slab by slab."""
        for first in range(given.first, given.last + 1, SLAB):
            await workflow.execute_activity_method(
                Activities.publish_slab,
                Range(first, min(first + SLAB - 1, given.last)),
                start_to_close_timeout=timedelta(minutes=5),
                heartbeat_timeout=HEARTBEAT,
            )


@workflow.defn(name="fired")
class Fired:
    """What a schedule starts: its first line takes the time."""

    @workflow.run
    async def run(self, job: str) -> None:
        """Record when the run was due and when it began."""
        at = first_line()
        due = workflow.info().typed_search_attributes.get(_DUE)
        assert due is not None  # noqa: S101 -- a schedule starts it
        await workflow.execute_activity_method(
            Activities.fired, args=[job, due.timestamp(), at], start_to_close_timeout=TIMEOUT
        )


class Bare(Side):
    """A client, and a worker of its own."""

    name = "bare temporalio"
    timed = True
    ways = {  # noqa: RUF012 -- see Side
        "calls": list(CALLS),
        "one by one": [""],
        "at once": [""],
        "batches": ["one page an activity", "one slab an activity"],
        "million": ["one slab an activity"],
        "killed": ["at once", "one slab an activity"],
    }

    async def start(self) -> None:
        """Connect, and start the worker."""
        self._client = await Client.connect(self.given.temporal)
        self._registered: list[str] = []
        await super().start()

    def versions(self) -> dict[str, str]:
        """The SDK's version."""
        return {"temporalio": version("temporalio")}

    async def publish(self, scenario: str, way: str, first: int, count: int) -> None:
        """Run the workflow of the way."""
        if scenario == "calls":
            await self._client.execute_workflow(
                Calls.run,
                Loop(count, CALLS[way]),
                id=f"bare/{uuid.uuid4()}",
                task_queue=self.given.queue,
            )
            return
        await self._client.execute_workflow(
            way or scenario,
            Range(first, first + count - 1),
            id=f"bare/{uuid.uuid4()}",
            task_queue=self.given.queue,
        )

    async def register(self, jobs: Sequence[tuple[str, str]]) -> float:
        """Create a schedule for each job, so many at once."""
        places = asyncio.Semaphore(_RPCS_AT_ONCE)

        async def create(name: str, cron: str) -> None:
            async with places:
                await self._client.create_schedule(
                    f"bare/{name}",
                    Schedule(
                        ScheduleActionStartWorkflow(
                            "fired", name, id=f"bare/{name}", task_queue=self.given.queue
                        ),
                        ScheduleSpec(calendars=[calendar(cron)]),
                    ),
                )

        start = time.perf_counter()
        await asyncio.gather(*(create(name, cron) for name, cron in jobs))
        self._registered += [name for name, _ in jobs]
        return time.perf_counter() - start

    async def forget(self) -> None:
        """Delete the schedules."""
        places = asyncio.Semaphore(_RPCS_AT_ONCE)

        async def delete(name: str) -> None:
            async with places:
                await self._client.get_schedule_handle(f"bare/{name}").delete()

        await asyncio.gather(*(delete(name) for name in self._registered))
        self._registered.clear()


def calendar(cron: str) -> ScheduleCalendarSpec:
    """The calendar of an expression whose fields are numbers or `*`."""
    second, minute, hour = (
        [ScheduleRange(0, most) if text == "*" else ScheduleRange(int(text))]
        for text, most in zip(cron.split(), (59, 59, 23), strict=False)
    )
    return ScheduleCalendarSpec(second=second, minute=minute, hour=hour)


async def work() -> None:
    """Serve as the worker until the input ends."""
    given = arguments()
    client = await Client.connect(given.temporal)
    activities = Activities(Products(given.products))
    with ThreadPoolExecutor(AT_ONCE) as threads:
        async with Worker(
            client,
            task_queue=given.queue,
            workflows=[OneByOne, AtOnce, Batches, Slabs, Fired, Calls],
            activities=[
                activities.publish,
                activities.publish_page,
                activities.publish_slab,
                activities.fired,
                update,
            ],
            activity_executor=threads,
            # Temporal's own default of three hands out so few that it holds up fifty at a time.
            max_eager_activity_reservations_per_workflow_task=100,
        ):
            await until_input_ends()


if __name__ == "__main__":
    if arguments().worker:
        asyncio.run(work())
    else:
        main(Bare)
