"""Euryale: the benchmark's application of `benchmarks.shop`, with the jobs of `benchmarks/jobs`."""

import asyncio
import contextlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import euryale.worker
from benchmarks.bare_calls import CALLS
from benchmarks.shop import PRODUCTS_URL, app
from benchmarks.side import Side, arguments, main, until_input_ends
from benchmarks.sweeps import open_engine
from euryale import Euryale as Application
from euryale import EuryalePlugin
from euryale.jobs.job import JobSource
from euryale.schedules.apply import Wish, apply
from euryale.schedules.release import Release
from euryale.server.connection import connect
from euryale.sweeps.sql import metadata
from euryale.worker import make_worker

TUNING = "EURYALE_BENCHMARK_TUNING"
FIRED = "fired"
JOB = """
from benchmarks.first_line import first_line
import euryale.worker
from benchmarks.bare_calls import CALLS
from benchmarks.shop import ProductService
from euryale import Container, ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", schedule="{cron}")


async def handler(container: Container, scheduled_for) -> None:
    at = first_line()
    await container.resolve(ProductService).fired("{name}", scheduled_for.timestamp(), at)
"""

JOBS = {
    "loop": "one-by-one",
    "loop, idempotent": "idempotent-loop",
    "gather": "gather",
    "each, bulk method": "each-in-bulk",
    "a method for a page": "pages",
    "sweep": "sweep",
    "sweep with undo": "sweep-undoable",
}
"""The job of each way."""


class Euryale(Side):
    """A client, and the engine's own worker."""

    name = "Euryale"
    timed = True
    ways: Mapping[str, Sequence[str]] = {  # type: ignore[misc]
        "calls": list(CALLS),
        "one by one": ["loop", "loop, idempotent"],
        "at once": ["gather", "each, bulk method"],
        "batches": ["a method for a page", "sweep", "sweep with undo"],
        "million": ["sweep", "sweep with undo"],
        "killed": ["loop", "loop, idempotent", "gather", "sweep"],
    }

    async def start(self) -> None:
        """Connect, and start the worker."""
        os.environ[PRODUCTS_URL] = self.given.products
        await asyncio.to_thread(_make_tables, self.given.products)
        self._client = await connect(address=self.given.temporal)
        await super().start()

    def versions(self) -> dict[str, str]:
        """The engine's version."""
        return {"Euryale": version("euryale")}

    async def publish(self, scenario: str, way: str, first: int, count: int) -> None:
        """Run the job of the way."""
        calls = scenario == "calls"
        await self._client.execute_workflow(
            "calls" if calls else JOBS[way],
            {"calls": count, "at_once": CALLS[way]}
            if calls
            else {"first": first, "last": first + count - 1},
            id=f"{app.name}/{uuid.uuid4()}",
            task_queue=self.given.queue,
        )

    async def register(self, jobs: Sequence[tuple[str, str]]) -> float:
        """Write the job files, start a worker for them, and apply their schedules."""
        folder = self.folder / f"{FIRED}_{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        for name, cron in jobs:
            text = JOB.format(name=name, cron=cron)
            (folder / f"{name.replace('-', '_')}.py").write_text(text, encoding="utf-8")
        await self.start_worker(jobs=str(folder))
        start = time.perf_counter()
        await self._apply(folder)
        return time.perf_counter() - start

    async def forget(self) -> None:
        """Remove the schedules, by an apply of an application without jobs."""
        nothing = Wish(FIRED, [], _release(), prune=True)
        await apply(self._client, nothing)
        for folder in self.folder.glob(f"{FIRED}_*"):
            shutil.rmtree(folder)
        await self.stop_workers()
        await self.start_worker()

    async def _apply(self, folder: Path) -> None:
        fired = application(self.given.queue, str(folder))
        registry = fired.load(folder.parent)
        for error in registry.errors:
            raise error
        schedules = fired.schedules(registry)
        report = await apply(self._client, Wish(fired.name, schedules, _release(), prune=True))
        for failed in report.of("failed"):
            raise RuntimeError(failed.error)


def _make_tables(url: str) -> None:
    engine = open_engine(url)
    metadata.create_all(engine)
    engine.dispose()


def _release() -> Release:
    """Each apply is of a release of its own: one that was superseded can't come back."""
    return Release(uuid.uuid4().hex)


def application(queue: str, jobs: str) -> Application:
    """The benchmark's application, or the one of the jobs that were registered."""
    if not jobs:
        return replace(app, task_queue=queue)
    return replace(app, name=FIRED, task_queue=f"{queue}-{FIRED}", jobs=[JobSource(Path(jobs))])


@contextlib.contextmanager
def tuned(overrides: str) -> Iterator[None]:
    """Other settings of the worker, as JSON; times are seconds."""
    kept = euryale.worker.TUNING
    euryale.worker.TUNING = {
        **kept,
        **{
            name: timedelta(seconds=value) if name.endswith(("_timeout", "_interval")) else value
            for name, value in json.loads(overrides).items()
        },
    }
    try:
        yield
    finally:
        euryale.worker.TUNING = kept


async def work() -> None:
    """Serve as the worker until the input ends."""
    given = arguments()
    os.environ[PRODUCTS_URL] = given.products
    client = await connect(address=given.temporal)
    root = Path(given.jobs).parent if given.jobs else Path(__file__).parents[1]
    plugin = EuryalePlugin(application(given.queue, given.jobs), root=root, apply_schedules=False)
    for error in plugin.registry.errors:
        raise error
    with tuned(os.environ.get(TUNING, "{}")):
        worker = make_worker(client, plugin)
    async with worker:
        await until_input_ends()


if __name__ == "__main__":
    if arguments().worker:
        asyncio.run(work())
    else:
        main(Euryale)
