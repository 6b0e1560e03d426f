"""What is measured: each scenario is a function that drives one side."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.driven import DrivenSide, SideFailedError
from benchmarks.figures import Sample
from benchmarks.machine import cpu_seconds, descendants, forget_peaks, peak_megabytes
from benchmarks.products import Products

FIRST_COUNTS = {"calls": 20, "one by one": 10, "at once": 100, "batches": 2_000, "killed": 200}
"""How many items the first, unmeasured round of a scenario has."""

MOST_COUNTS = {"calls": 2_000, "one by one": 4_000, "at once": 5_000, "killed": 5_000}
"""How many a round has at the most: one run's history takes no more single calls, and what a run
computes between two waits has to take less than two seconds."""

WHOLE = ("sweep", "one slab an activity", "one page a step")
"""Ways in which a killed run may have all rows of the table."""

_LEAST_GROWTH, _MOST_GROWTH = 3, 20
_TRIES = 8
_POLL_SECONDS = 0.02
_SETTLE_SECONDS = 0.1
_SKIPPED_FIRINGS = 2
_names = itertools.count(1)


@dataclass(slots=True)
class Table:
    """The products' table, whose drafts are handed out in ranges until there are none left."""

    products: Products
    rows: int
    _next: int = 1

    def fresh(self) -> None:
        """Make all products drafts again."""
        self.products.create(self.rows)
        self._next = 1

    def drafts(self, count: int) -> int:
        """The number of the first of so many drafts that nobody else gets."""
        if self._next + count > self.rows + 1:
            self.fresh()
        first, self._next = self._next, self._next + count
        return first


@dataclass(frozen=True, slots=True)
class Place:
    """Where a side is measured.

    Attributes:
        table: The products.
        servers: The process ids of all servers.
        limit: How many seconds a measurement may take.
    """

    table: Table
    servers: Sequence[int]
    limit: float


async def measured(place: Place, side: DrivenSide, scenario: str, way: str, count: int) -> Sample:
    """Publish so many products, and check that each was published exactly once.

    Raises:
        SideFailedError: The side failed, or left something undone.
    """
    first = 0 if scenario == "calls" else place.table.drafts(count)
    workers = await side.workers()
    servers = [*place.servers, *side.servers]
    forget_peaks(workers)
    used = cpu_seconds(workers), cpu_seconds(servers)
    start = time.perf_counter()
    await side.ask(
        "publish", limit=place.limit, scenario=scenario, way=way, first=first, count=count
    )
    seconds = time.perf_counter() - start
    using = cpu_seconds(workers), cpu_seconds(servers)
    cpu = [
        None if one is None or two is None else two - one
        for one, two in zip(used, using, strict=True)
    ]
    if scenario != "calls":
        published, changes = place.table.products.counts(first, count)
        if (published, changes) != (count, count):
            raise SideFailedError(f"{published:,} of {count:,} published, by {changes:,} changes")
    return Sample(count, seconds, cpu[0], cpu[1], peak_megabytes(workers))


async def sized(place: Place, side: DrivenSide, scenario: str, way: str, aim: float) -> int:
    """How many items take a side about so many seconds; finding it warms the side up."""
    bound = place.table.rows if way in WHOLE else MOST_COUNTS.get(scenario, place.table.rows)
    most = min(bound, place.table.rows)
    count = min(FIRST_COUNTS[scenario], most)
    for _ in range(_TRIES):
        sample = await measured(place, side, scenario, way, count)
        if sample.seconds > aim / 2 or count == most:
            break
        # At least so many times more: a part of the time was the start of the run.
        growth = min(max(aim / sample.seconds, _LEAST_GROWTH), _MOST_GROWTH)
        count = min(most, int(count * growth))
    return count


async def fire_latencies(place: Place, side: DrivenSide, times: int) -> list[float]:
    """How late a job of every second begins, so many times."""
    async with _registered(place, side, [(f"tick-{next(_names)}", "* * * * * *")]):
        firings = await _firings(place, times + _SKIPPED_FIRINGS)
    return [at - due for due, at in firings[_SKIPPED_FIRINGS:]]


async def herd_latencies(place: Place, side: DrivenSide, jobs: int, lead: timedelta) -> list[float]:
    """How late so many jobs begin that are due on the same second, in a while."""
    due = (datetime.now(UTC) + lead).replace(microsecond=0)
    cron = f"{due.second} {due.minute} {due.hour} * * *"
    herd = next(_names)
    async with _registered(place, side, [(f"herd-{herd}-{each}", cron) for each in range(jobs)]):
        if datetime.now(UTC) > due:
            raise SideFailedError(f"{jobs} jobs weren't registered within {lead}")
        firings = await _firings(place, jobs)
    return [at - due.timestamp() for _, at in firings]


async def register_seconds(place: Place, side: DrivenSide, jobs: int) -> float:
    """How long it takes to register so many jobs that aren't due soon."""
    later = datetime.now(UTC) + timedelta(hours=6)
    batch = next(_names)
    listed = [(f"daily-{batch}-{each}", f"0 0 {later.hour} * * *") for each in range(jobs)]
    seconds: float = await side.ask("register", limit=place.limit, jobs=listed)
    await side.ask("forget", limit=place.limit)
    return seconds


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What came of a kill; see `figures.Killed`."""

    lost: int
    repeated: int
    resumed: float | None
    finished: float | None


async def killed(place: Place, side: DrivenSide, way: str, count: int) -> Aftermath:
    """Kill the worker when half of the products are published, start another, and wait."""
    first = place.table.drafts(count)
    products = place.table.products
    workers = descendants(await side.workers())
    publishing = asyncio.ensure_future(
        side.ask("publish", limit=place.limit, scenario="killed", way=way, first=first, count=count)
    )
    try:
        while products.counts(first, count)[1] < count / 2:
            if publishing.done():
                await publishing
                raise SideFailedError("it was done before it could be killed")
            await asyncio.sleep(_POLL_SECONDS)
        for one in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        killed_at = time.monotonic()
        starting = asyncio.ensure_future(side.ask("killed", limit=place.limit))
        # What a database server had in its hands is done without the worker.
        await asyncio.sleep(_SETTLE_SECONDS)
        before = products.counts(first, count)[1]
        if before == count:
            await starting
            raise SideFailedError(
                f"all {count:,} were changed before it was killed; take more rows"
            )
        resumed: float | None = None
        while resumed is None and time.monotonic() < killed_at + place.limit:
            await asyncio.sleep(_POLL_SECONDS)
            if products.counts(first, count)[1] > before:
                resumed = time.monotonic() - killed_at
            elif publishing.done():
                break
        await starting
        finished = None
        with contextlib.suppress(SideFailedError):
            await publishing
            finished = time.monotonic() - killed_at
        published, changes = products.counts(first, count)
        return Aftermath(count - published, changes - published, resumed, finished)
    finally:
        publishing.cancel()


@contextlib.asynccontextmanager
async def _registered(
    place: Place, side: DrivenSide, jobs: Sequence[tuple[str, str]]
) -> AsyncIterator[None]:
    place.table.products.forget_firings()
    await side.ask("register", limit=place.limit, jobs=jobs)
    try:
        yield
    finally:
        await side.ask("forget", limit=place.limit)


async def _firings(place: Place, count: int) -> list[tuple[float, float]]:
    """The first firings, so many."""
    end = time.monotonic() + place.limit
    while len(found := place.table.products.firings()) < count:
        if time.monotonic() > end:
            raise SideFailedError(f"{len(found)} of {count} firings within {place.limit:g} s")
        await asyncio.sleep(_POLL_SECONDS * 5)
    return found[:count]
