"""Whole timetables in words, and as the text that they were written as."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from euryale.time.timetable import parse_timetable
from euryale.time.timetable_words import timetable_in_words, timetable_text

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAYS = [date(2026, 12, day) for day in (24, 25, 26, 31)]


@pytest.mark.parametrize(
    ("schedule", "more", "words"),
    [
        ("0 9 * * *", {}, "At 09:00"),
        (["0 9 * * MON", timedelta(hours=6)], {}, "At 09:00, on Monday; and every 6 hours"),
        (NOON, {}, "Once, at 2026-01-05 12:00 UTC"),
        (NOON + timedelta(seconds=5), {}, "Once, at 2026-01-05 12:00:05 UTC"),
        ("@hourly", {"start_at": NOON}, "Every hour; from 2026-01-05 12:00 UTC"),
        ("@hourly", {"end_at": NOON}, "Every hour; until 2026-01-05 12:00 UTC"),
        ("@daily", {"exceptions": DAYS[:2]}, "At 00:00; except on 2026-12-24, 2026-12-25"),
        (
            "@daily",
            {"exceptions": DAYS},
            "At 00:00; except on 4 days from 2026-12-24 to 2026-12-31",
        ),
        (
            "@hourly",
            {"exceptions": "0 9 * * SUN"},
            "Every hour; except at 09:00, on Sunday",
        ),
    ],
)
def test_everything_that_a_timetable_says_is_told(
    schedule: Any, more: dict[str, Any], words: str
) -> None:
    assert timetable_in_words(parse_timetable(schedule, **more)) == words


def test_the_entries_are_told_as_they_were_written() -> None:
    timetable = parse_timetable(["0  9 * * MON", timedelta(hours=6), NOON])
    assert timetable_text(timetable) == "0 9 * * MON; every 6 hours; 2026-01-05 12:00 UTC"
