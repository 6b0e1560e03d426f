"""Comparing two engines, choosing the config that means the same, and writing it down."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from euryale import ScheduledJobConfig
from euryale.errors import JobFileNotWritten
from euryale.imports.comparison import COMPARED, Comparison, compare
from euryale.imports.cron_text import CronFields
from euryale.imports.entry import Firings, ImportedJob, Refusal
from euryale.imports.importer import ProvenJob, named_apart, prove, remembered
from euryale.imports.job_file_text import job_file_text
from euryale.imports.job_names import file_stem, job_name, unique_names
from euryale.imports.writing import write_job_files
from euryale.time.cron import CronExpression
from euryale.time.timetable import firings, parse_timetable

AFTER = datetime(2026, 11, 1, tzinfo=UTC)
BERLIN = "Europe/Berlin"
EVERY_MONTH = frozenset(range(1, 13))
EVERY_DAY = frozenset(range(1, 32))
EVERY_WEEKDAY = frozenset(range(7))


def engine(schedule: str, zone: str = "UTC") -> Firings:
    timetable = parse_timetable(schedule, zone=zone)
    return lambda after: firings(timetable, after=after)


def compared(theirs: str, ours: str, zone: str = "UTC") -> Comparison:
    return compare(engine(theirs, zone), engine(ours, zone), zone, after=AFTER)


def test_equal_engines_have_no_differences() -> None:
    told = compared("30 2 * * *", "30 2 * * *", BERLIN)
    assert (told.compared, told.equal, told.differences) == (COMPARED, COMPARED, ())
    assert told.changes == 4
    assert told.until is not None
    assert told.until.tzinfo is not None


def test_firings_that_only_one_engine_has_are_told_with_their_side() -> None:
    told = compared("0 9 * * *", "0 9 * * MON-SAT,SUN#1")
    first = told.differences[0]
    assert first.theirs == datetime(2026, 11, 8, 9, tzinfo=UTC)
    assert first.ours is None
    assert first.words == "only theirs fires"
    assert compared("0 9 * * MON", "0 9 * * *").differences[0].words == "only Euryale fires"


def test_a_firing_at_another_time_is_one_difference() -> None:
    told = compared("30 9 * * MON", "0 9 * * MON")
    assert len(told.differences) == told.compared
    assert told.differences[0].words == "Euryale fires earlier"


def test_a_job_that_runs_often_is_compared_on_the_days_to_come_too() -> None:
    # On 1 November 2026, a Sunday, a thousand minutes tell nothing of Christmas.
    told = compared("* * * * *", "* * 1-24,26-31 * *")
    assert told.equal == told.compared == COMPARED
    assert [each.theirs and each.theirs.day for each in told.differences][:1] == [25]


def test_a_job_that_runs_often_is_compared_around_each_change_of_the_clocks() -> None:
    hourly = parse_timetable("0 * * * *", zone=BERLIN)
    skipping = parse_timetable("0 * * * *", zone=BERLIN, dst="skip")
    told = compare(
        lambda after: firings(hourly, after=after),
        lambda after: firings(skipping, after=after),
        BERLIN,
        after=AFTER,
    )
    assert told.equal == told.compared
    assert {each.words for each in told.differences} == {
        "the clocks go back from 03:00 to 02:00: only theirs fires"
    }


def test_an_engine_that_ends_is_compared_to_its_end() -> None:
    told = compare(
        lambda _: iter([AFTER + timedelta(days=1)]), engine("@daily"), "UTC", after=AFTER
    )
    assert told.compared == 1
    assert told.differences[0].ours == AFTER + timedelta(days=2)


def test_an_engine_that_answers_the_same_time_again_and_again_is_not_believed() -> None:
    def stuck(after: datetime) -> Iterator[datetime]:
        yield after + timedelta(days=1)
        yield after + timedelta(days=1)
        yield after + timedelta(days=2)

    assert compare(stuck, engine("@daily"), "UTC", after=AFTER).equal == 2


def test_remembered_firings_are_asked_of_the_engine_once() -> None:
    asked: list[datetime] = []

    def engine_(after: datetime) -> Iterator[datetime]:
        asked.append(after)
        yield after + timedelta(days=1)

    firings_ = remembered(engine_)
    assert list(firings_(AFTER)) == list(firings_(AFTER)) == [AFTER + timedelta(days=1)]
    assert asked == [AFTER]


@pytest.mark.parametrize(
    ("days", "weekdays", "config"),
    [
        (EVERY_DAY, EVERY_WEEKDAY, {"schedule": "0 9 * * *"}),
        ({13}, EVERY_WEEKDAY, {"schedule": "0 9 13 * *"}),
        (EVERY_DAY, {1, 2, 3}, {"schedule": "0 9 * * 1-3"}),
        (range(8, 15), {1}, {"schedule": "0 9 * * 1#2"}),
        (range(1, 8), {1, 3}, {"schedule": "0 9 * * 1#1,3#1"}),
        (range(1, 32, 2), {1}, {"schedule": "0 9 */2 * 1"}),
        ({13}, {5}, {"schedule": "0 9 13 * *", "except_": ("* * * * 0-4,6",)}),
    ],
)
def test_both_day_fields_match_in_an_expression_or_by_an_exception(
    days: frozenset[int], weekdays: frozenset[int], config: dict[str, object]
) -> None:
    fields = CronFields(
        minutes=frozenset({0}),
        hours=frozenset({9}),
        days=frozenset(days),
        months=EVERY_MONTH,
        weekdays=frozenset(weekdays),
    )
    written = next(fields.configs())
    assert written == config
    timetable = parse_timetable(written["schedule"], exceptions=written.get("except_", ()))
    for fired, _ in zip(firings(timetable, after=AFTER), range(50), strict=False):
        assert fired.day in days
        assert fired.isoweekday() % 7 in weekdays


def test_either_day_field_matches_where_the_other_engine_says_so() -> None:
    fields = CronFields(
        minutes=frozenset({0}),
        hours=frozenset({9}),
        days=frozenset(range(1, 32, 2)),
        months=EVERY_MONTH,
        weekdays=frozenset({1}),
        both_days=False,
    )
    text = next(fields.configs())["schedule"]
    assert text == "0 9 1-31/2 * 1"
    assert CronExpression.parse(text).either_day


def imported(*candidates: ScheduledJobConfig, theirs: str, zone: str = "UTC") -> ImportedJob:
    return ImportedJob(
        origin="crontab:4",
        written=theirs,
        work='/bin/backup --all "x"',
        candidates=candidates,
        firings=engine(theirs, zone),
        zone=zone,
        original=("one", "", "two\x0cthree"),
    )


def test_the_first_candidate_that_fires_alike_is_taken() -> None:
    wrong = ScheduledJobConfig(name="a", schedule="0 9 * * MON")
    right = ScheduledJobConfig(name="a", schedule="0 9 * * TUE")
    proven = prove(imported(wrong, right, right, theirs="0 9 * * 2"), after=AFTER)
    assert isinstance(proven, ProvenJob)
    assert proven.config is right
    assert proven.is_equal


def test_the_nearest_candidate_is_taken_where_none_fires_alike() -> None:
    far = ScheduledJobConfig(name="a", schedule="0 9 * * *")
    near = ScheduledJobConfig(name="a", schedule="0 9 * * MON-WED")
    proven = prove(imported(far, near, theirs="0 9 * * MON,TUE"), after=AFTER)
    assert isinstance(proven, ProvenJob)
    assert proven.config is near
    assert not proven.is_equal


def test_a_job_that_no_expression_says_is_refused_with_the_reason() -> None:
    never = ScheduledJobConfig(name="a", schedule="0 0 30 2 *")
    told = prove(imported(never, theirs="@daily"), after=AFTER)
    assert isinstance(told, Refusal)
    assert "February" in told.reason or "FEB" in told.reason


def test_names_are_made_apart_by_their_files_and_are_the_same_each_time() -> None:
    assert unique_names(["a-b", "a_b", "c", "a-b"]) == ("a-b", "a_b-2", "c", "a-b-3")
    # Who bears a name from the start keeps it.
    assert unique_names(["a", "a", "a-2"]) == ("a", "a-3", "a-2")
    config = ScheduledJobConfig(name="x", schedule="@daily")
    jobs = named_apart([imported(config, theirs="@daily")] * 2)
    assert [job.name for job in jobs] == ["x", "x-2"]


@pytest.mark.parametrize("words", [("",), ("…", "-"), ("x" * 300,), ("ÄÖ", "b"), (".a", "_b")])
def test_any_words_make_a_valid_name(words: tuple[str, ...]) -> None:
    assert ScheduledJobConfig(name=job_name(*words), schedule="@daily")


@pytest.mark.parametrize("name", ["test-a", "a_test", "conftest", "a.b", "7"])
def test_a_files_name_is_one_that_discovery_takes(name: str) -> None:
    stem = file_stem(name)
    assert not stem.startswith(("_", "test_"))
    assert not stem.endswith("_test")
    assert stem != "conftest"
    assert "." not in stem


def test_the_text_of_a_job_file_says_the_config_again() -> None:
    config = ScheduledJobConfig(
        name="backup",
        schedule=("0 9 * * MON", timedelta(hours=6, minutes=5)),
        data={"args": [1, None, True, 'q"\\\n'], "ä": {"b": 1.5}},
        number_of_executions=3,
        time_zone=BERLIN,
        dst="skip",
        start_at=datetime(2026, 1, 1, 0, 0, 7, tzinfo=UTC),
        except_=("* * * * 2",),
        overlap="allow_all",
        catch_up=timedelta(days=365),
        jitter=timedelta(seconds=90),
        description='Says "so"\x07.',
        paused=True,
    )
    proven = prove(imported(config, theirs="0 9 * * MON"), after=AFTER)
    assert isinstance(proven, ProvenJob)
    text = job_file_text(proven)
    names: dict[str, object] = {}
    exec(compile(text, "job.py", "exec", dont_inherit=True), names)  # noqa: S102 -- what it is for
    assert names["config"] == config
    assert all(line.startswith("#") for line in text.splitlines() if "three" in line)


async def test_the_handler_raises_until_it_is_ported() -> None:
    proven = prove(
        imported(ScheduledJobConfig(name="a", schedule="@daily"), theirs="@daily"), after=AFTER
    )
    assert isinstance(proven, ProvenJob)
    names: dict[str, object] = {}
    exec(job_file_text(proven), names)  # noqa: S102 -- as above
    handler = names["handler"]
    assert callable(handler)
    with pytest.raises(NotImplementedError, match="port: /bin/backup --all"):
        await handler()


def test_nothing_is_overwritten_and_nothing_is_left_behind(tmp_path: Path) -> None:
    there = tmp_path / "jobs" / "b.py"
    there.parent.mkdir()
    there.write_text("mine")
    with pytest.raises(JobFileNotWritten, match=r"b\.py"):
        write_job_files({tmp_path / "jobs" / "a.py": "new", there: "new"})
    assert [path.name for path in there.parent.iterdir()] == ["b.py"]
    assert there.read_text() == "mine"


def test_if_one_file_cannot_be_written_none_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(JobFileNotWritten, match="can't be written"):
        write_job_files({tmp_path / "a.py": "new", tmp_path / "file" / "b.py": "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_are_written_whole_with_the_mode_of_others(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    write_job_files({tmp_path / "new" / "a.py": "text\n"})
    written = tmp_path / "new" / "a.py"
    assert written.read_text() == "text\n"
    assert written.stat().st_mode == (tmp_path / "other").stat().st_mode
    assert [path.name for path in written.parent.iterdir()] == ["a.py"]
