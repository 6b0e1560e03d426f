"""What publishing products costs through Euryale, bare temporalio, plain SQL and other engines.

`make bench` compares Euryale with bare temporalio and plain SQL, `make bench-peers` with other
engines too, each in an environment of its own, which the command makes. All sides work on the same
table with the same statements, in rounds that take turns. The page on standard output is Markdown;
`--into docs/benchmarks.md` puts the figures into that page and a plot beside it.
"""

import argparse
import asyncio
import contextlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

from benchmarks.driven import DrivenSide, Launch, SideFailedError
from benchmarks.environments import interpreter, peers
from benchmarks.figures import Failed, Figure, Fired, Killed, Published, Registered, Sample, Subject
from benchmarks.machine import machine
from benchmarks.page import Conditions, into, page
from benchmarks.plot import plot
from benchmarks.postgres import postgres
from benchmarks.products import Products
from benchmarks.scenarios import (
    Place,
    Table,
    fire_latencies,
    herd_latencies,
    killed,
    measured,
    register_seconds,
    sized,
)
from euryale.server.server import DevServer
from euryale.server.server_address import free_port, join_address

HOST = "127.0.0.1"
FIRST_PORT = 17233
OURS = ("plain", "bare", "euryale")
STORES = ("sqlite", "postgres")
SCENARIOS = (
    "calls",
    "one by one",
    "at once",
    "batches",
    "million",
    "fire",
    "herd",
    "register",
    "killed",
)
PUBLISHING = ("calls", "one by one", "at once", "batches")
_START_SECONDS = 60.0
_KILLED_SECONDS = 2.0
_REASON_LENGTH = 300

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes:
        items: The rows of the table, all of which the scenario `million` publishes.
        rounds: How often each measurement is made.
        seconds: How long one should take; how many items that are is found by trying.
        firings: How many firings the scenario `fire` has.
        herd: How many jobs are due at once.
        lead: How long after their registration begins.
        jobs: How many jobs are registered.
        limit: How many seconds a measurement may take before it counts as failed.
    """

    items: int = 1_000_000
    rounds: int = 3
    seconds: float = 1.5
    firings: int = 15
    herd: int = 200
    lead: timedelta = timedelta(seconds=20)
    jobs: int = 1_000
    limit: float = 130  # Celery gives a killed worker's tasks to another after up to 100 s


QUICK = Sizes(
    items=100_000,
    rounds=1,
    seconds=0.8,
    firings=5,
    herd=50,
    lead=timedelta(seconds=10),
    jobs=100,
    limit=40,
)


@dataclass(slots=True)
class Bench:
    """One run of the benchmark, and what it has found.

    Attributes:
        sizes: How much is measured.
        only: The scenarios.
        figures: What was found.
        versions: The versions of what was measured.
    """

    sizes: Sizes
    only: Sequence[str]
    figures: list[Figure] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    async def measure(self, place: Place, store: str, sides: Sequence[DrivenSide]) -> None:
        """Measure all sides that are started, on one database."""
        for scenario in PUBLISHING:
            # Calls touch no database.
            if scenario in self.only and (scenario != "calls" or store == STORES[0]):
                await self._rounds(place, store, scenario, sides)
        if "million" in self.only:
            await self._million(place, store, sides)
        if store == STORES[-1]:  # which every side can work on
            for side in sides:
                if side.timed:
                    await self._timed(place, store, side)
        if "killed" in self.only:
            await self._killed(place, store, sides)

    async def _rounds(
        self, place: Place, store: str, scenario: str, sides: Sequence[DrivenSide]
    ) -> None:
        counts: dict[tuple[DrivenSide, Subject], int] = {}
        samples: dict[Subject, list[Sample]] = defaultdict(list)
        for side, subject in _ways(sides, scenario, store):
            sizing = sized(place, side, scenario, subject.way, self.sizes.seconds)
            count = await self._tried(side, subject, sizing)
            if count is not None:
                counts[side, subject] = count
        if scenario == "calls" and counts:
            # What is compared is a call, so every side makes as many.
            counts = dict.fromkeys(counts, min(counts.values()))
        for number in range(self.sizes.rounds):
            # In turns, so that what changes on the machine meanwhile meets all of them.
            order = list(counts.items())
            for (side, subject), count in order if number % 2 == 0 else order[::-1]:
                measuring = measured(place, side, scenario, subject.way, count)
                sample = await self._tried(side, subject, measuring)
                if sample is not None:
                    samples[subject].append(sample)
                    tell(f"{store}, {scenario}: {subject.label} {sample.rate:,.0f}/s")
        self.figures += [Published(subject, each) for subject, each in samples.items()]

    async def _million(self, place: Place, store: str, sides: Sequence[DrivenSide]) -> None:
        for side, subject in _ways(sides, "million", store):
            place.table.fresh()
            measuring = measured(place, side, "million", subject.way, place.table.rows)
            sample = await self._tried(side, subject, measuring)
            if sample is not None:
                tell(f"{store}, {place.table.rows:,} rows: {subject.label} {sample.rate:,.0f}/s")
                self.figures.append(Published(subject, [sample]))
        place.table.fresh()

    async def _timed(self, place: Place, store: str, side: DrivenSide) -> None:
        sizes = self.sizes
        for scenario in ("fire", "herd"):
            if scenario in self.only:
                subject = Subject(scenario, store, side.name)
                firing = (
                    fire_latencies(place, side, sizes.firings)
                    if scenario == "fire"
                    else herd_latencies(place, side, sizes.herd, sizes.lead)
                )
                late = await self._tried(side, subject, firing)
                if late is not None:
                    fired = Fired(subject, late)
                    middle, most = 1e3 * fired.percentile(50), 1e3 * fired.percentile(99)
                    tell(f"{scenario}: {side.name} p50 {middle:,.0f} ms, p99 {most:,.0f} ms")
                    self.figures.append(fired)
        if "register" in self.only:
            subject = Subject("register", store, side.name)
            seconds = await self._tried(side, subject, register_seconds(place, side, sizes.jobs))
            if seconds is not None:
                tell(f"register: {side.name} {sizes.jobs:,} in {seconds:.1f} s")
                self.figures.append(Registered(subject, sizes.jobs, seconds))

    async def _killed(self, place: Place, store: str, sides: Sequence[DrivenSide]) -> None:
        # Long enough to be met in the middle.
        aim = max(_KILLED_SECONDS, 2 * self.sizes.seconds)
        for side, subject in _ways(sides, "killed", store):
            count = await self._tried(side, subject, sized(place, side, "killed", subject.way, aim))
            if count is None:
                continue
            end = await self._tried(side, subject, killed(place, side, subject.way, count))
            if end is None:
                continue
            self.figures.append(Killed(subject, count, **asdict(end)))
            when = "never" if end.resumed is None else f"after {end.resumed:.1f} s"
            tell(
                f"{store}, killed: {subject.label} lost {end.lost:,}, repeated {end.repeated:,},"
                f" resumed {when}"
            )
            if end.finished is None:
                with contextlib.suppress(SideFailedError):  # the next measurement says it
                    await side.restart(_START_SECONDS)

    async def _tried(
        self, side: DrivenSide, subject: Subject, measuring: Coroutine[Any, Any, T]
    ) -> T | None:
        """Measure; where that fails, note it and start the side anew, as nobody knows its state."""
        try:
            return await measuring
        except SideFailedError as error:
            self.failed(subject, error)
        with contextlib.suppress(SideFailedError):  # the next measurement says it
            await side.restart(_START_SECONDS)
        return None

    def failed(self, subject: Subject, error: SideFailedError) -> None:
        """Note that a measurement came to nothing."""
        reason = shorten(str(error), _REASON_LENGTH)
        tell(f"{subject.store}, {subject.scenario}: {subject.label} FAILED: {reason}")
        self.figures.append(Failed(subject, reason))


def _ways(
    sides: Sequence[DrivenSide], scenario: str, store: str
) -> list[tuple[DrivenSide, Subject]]:
    return [
        (side, Subject(scenario, store, side.name, way))
        for side in sides
        for way in side.ways.get(scenario, ())
    ]


def tell(what: str) -> None:
    """Tell of the progress."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


