"""DBOS: workflows that keep their steps' results in a database, in the application's own process.

Its system database is of the same kind as the products' database.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID

from benchmarks.products import Products
from benchmarks.side import AT_ONCE, READY, Side, arguments, main

QUEUE = "fired"
_POLL_SECONDS = 0.05  # DBOS's own is a second, by which every firing would be late

products: Products


@DBOS.step()
def publish(number: int) -> None:
    """Publish one product."""
    products.publish(number)


@DBOS.step()
async def publish_in_thread(number: int) -> None:
    """Publish one product beside others."""
    await asyncio.to_thread(products.publish, number)


@DBOS.step()
def publish_page(after: int, until: int) -> int:
    """Publish a page, and return its last number."""
    return products.publish_page(after, until)


@DBOS.workflow()
def one_by_one(first: int, last: int) -> None:
    """The plain loop."""
    for number in range(first, last + 1):
        publish(number)


@DBOS.workflow()
async def at_once(first: int, last: int) -> None:
    """Fifty steps at a time."""
    for start in range(first, last + 1, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, last + 1))
        await asyncio.gather(*(publish_in_thread(number) for number in numbers))


@DBOS.workflow()
def pages(first: int, last: int) -> None:
    """One step a page."""
    cursor = first - 1
    while cursor < last:
        cursor = publish_page(cursor, last)


@DBOS.workflow()
def fired(due: datetime, job: Any) -> None:
    """What a schedule starts."""
    products.fired(job, due.timestamp(), time.time())


WORKFLOWS: dict[str, Callable[..., Any]] = {
    "one by one": one_by_one,
    "at once": at_once,
    "batches": pages,
    "million": pages,
    "killed": at_once,
    "one page a step": pages,
}


class Dbos(Side):
    """Drives the worker, which starts the workflows itself, by lines of JSON."""

    name = "DBOS"
    timed = True
    ways = {  # noqa: RUF012 -- see Side
        "one by one": [""],
        "at once": [""],
        "batches": [""],
        "million": [""],
        "killed": ["at once", "one page a step"],
    }

    def versions(self) -> dict[str, str]:
        """DBOS's version."""
        return {"DBOS": version("dbos")}

    async def publish(self, scenario: str, way: str, first: int, count: int) -> None:
        """Let the worker run the workflow, and again the one that takes its place."""
        asked = {
            "do": "run",
            "id": uuid.uuid4().hex,
            "workflow": way or scenario,
            "arguments": [first, first + count - 1],
        }
        while not await self._ask(asked):
            await asyncio.sleep(_POLL_SECONDS)
            await self.ready.wait()

    async def register(self, jobs: Sequence[tuple[str, str]]) -> float:
        """Create the schedules in one transaction."""
        seconds = await self._ask({"do": "register", "jobs": jobs})
        return float(seconds["seconds"])

    async def forget(self) -> None:
        """Delete the schedules."""
        await self._ask({"do": "forget"})

    async def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """What the worker answers; nothing if it was killed meanwhile."""
        worker = self.workers[0]
        if worker.stdin is None or worker.stdout is None:
            raise RuntimeError("the worker was started without pipes")
        try:
            worker.stdin.write(json.dumps(asked).encode() + b"\n")
            await worker.stdin.drain()
        except ConnectionError:
            return {}
        line = await worker.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


def work() -> None:
    """Serve as the worker until the input ends."""
    global products  # noqa: PLW0603 -- steps are functions of a module
    given = arguments()
    products = Products(given.products)
    answers = sys.stdout
    sys.stdout = sys.stderr
    name = given.queue.replace("-", "_").lower()
    config: DBOSConfig = {
        "name": name,
        "system_database_url": f"sqlite:///{given.folder}/{name}.sqlite"
        if products.is_sqlite
        else given.postgres.replace("postgresql:", "postgresql+psycopg:").replace(
            "/postgres?", f"/{name}?"
        ),
        "log_level": "WARNING",
        "application_version": "1",
        "scheduler_polling_interval_sec": 0.5,
    }
    DBOS(config=config)
    DBOS.launch()
    DBOS.register_queue(QUEUE, polling_interval_sec=_POLL_SECONDS)
    print(READY, file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = _carry_out(asked)
        except Exception as error:  # noqa: BLE001 -- the side reports it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
    DBOS.destroy()


def _carry_out(asked: dict[str, Any]) -> dict[str, Any]:
    match asked["do"]:
        case "run":
            with SetWorkflowID(asked["id"]):
                workflow = WORKFLOWS[asked["workflow"]]
                # A workflow of that id is not started again, but waited for.
                handle = DBOS.start_workflow(workflow, *asked["arguments"])
            handle.get_result(polling_interval_sec=_POLL_SECONDS)
            return {"done": True}
        case "register":
            start = time.perf_counter()
            DBOS.apply_schedules(
                [
                    {
                        "schedule_name": name,
                        "workflow_fn": fired,
                        "schedule": cron,
                        "context": name,
                        "queue_name": QUEUE,
                    }
                    for name, cron in asked["jobs"]
                ]
            )
            return {"seconds": time.perf_counter() - start}
        case _:
            for schedule in DBOS.list_schedules():
                DBOS.delete_schedule(schedule["schedule_name"])
            return {"done": True}


if __name__ == "__main__":
    if arguments().worker:
        work()
    else:
        main(Dbos)
