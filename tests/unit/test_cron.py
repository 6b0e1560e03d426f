"""Cron expressions: what is read, and what is refused with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from euryale.cron import DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, MONTH, CronExpression
from euryale.errors import ScheduleInvalid


def refusal(text: str) -> str:
    with pytest.raises(ScheduleInvalid) as caught:
        CronExpression.parse(text, where="jobs/report.py:3")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0 0 * * *", ((0,), (0,), DAY_OF_MONTH.every, MONTH.every, DAY_OF_WEEK.every)),
        ("* * * * *", tuple(field.every for field in FIELDS)),
        ("0-59 0-23 1-31 1-12 0-7", tuple(field.every for field in FIELDS)),
        (
            "5,20-22,*/30 08-10/2 1-1 jan,DEC sun-Tue",
            ((0, 5, 20, 21, 22, 30), (8, 10), (1,), (1, 12), (0, 1, 2)),
        ),
        ("50/5 23/2 30/9 11/1 4", ((50, 55), (23,), (30,), (11, 12), (4,))),
        ("*/90 */24 */31 */12 */7", ((0,), (0,), (1,), (1,), (0,))),
    ],
)
def test_each_field_matches_the_values_that_it_names(
    text: str, values: tuple[tuple[int, ...], ...]
) -> None:
    parsed = CronExpression.parse(text)
    assert values == (
        parsed.minutes,
        parsed.hours,
        parsed.days_of_month,
        parsed.months,
        parsed.days_of_week,
    )


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", (0,)),
        ("7", (0,)),
        ("5-7", (0, 5, 6)),
        ("1-7", (0, 1, 2, 3, 4, 5, 6)),
        ("1-7/2", (0, 1, 3, 5)),
        ("0-7/2", (0, 2, 4, 6)),
        ("FRI-7", (0, 5, 6)),
        ("6,7,0", (0, 6)),
        ("*/2", (0, 2, 4, 6)),
        ("1-1", (1,)),
        ("7-7", (0,)),
        ("0/2", (0, 2, 4, 6)),
        ("4/2", (4, 6)),
    ],
)
def test_seven_is_sunday_wherever_it_stands(field: str, days: tuple[int, ...]) -> None:
    assert CronExpression.parse(f"0 0 * * {field}").days_of_week == days


@pytest.mark.parametrize(
    ("nickname", "fields"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@Midnight", "0 0 * * *"),
        ("@HOURLY", "0 * * * *"),
    ],
)
def test_a_nickname_stands_for_its_five_fields(nickname: str, fields: str) -> None:
    named, spelt = CronExpression.parse(nickname), CronExpression.parse(fields)
    assert named.text == nickname
    for part in ("minutes", "hours", "days_of_month", "months", "days_of_week", "wildcards"):
        assert getattr(named, part) == getattr(spelt, part)


def test_spaces_and_tabs_around_and_between_the_fields_mean_nothing() -> None:
    assert CronExpression.parse("  0\t0  * *   * ") == CronExpression.parse("0 0 * * *")


@pytest.mark.parametrize(
    ("text", "either"),
    [
        ("0 0 13 * 5", True),
        ("0 0 1-31 * 0-6", True),
        ("0 0 */2 * 5", False),
        ("0 0 13 * */2", False),
        ("0 0 *,13 * 5", False),
        ("0 0 13 * *", False),
        ("0 0 * * *", False),
    ],
)
def test_a_day_field_that_begins_with_a_star_is_not_restricted(text: str, either: bool) -> None:
    assert CronExpression.parse(text).either_day is either


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "schedule '' has 0 fields, not 5"),
        ("* *", "day of month, month, day of week, perhaps '* * * * *'"),
        ("0 0 0 * * *", "has 6 fields, not 5. Seconds and years are not supported yet"),
        ("0 0 * * * * 2026", "has 7 fields, not 5"),
        ("every 15 minutes", "has 3 fields, not 5"),
        ("0 25 * * *", "hour '25' in schedule '0 25 * * *' is out of range: 25 is not 0 to 23"),
        ("60 * * * *", "minute '60'"),
        ("0 0 0 * *", "day of month '0'"),
        ("0 0 32 * *", "day of month '32'"),
        ("0 0 * 0 *", "month '0'"),
        ("0 0 * 13 *", "Use 1 to 12, or JAN to DEC"),
        ("0 0 * * 8", "day of week '8' in schedule '0 0 * * 8' is out of range: 8 is not 0 to 7"),
        ("0 0 * * 5-8", "day of week '5-8'"),
        (f"{'9' * 5000} * * * *", "is out of range"),
        ("*/0 * * * *", "minute '*/0' in schedule '*/0 * * * *' has a step of 0. Use a step of 1"),
        ("0 0 * FOO *", "month 'FOO' in schedule '0 0 * FOO *' names no value of the field"),
        ("0 0 * * MONDAY", "Did you mean MON?"),
        ("MON * * * *", "minute 'MON' in schedule 'MON * * * *' is no number"),
        ("0 0 30 2 *", "never meet: FEB has no day 30. Use a day up to 29, or another month"),
        ("0 0 30 FEB */2", "FEB has no day 30"),
        ("0 0 31 4,JUN *", "APR or JUN has no day 31. Use a day up to 30"),
        ("0 22-2 * * *", "wrap-around ranges are not supported yet. Write 22-23,0-2"),
        ("0 23-0 * * *", "Write 23,0"),
        ("0 0 * 11-2/2 *", "Write 11,1"),
        ("0 0 * * FRI-MON", "Write 5-6,0-1"),
        ("0 0 * * SAT-SUN", "Write 6-7"),
        ("0 0 * * 7-2", "Write 0-2"),
        ("0 0 * * 1/2", "day of week '1/2' in schedule '0 0 * * 1/2' is ambiguous"),
        ("0 0 * * 7/2", "is ambiguous: some crons count to Saturday, some to Sunday. Write 0"),
        ("0 0 L * *", "day of month 'L' in schedule '0 0 L * *' uses L"),
        ("0 0 L-3 * *", "uses L"),
        ("0 0 1-L * *", "uses L"),
        ("0 0 * * 5L", "uses L"),
        ("0 0 * * L5", "uses L"),
        ("0 0 * * friL", "uses L"),
        ("0 0 15W * *", "day of month '15W' in schedule '0 0 15W * *' uses W"),
        ("0 0 w15 * *", "uses W"),
        ("0 0 LW * *", "uses W"),
        ("0 0 * * MON#2", "uses #, and an nth weekday of the month is not supported yet"),
        ("0 0 ? * MON", "day of month '?' in schedule '0 0 ? * MON' uses ?, which Unix cron"),
        ("H * * * *", "minute 'H' in schedule 'H * * * *' leaves the value to chance"),
        ("H(0-29)/10 * * * *", "leaves the value to chance"),
        ("R * * * *", "leaves the value to chance"),
        ("1,,2 * * * *", "minute '' in schedule '1,,2 * * * *' has an empty place in its list"),
        ("-1 * * * *", "minute '-1' in schedule '-1 * * * *' can't be read"),
        ("*-5 * * * *", "can't be read"),
        ("1-2-3 * * * *", "can't be read"),
        ("*/2/3 * * * *", "can't be read"),
        ("1.5 * * * *", "can't be read"),
        ("٣ * * * *", "can't be read"),
        ("0 0 * * \u017fun", "can't be read"),
        ("@dayly", "Did you mean @daily?"),
        ("@reboot", "schedule '@reboot' is none of @yearly"),
        ("@every 10m", "Write five fields, such as '*/10 * * * *'"),
        ("@daily 5", "is none of"),
        ("CRON_TZ=UTC 0 0 * * *", "names a time zone. Give the zone as the config's time_zone"),
    ],
)  # fmt: skip
def test_what_means_nothing_or_something_else_is_refused_by_field_and_reason(
    text: str, message: str
) -> None:
    assert message in refusal(text)


def test_a_refusal_says_where_the_expression_stands() -> None:
    assert refusal("0 25 * * *").startswith("jobs/report.py:3: ")
    assert refusal("0 25 * * *").endswith("[EUR107]")


def test_a_refusal_of_a_long_expression_stays_readable() -> None:
    assert len(refusal(",".join(["0"] * 10_000) + " * * * 8")) < 1_000


def test_an_impossible_date_beside_a_weekday_still_means_the_weekday() -> None:
    assert CronExpression.parse("0 0 30 2 MON").either_day


@given(st.text(alphabet="0123456789*/,-?#@LWHRlw .\t\x00MONjan\u017f٣", max_size=30))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        expression = CronExpression.parse(text)
    except ScheduleInvalid:
        return
    assert expression.minutes
    assert expression.days_of_week