async def run(bench: Bench, stores: Sequence[str], launches: Mapping[str, str]) -> None:
    """Measure on each database, with all sides beside each other.

    Args:
        bench: What to measure.
        stores: The databases.
        launches: The interpreter of each side's environment, by the side's module.
    """
    task = asyncio.current_task()
    if task is not None:
        # Ended from outside, it ends what it started, as after Ctrl-C.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="euryale-bench-")))
        address = join_address(HOST, free_port(HOST, FIRST_PORT))
        temporal = await stack.enter_async_context(
            DevServer.start(address, state_dir=folder / "temporal")
        )
        tell("starting Postgres")
        server, leader = stack.enter_context(postgres("max_connections=300"))
        for store in stores:
            url = f"sqlite:///{folder / 'products.db'}" if store == "sqlite" else server
            options = {"products": url, "temporal": temporal.address, "postgres": server}
            table = Table(Products(url), bench.sizes.items)
            tell(f"{store}: writing {table.rows:,} products")
            table.fresh()
            servers = [pid for pid in (temporal.pid, leader) if pid is not None]
            async with contextlib.AsyncExitStack() as running:
                sides = []
                for module, python in launches.items():
                    own = options | {"folder": str(folder / f"{store}-{module}")}
                    side = DrivenSide(Launch(module, python, own))
                    running.push_async_callback(side.stop)
                    try:
                        if await side.start(_START_SECONDS, store):
                            sides.append(side)
                            bench.versions |= side.versions
                    except SideFailedError as error:
                        bench.failed(Subject("start", store, side.name), error)
                await bench.measure(Place(table, servers, bench.sizes.limit), store, sides)
            table.products.close()


