"""Timetables: what is read, what is refused, and when they fire."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import islice, takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from euryale.config import ScheduledJobConfig
from euryale.errors import ScheduleInvalid
from euryale.time import clock
from euryale.time.cron import CronExpression, Every
from euryale.time.omissions import local_day
from euryale.time.timetable import (
    Timetable,
    default_catch_up,
    firings,
    is_exception,
    parse_timetable,
    timetable_of,
)

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def first(timetable: Timetable, count: int, after: datetime = NEW_YEAR) -> list[str]:
    return [f"{time:%a %m-%d %H:%M %z}" for time in islice(firings(timetable, after=after), count)]


# --- when they fire -----------------------------------------------------------------------------


def test_an_interval_is_counted_from_the_unix_epoch() -> None:
    timetable = parse_timetable(timedelta(hours=5), zone="Asia/Kolkata")
    times = list(islice(firings(timetable, after=NEW_YEAR), 3))
    assert [time.timestamp() % timedelta(hours=5).total_seconds() for time in times] == [0, 0, 0]
    assert first(timetable, 2) == ["Thu 01-01 09:30 +0530", "Thu 01-01 14:30 +0530"]


def test_an_interval_in_words_is_the_same() -> None:
    assert parse_timetable("every 15 minutes") == parse_timetable(timedelta(minutes=15))


def test_a_one_off_time_fires_once() -> None:
    moment = datetime(2026, 5, 1, 9, 30, tzinfo=BERLIN)
    timetable = parse_timetable(moment, zone="Europe/Berlin")
    assert list(firings(timetable, after=NEW_YEAR)) == [moment]
    assert list(firings(timetable, after=moment)) == []


def test_a_list_fires_when_any_of_it_does_and_once_if_several_do() -> None:
    timetable = parse_timetable(
        ["0 6 * * *", "0 6,18 * * THU", timedelta(hours=12), datetime(2026, 1, 1, 7, tzinfo=UTC)]
    )
    assert first(timetable, 6) == [
        "Thu 01-01 06:00 +0000",
        "Thu 01-01 07:00 +0000",
        "Thu 01-01 12:00 +0000",
        "Thu 01-01 18:00 +0000",
        "Fri 01-02 00:00 +0000",
        "Fri 01-02 06:00 +0000",
    ]


def test_both_passes_of_a_night_on_which_the_clocks_are_put_back_stay_in_order() -> None:
    timetable = parse_timetable(["*/30 * * * *", timedelta(minutes=20)], zone="Europe/Berlin")
    after = datetime(2026, 10, 24, 23, 50, tzinfo=UTC)
    moments = [time.astimezone(UTC) for time in islice(firings(timetable, after=after), 12)]
    assert moments == sorted(set(moments))
    assert moments[-1] - moments[0] == timedelta(hours=2, minutes=40)


def test_start_and_end_are_included() -> None:
    timetable = parse_timetable(
        "0 * * * *",
        start_at=datetime(2026, 1, 1, 3, tzinfo=UTC),
        end_at=datetime(2026, 1, 1, 5, tzinfo=UTC),
    )
    assert first(timetable, 9) == [
        "Thu 01-01 03:00 +0000",
        "Thu 01-01 04:00 +0000",
        "Thu 01-01 05:00 +0000",
    ]


def test_a_date_takes_out_that_day_of_the_zone() -> None:
    timetable = parse_timetable("0 */8 * * *", zone="Asia/Kolkata", exceptions=[date(2026, 1, 2)])
    assert first(timetable, 4) == [
        "Thu 01-01 08:00 +0530",
        "Thu 01-01 16:00 +0530",
        "Sat 01-03 00:00 +0530",
        "Sat 01-03 08:00 +0530",
    ]


def test_an_expression_takes_out_the_whole_minutes_that_it_matches() -> None:
    timetable = parse_timetable(
        [timedelta(seconds=45), "0 8 * * *"], exceptions="* 0-7 * * *", zone="UTC"
    )
    assert first(timetable, 2) == ["Thu 01-01 08:00 +0000", "Thu 01-01 08:00 +0000"]
    assert is_exception(timetable, datetime(2026, 1, 1, 7, 59, 15, tzinfo=UTC))


def test_an_expression_with_seconds_takes_out_these_seconds_alone() -> None:
    timetable = parse_timetable(timedelta(seconds=15), exceptions="30 * * * * *")
    seconds = [time.second for time in islice(firings(timetable, after=NEW_YEAR), 6)]
    assert seconds == [15, 45, 0, 15, 45, 0]


def test_an_exception_for_a_time_in_the_gap_takes_out_the_firing_that_makes_up_for_it() -> None:
    # Scoresbysund's clocks go from 23:00 to midnight: what is made up for fires a day later.
    timetable = parse_timetable(
        "30 23 * * *", zone="America/Scoresbysund", exceptions="30 23 28 3 *"
    )
    after = datetime(2026, 3, 27, 12, tzinfo=UTC)
    assert first(timetable, 2, after) == ["Fri 03-27 23:30 -0200", "Sun 03-29 23:30 -0100"]


def test_the_zone_that_an_expression_names_is_that_of_the_timetable() -> None:
    timetable = parse_timetable(["CRON_TZ=Asia/Kolkata 0 9 * * *", timedelta(days=1)])
    assert timetable.zone == "Asia/Kolkata"


def test_firings_end_with_the_year_2100() -> None:
    late = datetime(2100, 12, 31, 22, 30, tzinfo=UTC)
    assert first(parse_timetable(timedelta(hours=1)), 9, late) == ["Fri 12-31 23:00 +0000"]


def test_a_naive_start_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="must be aware"):
        firings(parse_timetable("@daily"), after=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 4, 24), "Africa/Cairo", 23),
        (date(2026, 10, 29), "Africa/Cairo", 25),
        (date(2026, 3, 28), "America/Scoresbysund", 23),
        (date(2026, 4, 5), "Australia/Lord_Howe", 24.5),
        (date(2026, 1, 1), "Asia/Kathmandu", 24),
    ],
)
def test_a_local_day_is_as_long_as_its_clocks_make_it(day: date, zone: str, hours: float) -> None:
    start, end = local_day(day, ZoneInfo(zone))
    assert end - start == timedelta(hours=hours)
    assert start.astimezone(ZoneInfo(zone)).date() == day
    assert (start - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date() < day


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"schedule": []}, "empty list"),
        ({"schedule": "61 * * * *"}, "out of range"),
        ({"schedule": datetime(2026, 1, 1)}, "names no time zone"),  # noqa: DTZ001 - what is refused
        ({"schedule": NEW_YEAR.replace(microsecond=5)}, "fraction of a second"),
        ({"schedule": datetime(1999, 1, 1, tzinfo=UTC)}, "outside of the years"),
        ({"schedule": datetime(2101, 1, 1, tzinfo=UTC)}, "outside of the years"),
        ({"schedule": [date(2026, 1, 1)]}, "no expression, interval or time"),
        ({"schedule": [["@daily"]]}, "no expression, interval or time"),
        ({"schedule": timedelta(0)}, "can't be kept"),
        ({"schedule": timedelta(seconds=-5)}, "can't be kept"),
        ({"schedule": timedelta(milliseconds=500)}, "can't be kept"),
        ({"schedule": timedelta(seconds=1, milliseconds=500)}, "can't be kept"),
        ({"schedule": timedelta.max}, "can't be kept"),
        ({"schedule": "@daily", "start_at": datetime(2026, 1, 1)}, "start_at.*no time zone"),  # noqa: DTZ001 - what is refused
        ({"schedule": "@daily", "end_at": datetime(2026, 1, 1)}, "end_at.*no time zone"),  # noqa: DTZ001 - what is refused
        ({"schedule": "@daily", "end_at": NEW_YEAR.replace(microsecond=5)}, "fraction"),
        ({"schedule": "@daily", "start_at": NEW_YEAR, "end_at": NEW_YEAR - timedelta(1)}, "before"),
        ({"schedule": "@daily", "exceptions": "every 5 minutes"}, "every"),
        ({"schedule": "@daily", "exceptions": [NEW_YEAR]}, "no date or cron expression"),
        ({"schedule": "@daily", "exceptions": "* * * * *"}, "every time"),
        ({"schedule": "* * * * * *", "exceptions": "* * * * *"}, "every time"),
        ({"schedule": "*/5 * * * *", "exceptions": "*/5 * * * *"}, "every time"),
        ({"schedule": "0 9 * * MON", "exceptions": "* 8-10 * * *"}, "every time"),
        ({"schedule": ["@yearly", "@monthly"], "exceptions": "* 0 1 * *"}, "every time"),
        ({"schedule": NEW_YEAR, "exceptions": date(2026, 1, 1)}, "every time"),
        ({"schedule": "@daily", "zone": "Mars/Olympus"}, "IANA"),
        ({"schedule": timedelta(hours=1), "zone": "Mars/Olympus"}, "IANA"),
        ({"schedule": "CRON_TZ=Asia/Kolkata @daily", "zone": "UTC"}, "zone"),
        ({"schedule": ["CRON_TZ=Asia/Kolkata @daily", "@daily"]}, "several zones"),
        ({"schedule": "@daily", "exceptions": "CRON_TZ=Asia/Kolkata @daily"}, "several zones"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_way_out(
    arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ScheduleInvalid, match=reason) as caught:
        parse_timetable(**arguments, where="jobs/x.py:3")
    assert caught.value.where == "jobs/x.py:3"
    assert caught.value.mend


@pytest.mark.parametrize(
    "arguments",
    [
        {"schedule": "0 9 25 12 *", "exceptions": [date(2024, 12, 25), date(2025, 12, 25)]},
        {"schedule": "* * * * * *", "exceptions": "* * 1-31 1 *"},
        {"schedule": "@daily", "exceptions": "* 1-23 * * *"},
        {"schedule": timedelta(hours=1), "exceptions": "* * * * MON-FRI"},
        {"schedule": NEW_YEAR, "start_at": NEW_YEAR, "end_at": NEW_YEAR},
    ],
)  # fmt: skip
def test_what_leaves_a_time_is_no_refusal(arguments: dict[str, Any]) -> None:
    assert parse_timetable(**arguments).entries


def test_a_time_that_has_passed_is_no_refusal_or_a_deploy_would_one_day_fail() -> None:
    passed = datetime(2020, 1, 1, tzinfo=UTC)
    assert parse_timetable(passed, end_at=passed).entries == (passed,)


# --- catch-up -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "window"),
    [
        (timedelta(seconds=5), timedelta(minutes=1)),
        (timedelta(minutes=20), timedelta(minutes=20)),
        (timedelta(days=9), timedelta(days=1)),
        (NEW_YEAR, timedelta(days=1)),
        (["@daily", timedelta(hours=3), NEW_YEAR], timedelta(hours=3)),
        (["*/10 * * * *", timedelta(hours=3)], timedelta(minutes=10)),
    ],
)
def test_the_default_catch_up_window_is_the_shortest_interval(
    schedule: Any, window: timedelta
) -> None:
    assert default_catch_up(parse_timetable(schedule)) == window


# --- against a plain evaluator --------------------------------------------------------------------

crons = st.sampled_from(
    ["*/30 * * * *", "0 6 * * *", "30 2 * * *", "0 0,12 * * MON-FRI", "15 1-3 1-10 * *"]
)
intervals = st.integers(1, 2_000).map(lambda minutes: timedelta(minutes=minutes))
offsets = st.integers(-12, 12).map(lambda hours: timezone(timedelta(hours=hours)))
starts = st.datetimes(
    datetime(2026, 3, 1), datetime(2026, 11, 30), timezones=offsets  # noqa: DTZ001 - hypothesis adds the zone
).map(lambda time: time.replace(microsecond=0))  # fmt: skip
zones = st.sampled_from(["UTC", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe"])
days = st.integers(0, 10)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(crons, intervals, starts), min_size=1, max_size=4),
    st.lists(st.one_of(days, st.sampled_from(["* 0-5 * * *", "30 2 * * *", "* * * * SUN"]))),
    zones,
    starts,
    st.booleans(),
)
def test_a_timetable_fires_when_a_plain_evaluator_says_so(
    schedule: list[Any], left_out: list[Any], zone: str, start: datetime, bounded: bool
) -> None:
    rules = ZoneInfo(zone)
    end = start + timedelta(days=10)
    exceptions = [
        each if isinstance(each, str) else (start + timedelta(days=each)).astimezone(rules).date()
        for each in left_out
    ]
    expected: set[datetime] = set()
    for each in schedule:
        if isinstance(each, str):
            times = clock.firings(CronExpression.parse(each), zone, after=start)
            expected |= {time.astimezone(UTC) for time in takewhile(lambda t: t <= end, times)}
        elif isinstance(each, timedelta):
            stamps = range(int(start.timestamp()) + 1, int(end.timestamp()) + 1)
            every = int(each.total_seconds())
            expected |= {
                datetime.fromtimestamp(stamp, UTC)
                for stamp in range(stamps[0] + -stamps[0] % every, stamps[-1] + 1, every)
            }
        elif start < each <= end:
            expected.add(each.astimezone(UTC))
    for each in exceptions:
        if isinstance(each, date):
            expected -= {time for time in expected if time.astimezone(rules).date() == each}
        else:
            times = clock.firings(CronExpression.parse(each), zone, after=start - timedelta(1))
            minutes = {time.astimezone(UTC) for time in takewhile(lambda t: t <= end, times)}
            expected -= {time for time in expected if time.replace(second=0) in minutes}
    try:
        timetable = parse_timetable(
            schedule,
            zone=zone,
            exceptions=exceptions,
            start_at=start + timedelta(seconds=1) if bounded else None,
            end_at=end if bounded else None,
        )
    except ScheduleInvalid as refusal:
        assert "every time" in refusal.what  # noqa: PT017 - the one refusal these can meet
        assert not expected
        return
    after = datetime(2000, 1, 1, tzinfo=UTC) if bounded else start
    actual = list(takewhile(lambda time: time <= end, firings(timetable, after=after)))
    assert [time.astimezone(UTC) for time in actual] == sorted(expected)


def test_a_timetable_is_a_value() -> None:
    assert Timetable((Every(timedelta(hours=1)),)) == parse_timetable("every 1 hour")
    assert hash(parse_timetable("@daily", exceptions="0 0 1 1 *"))


def test_a_config_that_names_no_zone_takes_that_of_its_expression() -> None:
    config = ScheduledJobConfig(name="x", schedule="CRON_TZ=Asia/Kolkata 0 9 * * *")
    assert timetable_of(config).zone == "Asia/Kolkata"
    with pytest.raises(ScheduleInvalid, match="zone"):
        timetable_of(config.model_copy(update={"time_zone": "UTC"}))


def test_a_config_spreads_h_by_its_name() -> None:
    one, other = (
        timetable_of(ScheduledJobConfig(name=name, schedule="H H * * *")) for name in ("a", "b")
    )
    assert one != other
