"""Schedules in words."""

import pytest

from euryale.time.cron import CronExpression, parse_schedule
from euryale.time.words import in_words


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 9 L * *", "At 09:00, on the last day of the month"),
        ("0 9 L-1 * *", "At 09:00, on the last day but one of the month"),
        ("0 9 L-3 * *", "At 09:00, on the 3rd day before the last of the month"),
        ("0 9 LW * *", "At 09:00, on the last working day (Monday to Friday) of the month"),
        (
            "0 9 15W * *",
            "At 09:00, on the working day (Monday to Friday) nearest to day 15 of the month",
        ),
        ("0 9 * * MON#2", "At 09:00, on the 2nd Monday of the month"),
        ("0 9 * * SUN#1,WED#3", "At 09:00, on the 1st Sunday and the 3rd Wednesday of the month"),
        ("0 9 ? * 5L", "At 09:00, on the last Friday of the month"),
        ("0 9 1,15,L * *", "At 09:00, on day 1 and 15 and on the last day of the month"),
        ("0 9 * * MON,5L", "At 09:00, on Monday and on the last Friday of the month"),
        ("0 9 L * FRI", "At 09:00, on the last day of the month or on Friday"),
        ("0 9 15 * 5L", "At 09:00, on day 15 of the month or on the last Friday of the month"),
        (
            "0 9 */30 * 5L",
            "At 09:00, on day 1 and 31 of the month and only on the last Friday of the month",
        ),
        ("0 9 *,15W * *", "At 09:00"),
        ("0 0 1-31 * 5L", "At 00:00"),
        ("0 9 * * FRI-MON", "At 09:00, on Monday and Friday to Sunday"),
        ("0 9 * NOV-FEB *", "At 09:00, in January, February, November and December"),
        ("0 22-1 * * *", "At 00:00, 01:00, 22:00 and 23:00"),
    ],
)  # fmt: skip
def test_each_form_is_told_as_what_it_means(text: str, words: str) -> None:
    assert in_words(CronExpression.parse(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*/10 * * * * *", "Every 10 seconds"),
        ("30 0 9 * * MON", "At 09:00:30, on Monday"),
        ("0 0 9 * * *", "At 09:00"),
        ("15 */5 * * * *", "At 15 seconds past the minute, every 5 minutes"),
    ],
)
def test_seconds_are_told_where_they_say_something(text: str, words: str) -> None:
    assert in_words(CronExpression.parse(text)) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("every 15 minutes", "Every 15 minutes"),
        ("every hour", "Every hour"),
        ("@every 90m", "Every 1 hour and 30 minutes"),
        ("@every 61s", "Every 1 minute and 1 second"),
        ("@every 48h", "Every 48 hours"),
    ],
)
def test_an_interval_is_told_by_its_units(text: str, words: str) -> None:
    assert in_words(parse_schedule(text)) == words


def test_h_is_told_as_the_time_that_it_has_become() -> None:
    words = in_words(CronExpression.parse("H H * * *", name="publish-once-a-day"))
    assert words == "At 11:06"


def test_the_words_are_english_whatever_the_machine_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert in_words(CronExpression.parse("*/5 * * * *")) == "Every 5 minutes"
