"""The days that each form means: fixed vectors, a count of every day, and croniter and cronsim."""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

import pytest
from croniter import croniter  # type: ignore[import-untyped] # croniter ships no type hints
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from euryale.errors import ScheduleInvalid
from euryale.time.cron import CronExpression

DAY = timedelta(days=1)
NAMES = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def days(text: str, start: date, end: date) -> list[date]:
    """The days that match, both ends included."""
    expression = CronExpression.parse(f"0 0 {text}")
    count = (end - start).days + 1
    return [start + n * DAY for n in range(count) if expression.matches_day(start + n * DAY)]


def days_of_2026(text: str) -> str:
    found = days(text, date(2026, 1, 1), date(2026, 12, 31))
    return " ".join(f"{day:%m-%d}" for day in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # In 2026, 31 January, 28 February, 31 October and 1 August are Saturdays; 31 May,
        # 1 February, 1 March and 1 November are Sundays.
        ("L * *", "01-31 02-28 03-31 04-30 05-31 06-30 07-31 08-31 09-30 10-31 11-30 12-31"),
        ("L-3 * *", "01-28 02-25 03-28 04-27 05-28 06-27 07-28 08-28 09-27 10-28 11-27 12-28"),
        ("L-30 * *", "01-01 03-01 05-01 07-01 08-01 10-01 12-01"),
        ("LW * *", "01-30 02-27 03-31 04-30 05-29 06-30 07-31 08-31 09-30 10-30 11-30 12-31"),
        ("15W * *", "01-15 02-16 03-16 04-15 05-15 06-15 07-15 08-14 09-15 10-15 11-16 12-15"),
        ("1W * *", "01-01 02-02 03-02 04-01 05-01 06-01 07-01 08-03 09-01 10-01 11-02 12-01"),
        ("28W * *", "01-28 02-27 03-27 04-28 05-28 06-29 07-28 08-28 09-28 10-28 11-27 12-28"),
        ("31W * *", "01-30 03-31 05-29 07-31 08-31 10-30 12-31"),
        ("30W * *", "01-30 03-30 04-30 05-29 06-30 07-30 08-31 09-30 10-30 11-30 12-30"),
        ("* * MON#2", "01-12 02-09 03-09 04-13 05-11 06-08 07-13 08-10 09-14 10-12 11-09 12-14"),
        ("* * 0#1", "01-04 02-01 03-01 04-05 05-03 06-07 07-05 08-02 09-06 10-04 11-01 12-06"),
        ("* * 7#1", "01-04 02-01 03-01 04-05 05-03 06-07 07-05 08-02 09-06 10-04 11-01 12-06"),
        ("* * SAT#5", "01-31 05-30 08-29 10-31"),
        ("* * 5L", "01-30 02-27 03-27 04-24 05-29 06-26 07-31 08-28 09-25 10-30 11-27 12-25"),
        ("* * L5", "01-30 02-27 03-27 04-24 05-29 06-26 07-31 08-28 09-25 10-30 11-27 12-25"),
        ("* * friL", "01-30 02-27 03-27 04-24 05-29 06-26 07-31 08-28 09-25 10-30 11-27 12-25"),
        ("* * 7L", "01-25 02-22 03-29 04-26 05-31 06-28 07-26 08-30 09-27 10-25 11-29 12-27"),
        # Lists join what their items say.
        ("1,15W,L 2,3 *", "02-01 02-16 02-28 03-01 03-16 03-31"),
        ("? 2 MON#1,WED#3,5L", "02-02 02-18 02-27"),
        # Either day, unless one of the fields begins with a star.
        ("L 2 MON#2", "02-09 02-28"),
        ("15W 2 SUN", "02-01 02-08 02-15 02-16 02-22"),
        ("*/2 * SAT#5", "01-31 08-29 10-31"),
        ("LW * */5", "01-30 02-27 05-29 07-31 10-30"),
        ("30 2 FRI", "02-06 02-13 02-20 02-27"),
    ],
)
def test_each_form_means_the_days_that_people_who_know_it_expect(text: str, expected: str) -> None:
    assert days_of_2026(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L 2 *", ["2027-02-28", "2028-02-29", "2029-02-28"]),
        ("L-28 2 *", ["2028-02-01"]),
        ("29W 2 *", ["2028-02-29"]),
        ("28W 2 *", ["2027-02-26", "2028-02-28", "2029-02-28"]),
        ("LW 2 *", ["2027-02-26", "2028-02-29", "2029-02-28"]),
        ("* 2 TUE#5", ["2028-02-29"]),
        ("* 2 2L", ["2027-02-23", "2028-02-29", "2029-02-27"]),
    ],
)
def test_february_knows_leap_years(text: str, expected: list[str]) -> None:
    found = days(text, date(2027, 1, 1), date(2029, 12, 31))
    assert [day.isoformat() for day in found] == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("* * *", 1),
        ("13 * *", 1),
        ("*/2 * 5", 1),
        ("13 * 5", 2),
        ("1-31 * 1", 1),
        ("30 2 MON", 1),
        ("* * 5#2", 1),
        ("* * MON#1,MON#3", 1),
        ("L * *", 1),
        ("L,L-3 * *", 1),
        ("* * 5L", 1),
        ("1W * *", 2),
        ("15W * *", 3),
        ("LW * *", 2),
        ("L * FRI", 2),
        ("*,15W * *", 1),
    ],
)
def test_the_rules_are_as_few_as_can_be(text: str, count: int) -> None:
    assert len(CronExpression.parse(f"0 0 {text}").day_rules) == count


