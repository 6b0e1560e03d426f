"""The feed, read by the rules of RFC 5545."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from euryale.time.icalendar import Event, icalendar

AT = datetime(2026, 3, 29, 3, tzinfo=ZoneInfo("Europe/Berlin"))
MADE = datetime(2026, 1, 1, tzinfo=UTC)


def unfolded(feed: str) -> list[str]:
    """The feed's lines as a reader has them, after checking how they are written."""
    assert feed.endswith("\r\n")
    assert "\n" not in feed.replace("\r\n", "")
    for line in feed.encode().split(b"\r\n"):
        assert len(line) <= 75
        line.decode()  # No character is cut in two.
    return feed.replace("\r\n ", "").split("\r\n")[:-1]


def plain(text: str) -> str:
    """A value without its escapes."""
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], text)


def test_an_event_stands_at_its_moment_in_utc() -> None:
    lines = unfolded(icalendar("shop", [Event("report", AT, "At 02:30")], made_at=MADE))
    assert lines == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Euryale//Scheduled jobs//EN",
        "CALSCALE:GREGORIAN",
        "X-WR-CALNAME:shop: scheduled jobs",
        "BEGIN:VEVENT",
        "UID:20260329T010000Z-report@shop.euryale",
        "DTSTAMP:20260101T000000Z",
        "DTSTART:20260329T010000Z",
        "SUMMARY:report",
        "DESCRIPTION:At 02:30",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
        "END:VCALENDAR",
    ]


def uids(feed: str) -> list[str]:
    return [line for line in unfolded(feed) if line.startswith("UID:")]


def test_uids_stay_the_same_and_no_two_are_alike() -> None:
    events = [
        Event(job, AT + timedelta(hours=hour)) for job in ("a", "b", "a-b") for hour in range(3)
    ]
    first = uids(icalendar("shop", events, made_at=MADE))
    later = uids(icalendar("shop", events, made_at=MADE + timedelta(days=1)))
    other = uids(icalendar("market", events, made_at=MADE))
    assert first == later
    assert len({*first, *other}) == 18


def test_a_feed_without_events_is_one() -> None:
    assert len(unfolded(icalendar("shop", [], made_at=MADE))) == 6


def test_a_note_is_the_calendars_description() -> None:
    lines = unfolded(icalendar("shop", [], made_at=MADE, note="only 1,000 of each"))
    assert "X-WR-CALDESC:only 1\\,000 of each" in lines


# What a job's description may hold; control characters are no text.
TEXT = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=200)


@given(st.lists(TEXT.filter(bool), min_size=1, max_size=3))
def test_any_description_comes_back_as_it_was(lines: list[str]) -> None:
    description = "\n".join(lines)
    feed = icalendar("shop", [Event("report", AT, description)], made_at=MADE)
    (found,) = [line for line in unfolded(feed) if line.startswith("DESCRIPTION:")]
    assert plain(found.removeprefix("DESCRIPTION:")) == description
