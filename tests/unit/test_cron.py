"""Cron expressions: what is read, and what is refused with which words."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from euryale.errors import ScheduleInvalid
from euryale.time.cron import CronExpression
from euryale.time.cron_fields import (
    DAY_OF_MONTH,
    DAY_OF_WEEK,
    FIELDS,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    CronField,
    FieldText,
    read_field,
)


def refusal(text: str, job: str = "report") -> str:
    with pytest.raises(ScheduleInvalid) as caught:
        CronExpression.parse(text, where="jobs/report.py:3", name=job)
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
        parsed.day_of_month.values,
        parsed.months,
        parsed.day_of_week.values,
    )
    assert parsed.seconds == (0,)


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
        ("7-2", (0, 1, 2)),
        ("7-0", (0,)),
        ("6-7", (0, 6)),
        ("SAT-SUN", (0, 6)),
    ],
)
def test_seven_is_sunday_wherever_it_stands(field: str, days: tuple[int, ...]) -> None:
    assert CronExpression.parse(f"0 0 * * {field}").day_of_week.values == days


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
    assert replace(named, text=fields) == spelt


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
        ("0 0 ? * 5", False),
        ("0 0 13 * ?", False),
        ("0 0 L * 5", True),
        ("0 0 13 * MON#2", True),
        ("0 0 13 * H", True),
        ("0 0 */2 * 5L", False),
    ],
)
def test_a_day_field_that_begins_with_a_star_is_not_restricted(text: str, either: bool) -> None:
    assert CronExpression.parse(text, name="report").either_day is either


@pytest.mark.parametrize(
    ("text", "wildcard"),
    [
        ("0 * * * *", True),
        ("*/15 1-2 * * *", True),
        ("30 */2 * * *", True),
        ("30 *,2 * * *", True),
        ("30 2 * * *", False),
        ("0 0-23 * * *", False),
        ("0-59 2 * * *", False),
        ("H/15 2 * * *", False),
        ("* 30 2 * * *", False),
        ("@hourly", True),
        ("@daily", False),
    ],
)
def test_the_time_of_day_is_open_where_the_minute_or_the_hour_begins_with_a_star(
    text: str, wildcard: bool
) -> None:
    assert CronExpression.parse(text, name="report").hour_is_wildcard is wildcard


# --- what Medusa's cron-parser, Quartz and Jenkins add --------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0 0 0 * * *", (0,)),
        ("*/20 * * * * *", (0, 20, 40)),
        ("5,30-32 0 9 * * MON-FRI", (5, 30, 31, 32)),
        ("50-10/10 * * * * *", (0, 10, 50)),
        ("* * * * * *", tuple(range(60))),
    ],
)
def test_of_six_fields_the_first_is_the_second(text: str, seconds: tuple[int, ...]) -> None:
    parsed = CronExpression.parse(text)
    assert parsed.seconds == seconds
    rest = CronExpression.parse(text.partition(" ")[2])
    assert replace(parsed, text=rest.text, seconds=(0,)) == rest


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0 22-2 * * *", (0, 1, 2, 22, 23)),
        ("0 23-0 * * *", (0, 23)),
        ("0 22-3/2 * * *", (0, 2, 22)),
        ("50-10/5 * * * *", (0, 5, 10, 50, 55)),
        ("0 0 28-3 * *", (1, 2, 3, 28, 29, 30, 31)),
        ("0 0 * NOV-FEB *", (1, 2, 11, 12)),
        ("0 0 * 11-2/2 *", (1, 11)),
        ("0 0 * 10-4/3 *", (1, 4, 10)),
        ("0 0 * * FRI-MON", (0, 1, 5, 6)),
        ("0 0 * * 5-0", (0, 5, 6)),
        ("0 0 * * FRI-MON/2", (0, 5)),
        ("0 0 * * FRI-THU", (0, 1, 2, 3, 4, 5, 6)),
    ],
)
def test_a_range_that_runs_backwards_goes_over_the_fields_end(
    text: str, values: tuple[int, ...]
) -> None:
    parsed = CronExpression.parse(text)
    assert values in (
        parsed.minutes,
        parsed.hours,
        parsed.day_of_month.values,
        parsed.months,
        parsed.day_of_week.values,
    )


@given(st.sampled_from([SECOND, MINUTE, HOUR, MONTH, DAY_OF_WEEK]), st.data())
def test_a_range_takes_every_nth_value_on_the_way_from_its_first_to_its_last(
    field: CronField, data: st.DataObject
) -> None:
    first, last = data.draw(st.sampled_from(field.every)), data.draw(st.sampled_from(field.every))
    step = data.draw(st.integers(1, 70))
    way = [first]
    while way[-1] != last:
        way.append(field.low if way[-1] == field.high else way[-1] + 1)
    expected = tuple(sorted(way[::step]))
    written = FieldText(f"{first}-{last}/{step}", field, "")
    assert read_field(written).values == expected


def test_a_question_mark_leaves_a_day_field_to_the_other_one() -> None:
    for text, same in [("0 0 ? * MON", "0 0 * * MON"), ("0 0 13 * ?", "0 0 13 * *")]:
        assert replace(CronExpression.parse(text), text=same) == CronExpression.parse(same)


def test_h_is_the_same_for_a_job_at_all_times_and_on_all_machines() -> None:
    parsed = CronExpression.parse("H H H H H", name="publish-once-a-day")
    assert parsed == CronExpression.parse("H H H H H", name="publish-once-a-day")
    # Written down, because another hash would move every job that is deployed.
    assert (parsed.minutes, parsed.hours, parsed.months) == ((6,), (11,), (2,))
    assert (parsed.day_of_month.values, parsed.day_of_week.values) == ((25,), (3,))


def test_h_spreads_jobs_over_all_values_of_a_field() -> None:
    jobs = [CronExpression.parse("H H H H H H", name=f"job-{number}") for number in range(2_000)]
    assert {job.seconds[0] for job in jobs} == set(SECOND.every)
    assert {job.minutes[0] for job in jobs} == set(MINUTE.every)
    assert {job.hours[0] for job in jobs} == set(HOUR.every)
    assert {job.months[0] for job in jobs} == set(MONTH.every)
    assert {job.day_of_week.values[0] for job in jobs} == set(DAY_OF_WEEK.every)
    # Every month has 28 days.
    assert {job.day_of_month.values[0] for job in jobs} == set(range(1, 29))
    at_once = max(sum(job.minutes == (minute,) for job in jobs) for minute in MINUTE.every)
    assert at_once < 3 * len(jobs) / 60


@given(st.text(min_size=1, max_size=20), st.integers(0, 59), st.integers(0, 59), st.integers(1, 60))
def test_h_keeps_to_its_range_and_step(job: str, low: int, high: int, step: int) -> None:
    low, high = min(low, high), max(low, high)
    (value,) = CronExpression.parse(f"H({low}-{high}) * * * *", name=job).minutes
    assert low <= value <= high
    if step <= high - low + 1:
        values = CronExpression.parse(f"H({low}-{high})/{step} * * * *", name=job).minutes
        assert values == tuple(range(values[0], high + 1, step))
        assert low <= values[0] < low + step


def test_h_with_a_step_goes_through_the_whole_field() -> None:
    for number in range(20):
        minutes = CronExpression.parse("H/15 * * * *", name=f"job-{number}").minutes
        assert [minute - minutes[0] for minute in minutes] == [0, 15, 30, 45]
        days = CronExpression.parse("0 0 H/9 * *", name=f"job-{number}").day_of_month.values
        assert [day - days[0] for day in days] in ([0, 9, 18], [0, 9, 18, 27])
        week = CronExpression.parse("0 0 * * H(1-7)", name=f"job-{number}").day_of_week.values
        assert len(week) == 1


def test_an_expression_may_name_its_zone() -> None:
    parsed = CronExpression.parse("CRON_TZ=Asia/Kolkata 0 9 * * *", where="jobs/report.py:3")
    assert parsed.zone == "Asia/Kolkata"
    assert parsed.hours == (9,)
    assert CronExpression.parse("CRON_TZ=UTC @daily").zone == "UTC"
    assert CronExpression.parse("0 9 * * *").zone is None


def test_a_zone_beside_the_expression_must_be_the_same() -> None:
    named = CronExpression.parse("CRON_TZ=Asia/Kolkata 0 9 * * *")
    plain = CronExpression.parse("0 9 * * *")
    assert named.in_zone(None) == named.in_zone("Asia/Kolkata") == "Asia/Kolkata"
    assert plain.in_zone("Africa/Lagos") == "Africa/Lagos"
    assert plain.in_zone(None) == "UTC"
    with pytest.raises(ScheduleInvalid, match="names another zone than time_zone 'UTC'") as caught:
        named.in_zone("UTC", where="jobs/report.py:3")
    assert caught.value.where == "jobs/report.py:3"


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "schedule '' has 0 fields, not 5"),
        ("* *", "day of month, month, day of week, perhaps '* * * * *'"),
        ("0 0 1 1 * 2027", "ends with a year, and of six fields the first is the second"),
        ("0 0 * * * * 2026", "has 7 fields, not 5, or 6 with the second first"),
        ("every 15 minutes", "is an interval, where a cron expression is asked for. Write cron"),
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
        ("0 0 20-5/2 * *", "is ambiguous: months differ in length, and so the step goes on"),
        ("60 * * * * *", "second '60' in schedule '60 * * * * *' is out of range"),
        ("1,60 0 * * * *", "second '60'"),
        ("0 0 * * 1/2", "day of week '1/2' in schedule '0 0 * * 1/2' is ambiguous"),
        ("0 0 * * 7/2", "is ambiguous: some crons count to Saturday, some to Sunday. Write 0"),
        ("0 0 1-L * *", "day of month '1-L' in schedule '0 0 1-L * *' uses L in a way that can be"),
        ("0 0 1,L/2 * *", "day of month 'L/2' in schedule '0 0 1,L/2 * *' uses L in a way"),
        ("0 0 5L * *", "or 5L in the day of week field for the last Friday"),
        ("0 0 L-0 * *", "is out of range: L takes 1 to 30 days away. Write L for the last day"),
        ("0 0 L-31 * *", "is out of range"),
        ("0 0 L-3W * *", "uses W with something else than one day"),
        ("0 0 1-15W * *", "uses W with something else than one day"),
        ("0 0 w15 * *", "Write 15W for the Monday to Friday nearest to the 15th"),
        ("0 0 WL * *", "LW for the month's last"),
        ("0 0 W * *", "or MON-FRI in the day of week field for all of them"),
        ("0 0 0W * *", "day of month '0W' in schedule '0 0 0W * *' is out of range"),
        ("0 0 32W * *", "is out of range: 32 is not 1 to 31"),
        ("0 0 2#1 * *", "uses #, which counts weekdays. Write it in the day of week field"),
        ("0 0 * * L", "is ambiguous: in some crons it is Saturday, in some Sunday"),
        ("0 0 * * L-3", "uses L with something else than one weekday"),
        ("0 0 * * 1-5L", "uses L with something else than one weekday"),
        ("0 0 * * 5L/2", "Write 5L or FRIL for the last Friday of the month"),
        ("0 0 * * 8L", "day of week '8L' in schedule '0 0 * * 8L' is out of range"),
        ("0 0 * * FOOL", "names no value of the field"),
        ("0 0 * * 15W", "uses W, which is for the day of month"),
        ("0 0 * * MON#6", "is out of range: a month has each weekday 4 or 5 times. Use #1 to #5"),
        ("0 0 * * MON#0", "is out of range"),
        ("0 0 * * 8#1", "day of week '8#1' in schedule '0 0 * * 8#1' is out of range"),
        ("0 0 * * MON-FRI#2", "uses # with something else than one weekday"),
        ("0 0 * * MON#L", "uses # with something else than one weekday"),
        ("0 0 * * #2", "uses # with something else than one weekday"),
        ("0 0 ? * ?", "both day fields of schedule '0 0 ? * ?' are ?"),
        ("0 0 ?,13 * 5", "joins ? with something else. Write ? alone, or * in its place"),
        ("0 0 ?/2 * 5", "joins ? with something else"),
        ("? * * * *", "minute '?' in schedule '? * * * *' is for the day fields alone"),
        ("0 L * * *", "hour 'L' in schedule '0 L * * *' is for the day fields alone"),
        ("0 0 * 5L *", "month '5L' in schedule '0 0 * 5L *' is for the day fields alone"),
        ("0 0 30 2 L", "is ambiguous"),
        ("0 0 30W 2 *", "day of month, month and day of week in schedule '0 0 30W 2 *' never meet"),
        ("0 0 L-29 2 *", "never meet"),
        ("0 0 */30 * MON#2", "never meet"),
        ("0 0 15W * */6", "never meet"),
        ("0 0 31 FEB,APR ?", "FEB or APR has no day 31"),
        ("H(30-10) * * * *", "is a range that runs backwards. Write H(10-30)"),
        ("H(0-60) * * * *", "is out of range: 60 is not 0 to 59"),
        ("H/0 * * * *", "has a step of 0"),
        ("H/61 * * * *", "has a step longer than its 60 values. Use a step of 1 to 60"),
        ("H(0-9)/11 * * * *", "has a step longer than its 10 values"),
        ("H(5) * * * *", "leaves its value to chance in a way that has no meaning here"),
        ("H-5 * * * *", "leaves its value to chance"),
        ("R * * * *", "Write H, H(0-29) or H/15, which spread jobs by their names"),
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
        ("@every 10m", "is an interval, where a cron expression is asked for"),
        ("every fortnight", "is no interval. Write hours, minutes and seconds"),
        ("@daily 5", "is none of"),
        ("CRON_TZ=Asia/Calcuta 0 0 * * *", "'Asia/Calcuta' is no name of the IANA time zone"),
        ("CRON_TZ= 0 0 * * *", "'' is no name of the IANA time zone"),
        ("CRON_TZ=UTC", "has 0 fields"),
        ("TZ=UTC 0 0 * * *", "begins with TZ=. Write CRON_TZ=UTC"),
        ("cron_tz=UTC 0 0 * * *", "begins with cron_tz=. Write CRON_TZ=UTC"),
        ("CRON_TZ=UTC every 10m", "is an interval"),
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


def test_h_without_a_job_to_spread_by_is_refused() -> None:
    assert "is spread by the job's name, and there is none" in refusal("H * * * *", job="")


@given(st.text(alphabet="0123456789*/,-?#@()=LWHRlw .\t\x00MONjan\u017f٣", max_size=30))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        expression = CronExpression.parse(text)
    except ScheduleInvalid:
        return
    assert expression.minutes
    assert expression.day_rules
