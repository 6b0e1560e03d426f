"""What the engine's arithmetic of time costs: compiling 10,000 jobs, and telling firings.

`python -m benchmarks.time` measures it. The jobs are the usual ones of shops: daily, on working
days, every few minutes, at a month's end. Parsing counts as a part of compiling, as in an apply.
The firings are those of every hundredth job, or of each with `--told 1`. Times are CPU times of
this process, so that others on the machine matter little. The table on standard output is Markdown.
"""

import argparse
import platform
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from euryale.time.calendars import compile_calendars
from euryale.time.clock import firings
from euryale.time.cron import CronExpression

JOBS = 10_000
FIRINGS = 1_000  # of each job whose firings are told
TOLD = 100  # every how many jobs one is told
SINCE = datetime(2026, 5, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one zone's jobs cost.

    Attributes:
        first: Milliseconds to compile the first job, which finds the zone's transitions.
        compiling: Milliseconds to parse and compile each of the others, ascending.
        telling: Microseconds for each firing that the policy clock tells, on average.
        calendars: How many calendars each job took, ascending.
    """

    first: float
    compiling: Sequence[float]
    telling: float
    calendars: Sequence[int]

    def row(self, zone: str) -> str:
        """The cost as a row of the table."""
        slow = self.compiling[len(self.compiling) * 99 // 100]
        few, many = statistics.median(self.calendars), self.calendars[-1]
        return (
            f"| {zone} | {self.first:.2f} | {statistics.fmean(self.compiling):.2f} | {slow:.2f} |"
            f" {self.telling:.1f} | {few:.0f} | {many} |"
        )


def expressions(count: int) -> Iterator[str]:
    """As many expressions as there are jobs, always the same ones."""
    chance = random.Random(1)  # noqa: S311 - no secret
    for _ in range(count):
        minute, hour, day = chance.randint(0, 59), chance.randint(0, 23), chance.randint(1, 28)
        yield chance.choice(
            [
                f"{minute} {hour} * * *",
                f"{minute} {hour} * * MON-FRI",
                f"{minute} {hour} * * {chance.randint(0, 6)}",
                f"{minute} {hour} {day} * *",
                f"{minute} {hour} {day} * MON",
                f"*/{chance.choice((5, 10, 15, 20))} * * * *",
                f"*/{chance.choice((15, 30))} 8-18 * * MON-FRI",
                f"{minute} */{chance.choice((2, 3, 4, 6))} * * *",
                f"0,30 {hour},{(hour + 8) % 24} * * *",
                f"{minute} {hour} L * *",
                f"{minute} {hour} LW * *",
                f"{minute} {hour} 15W * *",
                f"{minute} {hour} * * MON#2",
                f"{minute} {hour} * * 5L",
                f"{minute} {hour} {day} {chance.randint(1, 12)} *",
            ]
        )


def measured(zone: str, texts: Sequence[str], most: int, every: int) -> Cost:
    """Compile all jobs, and tell at most so many firings of every so many jobs."""
    compiling: list[float] = []
    calendars: list[int] = []
    parsed: list[CronExpression] = []
    for text in texts:
        start = time.process_time()
        expression = CronExpression.parse(text)
        compiled = compile_calendars(expression, zone, since=SINCE)
        compiling.append(1e3 * (time.process_time() - start))
        calendars.append(len(compiled.calendars))
        parsed.append(expression)
    start = time.process_time()
    told = sum(count(expression, zone, most) for expression in parsed[::every])
    telling = 1e6 * (time.process_time() - start) / told
    return Cost(compiling[0], sorted(compiling[1:]), telling, sorted(calendars))


def count(expression: CronExpression, zone: str, most: int) -> int:
    """How many firings the clock tells, of as many as are asked for."""
    numbered = enumerate(islice(firings(expression, zone, after=SINCE), most), start=1)
    last = deque(numbered, maxlen=1)
    return last[0][0] if last else 0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure each zone and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time", description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS, help="jobs in each zone")
    parser.add_argument("--firings", type=int, default=FIRINGS, help="firings told of a job")
    parser.add_argument("--told", type=int, default=TOLD, help="every how many jobs one is told")
    given = parser.parse_args(arguments)
    texts = list(expressions(given.jobs))
    print(f"Python {platform.python_version()}, {given.jobs:,} jobs, {given.firings:,} firings\n")
    print(
        "| zone | first job, ms | a job, ms | 99 of 100 under, ms | a firing, µs |"
        " calendars, median | calendars, most |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for zone in ZONES:
        print(measured(zone, texts, given.firings, given.told).row(zone))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
