"""The page that defines the dialect says what the code does, row by row."""

import re

import pytest

from euryale.errors import ScheduleInvalid
from euryale.time.calendars import compile_calendars
from euryale.time.cron import CronExpression, parse_schedule
from euryale.time.words import in_words
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "cron.md").read_text(encoding="utf-8")


def rows(second_column: str) -> list[tuple[str, str]]:
    """The first two columns of all tables whose second column bears a name."""
    tables = re.findall(rf"^\| \w+ \| {second_column} \|\n\|.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert tables
    row = re.compile(r"^\| `(.+?)` \| (.+) \|$", re.MULTILINE)
    found = [columns for table in tables for columns in row.findall(table)]
    assert len(found) == sum(table.count("\n") for table in tables)
    return found


@pytest.mark.parametrize(("text", "words"), rows("in words"))
def test_an_expression_means_the_words_beside_it(text: str, words: str) -> None:
    assert in_words(parse_schedule(text)) == words


@pytest.mark.parametrize("text", [text for text, _ in rows("what it becomes")])
def test_what_is_spread_by_the_jobs_name_is_read(text: str) -> None:
    CronExpression.parse(text, name="report")


@pytest.mark.parametrize("text", [text for text, _ in rows("why")])
def test_what_the_page_calls_refused_is_refused(text: str) -> None:
    with pytest.raises(ScheduleInvalid):
        parse_schedule(text, name="report")


@pytest.mark.parametrize(("text", "count"), rows("calendars"))
def test_an_expression_takes_as_many_calendars_as_the_page_says(text: str, count: str) -> None:
    calendars = compile_calendars(CronExpression.parse(text), "UTC").calendars
    assert len(calendars) == int(count)
