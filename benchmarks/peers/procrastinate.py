"""procrastinate: a job for each product or page in Postgres's own tables, fetched by a worker.

What comes one after the other is a chain of jobs, each of which defers the next one together with
its own work's end. Jobs of a killed worker are looked for every second, as its guide has it.
"""

import asyncio
import importlib
import json
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from procrastinate import App, PsycopgConnector

from benchmarks.products import Products
from benchmarks.side import AT_ONCE, Side, arguments, main, until_input_ends

DATABASE, PRODUCTS = "BENCHMARK_DATABASE", "BENCHMARK_PRODUCTS"
STALLED_AFTER = 3  # seconds without a beat of its worker
_POLL_SECONDS = 0.01
_DEFERRED_AT_ONCE = 1_000

app = App(connector=PsycopgConnector(conninfo=os.environ.get(DATABASE, "")))
products = Products(os.environ.get(PRODUCTS, ""))


@app.task(name="publish")
async def publish(number: int) -> None:
    """Publish one product."""
    await asyncio.to_thread(products.publish, number)


@app.task(name="publish_next")
async def publish_next(number: int, last: int) -> None:
    """Publish one product, and defer the job of the next one."""
    await asyncio.to_thread(products.publish, number)
    if number < last:
        await publish_next.defer_async(number=number + 1, last=last)


@app.task(name="publish_pages")
async def publish_pages(after: int, last: int) -> None:
    """Publish a page, and defer the job of the next one."""
    cursor = await asyncio.to_thread(products.publish_page, after, last)
    if cursor < last:
        await publish_pages.defer_async(after=cursor, last=last)


@app.periodic(cron="* * * * * */1")
@app.task(name="retry_stalled", pass_context=True)
async def retry_stalled(context: Any, timestamp: int) -> None:  # noqa: ARG001 -- periodic tasks get it
    """Give the jobs of dead workers to others."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER):
        await manager.retry_job(job)


def schedule(jobs: Sequence[tuple[str, str]]) -> None:
    """Make a periodic task of each job; here the second is the last of six fields."""
    for name, cron in jobs:
        second, rest = cron.split(" ", 1)

        async def fired(timestamp: int, name: str = name) -> None:
            at = time.time()
            await asyncio.to_thread(products.fired, name, timestamp, at)

        app.periodic(cron=f"{rest} {second}", periodic_id=name)(app.task(fired, name=name))


class Procrastinate(Side):
    """Defers jobs, and waits until there are none left."""

    name = "procrastinate"
    stores = ("postgres",)
    timed = True
    ways = {  # noqa: RUF012 -- see Side
        "one by one": [""],
        "at once": [""],
        "batches": [""],
        "million": [""],
        "killed": ["at once"],
    }

    def versions(self) -> dict[str, str]:
        """The version of the package."""
        return {"procrastinate": version("procrastinate")}

    async def start(self) -> None:
        """Make a database for the jobs, and start the worker."""
        name = _name(self.given.queue)
        with psycopg.connect(self.given.postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        await app.open_async()
        await app.schema_manager.apply_schema_async()
        await super().start()

    async def stop(self) -> None:
        """End the worker, and close the connections."""
        await super().stop()
        await app.close_async()

    async def publish(self, scenario: str, way: str, first: int, count: int) -> None:
        """Defer the first job or all of them."""
        last = first + count - 1
        match way or scenario:
            case "one by one":
                await publish_next.defer_async(number=first, last=last)
            case "at once":
                for start in range(first, last + 1, _DEFERRED_AT_ONCE):
                    numbers = range(start, min(start + _DEFERRED_AT_ONCE, last + 1))
                    listed = [{"number": number} for number in numbers]
                    await publish.batch_defer_async(*listed)
            case _:
                await publish_pages.defer_async(after=first - 1, last=last)
        await asyncio.to_thread(_until_none_is_left)

    async def register(self, jobs: Sequence[tuple[str, str]]) -> float:
        """Start a worker with the periodic tasks, which are a part of the code."""
        listed = _written(self.folder, jobs)
        await self.stop_workers()
        start = time.perf_counter()
        await self.start_worker(jobs=listed)
        return time.perf_counter() - start

    async def forget(self) -> None:
        """Go on with a worker without them."""
        await self.stop_workers()
        await self.start_worker()


def _written(folder: Path, jobs: Sequence[tuple[str, str]]) -> str:
    listed = folder / "jobs.json"
    listed.write_text(json.dumps(jobs), encoding="utf-8")
    return str(listed)


def _name(queue: str) -> str:
    return queue.replace("-", "_").lower()


def _until_none_is_left() -> None:
    with psycopg.connect(os.environ[DATABASE], autocommit=True) as connection:
        while connection.execute(
            "SELECT 1 FROM procrastinate_jobs WHERE task_name LIKE 'publish%'"
            " AND status IN ('todo', 'doing') LIMIT 1"
        ).fetchone():
            time.sleep(_POLL_SECONDS)


def _listed(file: str) -> Sequence[tuple[str, str]]:
    return [(name, cron) for name, cron in json.loads(Path(file).read_text(encoding="utf-8"))]


async def work() -> None:
    """Serve as the worker until the input ends."""
    given = arguments()
    if given.jobs:
        schedule(_listed(given.jobs))
    async with app.open_async():
        running = asyncio.ensure_future(
            app.run_worker_async(
                concurrency=AT_ONCE,
                install_signal_handlers=False,
                update_heartbeat_interval=1,
                stalled_worker_timeout=STALLED_AFTER,
                delete_jobs="always",
            )
        )
        ending = asyncio.ensure_future(until_input_ends())
        await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        await asyncio.wait({running})


if __name__ == "__main__":
    given = arguments()
    os.environ[DATABASE] = given.postgres.replace("/postgres?", f"/{_name(given.queue)}?")
    os.environ[PRODUCTS] = given.products
    # The tasks are those of the importable module, which finds its database in the environment.
    module = importlib.import_module("benchmarks.peers.procrastinate")
    if given.worker:
        asyncio.run(module.work())
    else:
        main(module.Procrastinate)
