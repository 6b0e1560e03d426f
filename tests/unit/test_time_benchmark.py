"""The benchmark of time runs, and measures what it says."""

import re

import pytest

from benchmarks.time import ZONES, expressions, main, measured
from euryale.time.calendars import compile_calendars
from euryale.time.cron import CronExpression


def test_the_table_has_a_row_for_each_zone(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--jobs", "15", "--firings", "10", "--told", "5"])
    table = capsys.readouterr().out
    assert tuple(re.findall(r"^\| (UTC|\w+/\w+) \|", table, re.MULTILINE)) == ZONES


def test_the_jobs_are_mixed_and_always_the_same() -> None:
    texts = list(expressions(1_000))
    assert texts == list(expressions(1_000))
    assert len(set(texts)) > 500


def test_the_calendars_counted_are_those_of_the_jobs() -> None:
    texts = ["0 9 LW * *", "*/5 * * * *", "0 9 1 * MON"]
    counts = [len(compile_calendars(CronExpression.parse(text), "UTC").calendars) for text in texts]
    cost = measured("UTC", texts, 10, 1)
    assert list(cost.calendars) == sorted(counts)
    assert len(cost.compiling) == len(texts) - 1
