"""Schedules in words."""

import pytest

from euryale.cron import CronExpression
from euryale.words import in_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 * * * *", "Every hour"),
        ("0 0 * * *", "At 00:00"),
        ("30 14 * * *", "At 14:30"),
        ("0 9,17 * * *", "At 09:00 and 17:00"),
        ("0 */6 * * *", "Every 6 hours"),
        ("*/5 9-17 * * 1-5", "Every 5 minutes, between 09:00 and 17:59, on Monday to Friday"),
        ("@weekly", "At 00:00, on Sunday"),
        ("0 0 * * 5-7", "At 00:00, on Friday to Sunday"),
        ("0 0 * * */2", "At 00:00, on Tuesday, Thursday, Saturday and Sunday"),
        ("@yearly", "At 00:00, on day 1 of the month, in January"),
        ("0 4 8-14 * *", "At 04:00, on day 8 to 14 of the month"),
        ("5 0 * 6-8,12 *", "At 00:05, in June to August and December"),
    ],
)
def test_plain_schedules_are_told_plainly(text: str, words: str) -> None:
    assert in_words(CronExpression.parse(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0 13 * 5", "At 00:00, on day 13 of the month or on Friday"),
        ("0 0 1,15 * WED", "At 00:00, on day 1 and 15 of the month or on Wednesday"),
        ("0 0 1-7 * 1", "At 00:00, on day 1 to 7 of the month or on Monday"),
        ("0 0 1-31 * 1", "At 00:00"),
    ],
)
def test_with_both_day_fields_restricted_the_words_say_or(text: str, words: str) -> None:
    assert in_words(CronExpression.parse(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "0 0 */2 * 1",
            "At 00:00, on every 2nd day from 1 to 31 of the month and only on Monday",
        ),
        ("0 0 13 * */7", "At 00:00, on day 13 of the month and only on Sunday"),
    ],
)
def test_with_a_day_field_that_begins_with_a_star_the_words_say_and(text: str, words: str) -> None:
    assert in_words(CronExpression.parse(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*/40 * * * *", "At 0 and 40 minutes past the hour"),
        ("*/90 * * * *", "Every hour"),
        ("0 */24 * * *", "At 00:00"),
        ("0 0 2/3 * *", "At 00:00, on every 3rd day from 2 to 29 of the month"),
        ("0 */5 * * *", "At 00:00, 05:00, 10:00, 15:00 and 20:00"),
    ],
)
def test_a_step_that_does_not_go_round_evenly_is_not_told_as_if_it_did(
    text: str, words: str
) -> None:
    assert in_words(CronExpression.parse(text)) == words


def test_the_words_are_english_whatever_the_machine_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert in_words(CronExpression.parse("*/5 * * * *")) == "Every 5 minutes"