# --- differential: a reading of each day by what the form's name says ----------------------------


@dataclass(frozen=True)
class Written:
    """An item of a day field, and the days of a month that it means, counted one by one."""

    text: str
    kind: str
    number: int = 0
    weekday: int = 0
    span: tuple[int, ...] = ()

    def days(self, year: int, month: int) -> set[int]:
        length = calendar.monthrange(year, month)[1]
        month_days = range(1, length + 1)
        weekdays = {day: date(year, month, day).isoweekday() % 7 for day in month_days}
        working = [day for day in month_days if 1 <= weekdays[day] <= 5]
        of_weekday = [day for day in month_days if weekdays[day] == self.weekday]
        found: list[int] = []
        match self.kind:
            case "days":
                found = list(self.span)
            case "weekdays":
                found = [day for day in month_days if weekdays[day] in self.span]
            case "L":
                found = [length - self.number]
            case "LW":
                found = working[-1:]
            case "W" if self.number <= length:
                # No two working days are equally near to a Saturday or a Sunday.
                found = [min(working, key=lambda day: abs(day - self.number))]
            case "#":
                found = of_weekday[self.number - 1 : self.number]
            case "last":
                found = of_weekday[-1:]
        return set(found) & set(month_days)


def spans(low: int, high: int, kind: str) -> st.SearchStrategy[Written]:
    """A value, or a range that may wrap."""
    cycle = high - low + 1

    def written(first: int, last: int) -> Written:
        count = (last - first) % cycle + 1
        span = tuple((first - low + n) % cycle + low for n in range(count))
        return Written(f"{first}-{last}" if first != last else str(first), kind, span=span)

    return st.builds(written, st.integers(low, high), st.integers(low, high))


weekday = st.integers(0, 6)
items_in_month = st.one_of(
    spans(1, 31, "days"),
    st.integers(0, 30).map(lambda n: Written(f"L-{n}" if n else "L", "L", n)),
    st.just(Written("LW", "LW")),
    st.integers(1, 31).map(lambda n: Written(f"{n}W", "W", n)),
)
items_in_week = st.one_of(
    spans(0, 6, "weekdays"),
    st.tuples(weekday, st.integers(1, 5)).map(
        lambda parts: Written(f"{NAMES[parts[0]]}#{parts[1]}", "#", parts[1], parts[0])
    ),
    weekday.map(lambda day: Written(f"{day}L", "last", weekday=day)),
    weekday.map(lambda day: Written(f"L{day}", "last", weekday=day)),
)
every_second_day = Written("*/2", "days", span=tuple(range(1, 32, 2)))
every_second_weekday = Written("*/2", "weekdays", span=(0, 2, 4, 6))


