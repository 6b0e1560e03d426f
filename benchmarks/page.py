"""The benchmark's figures as Markdown: ratios first, then what they are made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from benchmarks.figures import Failed, Figure, Fired, Killed, Published, Registered, ratio

PLACE = "figures"
"""The place of a page that the benchmark's figures are put into."""

TITLES = {
    "calls": "Calls that do nothing",
    "one by one": "Publish drafts one after the other",
    "at once": "Publish drafts one by one, many at once",
    "batches": "Publish drafts in batches of 500",
    "million": "Publish all rows",
}
DATABASES = {"sqlite": "SQLite", "postgres": "Postgres"}
COMPARED = ("bare temporalio", "DBOS", "plain SQL")
"""What rates are given as multiples of."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the figures depend on."""

    date: date
    command: str
    machine: str
    versions: Mapping[str, str]
    rounds: int


def page(figures: Sequence[Figure], conditions: Conditions) -> str:
    """All figures as Markdown, under headings of the third level."""
    versions = ", ".join(f"{name} {version}" for name, version in conditions.versions.items())
    heading = f"{conditions.date}, `{conditions.command}`, medians of {conditions.rounds} rounds."
    parts = [f"{heading}\n{conditions.machine}; {versions}."]
    published = [figure for figure in figures if isinstance(figure, Published)]
    for scenario, title in TITLES.items():
        for store, database in DATABASES.items():
            of = [
                each
                for each in published
                if (each.subject.scenario, each.subject.store) == (scenario, store)
            ]
            if of:
                heading = title if scenario == "calls" else f"{title}, {database}"
                parts += [f"### {heading}", _rates(of, published)]
    fired = [figure for figure in figures if isinstance(figure, Fired)]
    for scenario, title in (
        ("fire", "From when a job is due to its first line"),
        ("herd", "Jobs due on the same second"),
    ):
        of_scenario = [each for each in fired if each.subject.scenario == scenario]
        if of_scenario:
            parts += [f"### {title}", _latencies(of_scenario)]
    registered = [figure for figure in figures if isinstance(figure, Registered)]
    if registered:
        parts += ["### Register jobs", _registrations(registered)]
    killed = [figure for figure in figures if isinstance(figure, Killed)]
    if killed:
        parts += ["### The worker killed at half", _kills(killed)]
    failed = [figure for figure in figures if isinstance(figure, Failed)]
    if failed:
        parts += ["### What failed", _failures(failed)]
    return "\n\n".join(parts) + "\n"


def into(file: Path, text: str, place: str = PLACE) -> None:
    """Replace what is at a place of a page, which lies between two comments.

    Raises:
        ValueError: The page has no such place.
    """
    marks = f"<!-- {place}: begin -->", f"<!-- {place}: end -->"
    before, begin, rest = file.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"{file} has no {marks[0]} … {marks[1]} to put the figures into")
    file.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")


def _rates(of: Sequence[Published], every: Iterable[Published]) -> str:
    every = list(every)
    compared = [
        side for side in COMPARED if any(ratio(each, every, side) is not None for each in of)
    ]
    head = ["side", *(f"times {side}" for side in compared), "items/s", "slowest to fastest"]
    head += ["items", "worker CPU, ms/item", "servers' CPU, ms/item", "worker's peak, MB"]
    rows = []
    for each in sorted(of, key=lambda one: -one.rate):
        slow, fast = each.spread
        rows.append(
            [
                each.subject.label,
                *(_number(ratio(each, every, side)) for side in compared),
                _number(each.rate),
                f"{_number(slow)} to {_number(fast)}",
                f"{each.items:,}",
                _number(each.worker_cpu),
                _number(each.server_cpu),
                _number(each.peak),
            ]
        )
    return _table(head, rows)


def _latencies(of: Sequence[Fired]) -> str:
    head = ["side", "jobs", "p50, ms", "p99, ms", "most, ms"]
    return _table(
        head,
        [
            [each.subject.label, f"{len(each.latencies):,}"]
            + [_number(1e3 * each.percentile(percent)) for percent in (50, 99, 100)]
            for each in sorted(of, key=lambda one: one.percentile(99))
        ],
    )


def _registrations(of: Sequence[Registered]) -> str:
    return _table(
        ["side", "jobs", "seconds"],
        [
            [each.subject.label, f"{each.jobs:,}", _number(each.seconds)]
            for each in sorted(of, key=lambda one: one.seconds)
        ],
    )


def _kills(of: Sequence[Killed]) -> str:
    head = ["side", "database", "items", "lost", "repeated", "resumed after, s", "done after, s"]
    return _table(
        head,
        [
            [
                each.subject.label,
                DATABASES[each.subject.store],
                f"{each.items:,}",
                f"{each.lost:,}",
                f"{each.repeated:,}",
                _number(each.resumed),
                "never" if each.finished is None else _number(each.finished),
            ]
            for each in of
        ],
    )


def _failures(of: Sequence[Failed]) -> str:
    return _table(
        ["scenario", "database", "side", "why"],
        [
            [
                each.subject.scenario,
                DATABASES[each.subject.store],
                each.subject.label,
                each.reason.replace("|", "\\|"),
            ]
            for each in of
        ],
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    is_text: Callable[[str], bool] = {"side", "database", "scenario", "why"}.__contains__
    lines = [head, ["---" if is_text(name) else "--:" for name in head], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(value: float | None) -> str:
    """Three digits that count, or none."""
    if value is None:
        return ""
    if value >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3g}"
