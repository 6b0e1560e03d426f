"""The lines that are kept with a run: bounded, each on one line, and read back as they were."""

from datetime import UTC, datetime, timedelta

from euryale.runs.log_lines import (
    KEPT_CHARACTERS,
    KEPT_LINES,
    LogLine,
    log_lines,
    text_of,
    with_line,
)

START = datetime(2026, 1, 5, tzinfo=UTC)


def line(number: int, text: str = "a line") -> LogLine:
    return LogLine(START + timedelta(seconds=number), "info", f"{text} number={number}")


def details_of(*lines: LogLine, above: str = "") -> str:
    details = above
    for each in lines:
        details = with_line(details, each)
    return details


def test_lines_are_read_back_as_they_were_written() -> None:
    written = (line(0), line(1), LogLine(START, "error", "it failed: $ ` * _"))
    assert log_lines(details_of(*written)) == written


def test_the_oldest_lines_make_room_for_the_last_ones() -> None:
    kept = log_lines(details_of(*(line(number) for number in range(KEPT_LINES + 10))))
    assert len(kept) == KEPT_LINES
    assert kept[0] == line(10)


def test_long_lines_keep_within_the_characters_in_all() -> None:
    details = details_of(*(line(number, "x" * 1_500) for number in range(100)))
    assert len(details) < KEPT_CHARACTERS + 100
    assert log_lines(details)[-1] == line(99, "x" * 1_500)


def test_what_somebody_else_wrote_into_the_details_stays_above() -> None:
    details = details_of(line(0), line(1), above="superseded by a later firing")
    assert details.startswith("superseded by a later firing\n\n```text\n")
    assert log_lines(details) == (line(0), line(1))


def test_an_event_of_several_lines_with_a_fence_stays_one_line() -> None:
    text = text_of("one\ntwo ```", {"value": "three\nfour"})
    assert "\n" not in text
    written = LogLine(START, "info", text)
    assert log_lines(details_of(written, line(1))) == (written, line(1))


def test_a_value_that_can_not_be_written_is_named_by_its_error() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no words")

    assert text_of("it is", {"thing": Broken()}) == "it is thing=<ValueError>"


def test_a_long_value_is_cut() -> None:
    assert len(text_of("it is", {"thing": "x" * 10_000})) < 400