def interpreters(sides: Sequence[str]) -> dict[str, str]:
    """The interpreter of each side, by its module; a peer that can't be installed is left out."""
    found = {f"benchmarks.sides.{name}": sys.executable for name in OURS if name in sides}
    for peer in peers():
        if peer not in sides:
            continue
        try:
            found[f"benchmarks.peers.{peer}"] = interpreter(peer)
        except subprocess.SubprocessError as error:
            tell(f"{peer} is left out, its packages can't be installed: {error}")
    return found


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """What the command was told."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("--peers", action="store_true", help="measure other engines too")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round")
    parser.add_argument("--items", type=int, help="rows of the table")
    parser.add_argument("--rounds", type=int, help="rounds of each measurement")
    parser.add_argument("--seconds", type=float, help="how long one measurement should take")
    parser.add_argument("--jobs", type=int, help="jobs to register")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    parser.add_argument("--stores", nargs="+", choices=STORES, default=STORES)
    parser.add_argument("--sides", nargs="+", choices=(*OURS, *peers()), help="only these")
    parser.add_argument("--into", type=Path, help="the page whose figures are replaced")
    return parser.parse_args(given)


async def main(given: Sequence[str] | None = None) -> Bench:
    """Measure, print the figures, and put them into a page."""
    told = arguments(given)
    sizes = QUICK if told.quick else Sizes()
    chosen = {
        name: getattr(told, name)
        for name in ("items", "rounds", "seconds", "jobs")
        if getattr(told, name) is not None
    }
    bench = Bench(replace(sizes, **chosen), told.only)
    sides = told.sides or (*OURS, *(peers() if told.peers else ()))
    await run(bench, told.stores, interpreters(sides))
    command = "python -m benchmarks.bench " + shlex.join(given or sys.argv[1:])
    conditions = Conditions(
        date=datetime.now(UTC).date(),
        command=command.strip(),
        machine=machine(),
        versions=bench.versions,
        rounds=bench.sizes.rounds,
    )
    text = page(bench.figures, conditions)
    print(text)
    if told.into is not None:
        picture = told.into.with_suffix(".svg")
        picture.write_text(plot(bench.figures), encoding="utf-8")
        into(
            told.into,
            f"![Items a second of each side, on a logarithmic scale]({picture.name})\n\n{text}",
        )
    return bench


if __name__ == "__main__":
    asyncio.run(main())
