"""The firings of some days, counted by the hour; and the page that shows them."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from euryale.cli.week_picture import week_picture
from euryale.time.timetable import Timetable, parse_timetable
from euryale.time.week import Week, level, same_herds, shades, week
from euryale.time.week_page import JobText, week_page

MONDAY = date(2026, 3, 23)


def berlin(schedules: Mapping[str, str], **more: Any) -> Week:
    timetables = {
        name: parse_timetable(text, zone="Europe/Berlin") for name, text in schedules.items()
    }
    return week(timetables, zone="Europe/Berlin", start=MONDAY, **more)


def crowd(count: int, schedule: str = "0 9 * * MON") -> dict[str, str]:
    return {f"job-{number:02}": schedule for number in range(count)}


def drawn(shown: Week) -> list[str]:
    return [line.plain for line in week_picture(shown)]


def test_firings_are_counted_by_the_days_and_hours_of_the_zone() -> None:
    shown = week(
        {"morning": parse_timetable("0,30 9 * * *", zone="Asia/Kolkata")},
        zone="Europe/Berlin",
        start=MONDAY,
        days=2,
    )
    assert [day.date for day in shown.days] == [MONDAY, date(2026, 3, 24)]
    # 9:00 and 9:30 in Kolkata are 4:30 and 5:00 in Berlin.
    assert [(hour, count) for hour, count in enumerate(shown.days[0].counts) if count] == [
        (4, 1),
        (5, 1),
    ]
    assert shown.jobs == {"morning": 4}


def test_the_first_second_belongs_to_the_days_and_the_second_after_the_last_does_not() -> None:
    shown = berlin({"daily": "@daily"}, days=3)
    assert shown.jobs["daily"] == 3


def test_a_job_that_never_fires_is_there_with_zero() -> None:
    shown = berlin({"yearly": "@yearly"})
    assert shown.jobs == {"yearly": 0}
    assert shown.shades == ()
    assert "no firing" in drawn(shown)[-1]


def test_a_day_in_spring_lacks_an_hour() -> None:
    sunday = berlin({"hourly": "@hourly"}).days[6]
    assert sunday.missing == (2,)
    assert sum(sunday.counts) == 23
    assert [seam.kind for seam in sunday.seams] == ["gap"]


def test_a_day_in_autumn_has_an_hour_with_two_passes() -> None:
    timetables = {"hourly": parse_timetable("@hourly", zone="Europe/Berlin")}
    shown = week(timetables, zone="Europe/Berlin", start=date(2026, 10, 25), days=1)
    assert shown.days[0].counts[2] == 2
    assert shown.days[0].missing == ()
    assert shown.jobs["hourly"] == 25


def test_half_an_hour_left_out_is_no_missing_hour() -> None:
    hourly = {"hourly": Timetable(parse_timetable("@hourly").entries, zone="Australia/Lord_Howe")}
    shown = week(hourly, zone="Australia/Lord_Howe", start=date(2026, 10, 4), days=1)
    assert shown.days[0].missing == ()
    assert len(shown.days[0].seams) == 1


def test_a_herd_is_more_than_thirty_firings_in_one_second() -> None:
    assert berlin(crowd(30)).herds == ()
    (herd,) = berlin(crowd(31)).herds
    assert herd.at.isoformat() == "2026-03-23T09:00:00+01:00"
    assert herd.jobs == tuple(crowd(31))


def test_firings_a_second_apart_are_no_herd() -> None:
    others = {f"late-{number}": "1 0 9 * * MON" for number in range(20)}
    assert berlin(crowd(20) | others).herds == ()


def test_jobs_with_jitter_belong_to_no_herd() -> None:
    assert berlin(crowd(31), spread={"job-07"}).herds == ()


def test_herds_of_the_same_jobs_are_told_together_and_the_largest_first() -> None:
    shown = berlin(crowd(31, "0 9 * * MON,TUE") | {"more": "0 9 * * TUE"})
    assert [(len(names), len(herds)) for names, herds in same_herds(shown.herds)] == [
        (32, 1),
        (31, 1),
    ]


@given(st.lists(st.integers(0, 10_000), max_size=200))
def test_shades_tell_counts_apart_in_their_order(counts: list[int]) -> None:
    bounds = shades(counts)
    assert len(bounds) == min(4, len(set(counts) - {0}))
    assert list(bounds) == sorted(set(bounds))
    for count in counts:
        assert (level(count, bounds) == 0) == (count == 0)
    if bounds:
        assert level(max(counts), bounds) == len(bounds)


def test_the_picture_survives_without_color() -> None:
    lines = drawn(berlin(crowd(31) | {"hourly": "@hourly", "busy": "*/10 6-8 * * *"}))
    monday = lines[1]
    assert monday.startswith("Mon 2026-03-23   ")
    cells = monday.removeprefix("Mon 2026-03-23   ")
    assert cells[:2] != cells[12:14] != cells[18:20]
    assert cells[18:20] == "█!"
    assert monday.endswith(" 73")
    sunday = lines[7]
    assert sunday[17 + 2 * 2 :].startswith("--")
    assert sunday.endswith("~ the clocks go forward from 02:00 to 03:00")
    assert "--" in lines[9]
    assert "a herd" in lines[9]
    assert "job-08 and 22 more" in lines[-1]


def test_a_quiet_picture_has_nothing_of_herds() -> None:
    lines = drawn(berlin({"daily": "0 4 * * *"}, days=1))
    assert lines[1].removeprefix("Mon 2026-03-23   ")[:12] == "· · · · ██· "
    assert "herd" not in "".join(lines)


class Page(HTMLParser):
    """A page's tags, which must be closed in their order; and what leads outside of it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in {"meta", "path", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in {"path", "line"}:
            return
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    shown = berlin(crowd(31) | {"hourly": "@hourly"})
    html = week_page("shop", shown, [JobText("hourly", "@hourly", "Every hour", "Europe/Berlin")])
    page = Page(html)
    assert page.open == []
    assert page.links == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in html
    assert "http" not in html
    assert "prefers-color-scheme: dark" in html
    assert html.count('class="cell') == 7 * 24
    assert len(re.findall(r'class="cell s\d herd"', html)) == 1
    assert html.count('class="cell missing"') == 1
    assert "the clocks go forward from 02:00 to 03:00" in html
    assert "job-30" in html


def test_the_page_shows_names_and_descriptions_as_text() -> None:
    wild = "<script>alert(1)</script> & more"
    html = week_page("a<b", berlin({"daily": "@daily"}), [JobText("daily", wild, wild, wild, wild)])
    assert "<script>" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; more") == 4
    assert "<title>a&lt;b: 2026-03-23 to 2026-03-29</title>" in html


def test_a_strip_covers_the_hours_in_which_the_job_fires() -> None:
    html = week_page(
        "shop", berlin({"mornings": "0 6-8 * * MON"}), [JobText("mornings", "", "", "")]
    )
    assert '<path d="M6 0h3v1H6z"/>' in html


def test_a_count_of_thousands_fits_into_its_cell() -> None:
    shown = berlin({"always": "* * * * * *"}, days=1)
    assert ">4k</td>" in week_page("shop", shown, [])
    assert shown.busiest == 3_600


def test_weeks_are_counted_from_the_day_that_is_asked_for() -> None:
    at = datetime(2026, 3, 25, 12, tzinfo=UTC)
    shown = week({"once": Timetable((at,))}, zone="UTC", start=at.date(), days=1)
    assert shown.days[0].hours[12] == {"once": 1}
