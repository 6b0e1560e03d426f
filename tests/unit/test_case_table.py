"""The tables of the page on time: what they say that we answer is what we answer."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from importlib.metadata import version
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

# croniter ships no type hints.
from croniter import croniter  # type: ignore[import-untyped]

from euryale.config import Dst
from euryale.time.clock import firings
from euryale.time.cron import CronExpression
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "explanation-time.md").read_text(encoding="utf-8")
BERLIN = ZoneInfo("Europe/Berlin")
MARCH, OCTOBER = "29 March 2026", "25 October 2026"
NIGHTS = {MARCH: date(2026, 3, 29), OCTOBER: date(2026, 10, 25)}
AUGUST = datetime(2026, 8, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
POLICIES: tuple[Dst, ...] = ("once", "skip", "twice")


def rows(first: str, column: str) -> list[tuple[str, str]]:
    """The expressions and a column's cells, of the table whose first two columns are so named."""
    found: list[tuple[str, str]] = []
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        header, _, *lines = [
            [cell.strip(" `") for cell in line.strip("|").split(" |")]
            for line in table.splitlines()
        ]
        if header[0] == first and column in header:
            found += [(line[0], line[header.index(column)]) for line in lines]
    assert found
    return found


def fired(
    text: str, zone: ZoneInfo, start: datetime, end: datetime, dst: Dst = "once"
) -> list[datetime]:
    """When an expression fires, from `start` to before `end`."""
    times = firings(CronExpression.parse(text), zone.key, after=start - SECOND, dst=dst)
    return list(takewhile(lambda time: time.astimezone(UTC) < end.astimezone(UTC), times))


def shown(times: list[datetime]) -> str:
    return ", ".join(_shown(times)) or "none"


def _shown(times: list[datetime]) -> Iterator[str]:
    for moment in times:
        clock = f"{moment:%H:%M:%S}".removesuffix(":00") if moment.second else f"{moment:%H:%M}"
        yield f"{clock} again" if moment.fold else clock


def night(day: date) -> tuple[datetime, datetime]:
    """The part of a night that the tables are about."""
    one, four = (datetime.combine(day, time(hour), BERLIN) for hour in (1, 4))
    return one, four


def policies_of_nights() -> list[tuple[str, str, str, Dst]]:
    return [
        (night, text, cell, dst)
        for night in NIGHTS
        for dst in POLICIES
        for text, cell in rows(night, dst)
    ]


@pytest.mark.parametrize(("name", "text", "cell", "dst"), policies_of_nights())
def test_each_policy_fires_in_each_night_when_the_page_says(
    name: str, text: str, cell: str, dst: Dst
) -> None:
    assert shown(fired(text, BERLIN, *night(NIGHTS[name]), dst)) == cell


@pytest.mark.parametrize("name", NIGHTS)
def test_our_answer_of_a_night_is_that_of_the_default_policy(name: str) -> None:
    for text, cell in rows(name, "Euryale"):
        assert shown(fired(text, BERLIN, *night(NIGHTS[name]))) == cell


@pytest.mark.parametrize(("text", "cell"), rows("August 2026", "Euryale"))
def test_our_days_of_august_are_those_of_the_page(text: str, cell: str) -> None:
    times = fired(text, ZoneInfo("UTC"), AUGUST, datetime(2026, 9, 1, tzinfo=UTC))
    assert ", ".join(str(moment.day) for moment in times) == cell


@pytest.mark.parametrize(("text", "cell"), rows("1 August 2026", "Euryale"))
def test_our_times_of_a_day_are_those_of_the_page(text: str, cell: str) -> None:
    times = fired(text, ZoneInfo("UTC"), AUGUST, AUGUST + timedelta(days=1))
    assert shown(times) == cell


def test_croniter_answers_for_august_as_the_page_says_of_its_version() -> None:
    if f"croniter {version('croniter')}," not in PAGE:
        pytest.skip("the page was measured with another version of croniter")
    for text, cell in rows("August 2026", "croniter"):
        if cell == "refused":
            assert not croniter.is_valid(text)
            continue
        reader = croniter(text, AUGUST - SECOND)
        days = takewhile(lambda moment: moment.month == AUGUST.month, reader.all_next(datetime))
        odd_days = {*range(1, 32, 2)} if cell.startswith("odd days, ") else set()
        named = {int(day) for day in cell.removeprefix("odd days, ").split(", ")}
        assert {moment.day for moment in days} == odd_days | named