def field(
    items: st.SearchStrategy[Written], starred: Written, all_days: Written
) -> st.SearchStrategy[tuple[Written, ...]]:
    return st.one_of(
        st.just((all_days,)),
        st.lists(items, max_size=2).map(lambda rest: (starred, *rest)),
        st.lists(items, min_size=1, max_size=3).map(tuple),
    )


fields_in_month = field(
    items_in_month, every_second_day, Written("*", "days", span=tuple(range(1, 32)))
)
fields_in_week = field(
    items_in_week, every_second_weekday, Written("?", "weekdays", span=tuple(range(7)))
)


@settings(max_examples=200, deadline=None)
@given(fields_in_month, fields_in_week, st.integers(2000, 2097))
def test_every_day_of_four_years_matches_as_its_forms_say(
    in_month: tuple[Written, ...], in_week: tuple[Written, ...], year: int
) -> None:
    text = " * ".join(",".join(item.text for item in items) for items in (in_month, in_week))
    either = in_month[0].text[0] != "*" and in_week[0].text[0] not in "*?"
    expected = []
    for month in ((year + n, month) for n in range(4) for month in range(1, 13)):
        by_month = set().union(*(item.days(*month) for item in in_month))
        by_week = set().union(*(item.days(*month) for item in in_week))
        matching = by_month | by_week if either else by_month & by_week
        expected += [date(*month, day) for day in sorted(matching)]
    try:
        found = days(text, date(year, 1, 1), date(year + 3, 12, 31))
    except ScheduleInvalid as refusal:
        assert "never meet" in refusal.what  # noqa: PT017 - the one refusal these texts can meet
        assert expected == []
        return
    assert found == expected


# --- differential: croniter and cronsim, where they mean the same --------------------------------


def first_days(text: str, count: int) -> list[date]:
    expression = CronExpression.parse(f"0 0 {text}")
    found = (date(2026, 1, 1) + n * DAY for n in range(40_000))
    return list(islice((day for day in found if expression.matches_day(day)), count))


# croniter takes 31W as the last working day where a month has no 31st, and W in no list.
@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.integers(1, 28).map("{}W * *".format),
        st.just("L * *"),
        st.tuples(weekday, st.integers(1, 5)).map(lambda parts: f"* * {parts[0]}#{parts[1]}"),
        weekday.map("* * L{}".format),
        st.tuples(st.integers(1, 28), weekday).map(lambda parts: f"{parts[0]} * {parts[1]}"),
    )
)
def test_croniter_finds_the_same_days(text: str) -> None:
    times = croniter(f"0 0 {text}", datetime(2025, 12, 31, 12)).all_next(datetime)  # noqa: DTZ001 - wall-clock days have no zone
    assert first_days(text, 30) == [time.date() for time in islice(times, 30)]


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.sampled_from(["L * *", "LW * *", "1,L * *", "LW * 1"]),
        st.tuples(weekday, st.integers(1, 5)).map(lambda parts: f"* * {parts[0]}#{parts[1]}"),
        weekday.map("* * {}L".format),
        st.tuples(st.integers(1, 28), weekday).map(lambda parts: f"{parts[0]},L * {parts[1]}L"),
        st.tuples(st.integers(2, 9), weekday).map(lambda parts: f"*/{parts[0]} * {parts[1]}#2"),
    )
)
def test_cronsim_finds_the_same_days(text: str) -> None:
    times = list(islice(CronSim(f"0 0 {text}", datetime(2025, 12, 31, 12)), 30))  # noqa: DTZ001 - wall-clock days have no zone
    assert first_days(text, len(times)) == [time.date() for time in times]
