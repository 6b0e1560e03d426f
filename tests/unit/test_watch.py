from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from euryale.runs.runs import Run, Status
from euryale.time.timetable import Timetable, parse_timetable
from euryale.watchdog import watch as module
from euryale.watchdog.expectation import parse_expectation
from euryale.watchdog.judgement import JobFacts
from euryale.watchdog.watch import Finding, Memory, may_have_changed, watch

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
HOURLY = parse_timetable("0 * * * *")
DAILY = parse_timetable("30 4 * * *")
NOW = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)


def at(hour: int, minute: int = 0, *, day: int = 5) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=UTC)


def run(
    started: datetime,
    status: Status = "completed",
    *,
    fire_time: datetime | None = None,
    took: timedelta = MINUTE,
    by_hand: bool = False,
) -> Run:
    fired = None if by_hand else fire_time or started
    ended = None if status == "running" else started + took
    name = f"shop/nightly-{started:%dT%H:%M}"
    return Run("nightly", name, f"run-{started:%dT%H:%M}", status, started, ended, fired)


def facts(timetable: Timetable = HOURLY, *runs: Run, expect: str = "", **more: object) -> JobFacts:
    made = JobFacts(
        "nightly",
        timetable,
        expectation=parse_expectation(expect) if expect else None,
        runs=runs,
        completed=tuple(each.ended for each in runs if each.ended and each.status == "completed"),
    )
    return replace(made, **more)  # type: ignore[arg-type]


class Looks:
    """Looks at one job, one after the other, as the watchdog does."""

    def __init__(self, *, failures: int = 3) -> None:
        self.memory = Memory()
        self.failures = failures

    def look(self, now: datetime, facts: JobFacts) -> list[str]:
        return [self.kind(each) for each in self.findings(now, facts)]

    def findings(self, now: datetime, facts: JobFacts) -> Sequence[Finding]:
        found, self.memory = watch("shop", [facts], self.memory, now=now, failures=self.failures)
        return found

    @staticmethod
    def kind(finding: Finding) -> str:
        over = finding.recovered_from
        return f"recovered from {over}" if over else finding.kind


@pytest.fixture
def looks() -> Looks:
    """Looks at a job that was first seen on the evening before, with nothing to tell."""
    looks = Looks()
    assert looks.look(at(20, day=4), facts(HOURLY)) == []
    return looks


# --- By the schedule -------------------------------------------------------------------------


def test_a_firing_without_a_run_is_told_once_when_its_grace_is_over_and_once_when_a_run_came(
    looks: Looks,
) -> None:
    before = run(at(11))
    assert looks.look(at(12, 5), facts(HOURLY, before)) == []
    (missing,) = looks.findings(at(12, 6), facts(HOURLY, before))
    assert missing.kind == "missing"
    assert missing.since == at(12)
    assert missing.message == "no run started for the firing at 2026-01-05 12:00 UTC"
    assert looks.look(at(12, 7), facts(HOURLY, before)) == []
    assert looks.look(at(13, 7), facts(HOURLY, before)) == []
    (recovered,) = looks.findings(at(14, 6), facts(HOURLY, run(at(14)), before))
    assert (recovered.kind, recovered.recovered_from) == ("recovered", "missing")
    assert recovered.since == at(12)
    assert recovered.about == missing.about
    assert looks.look(at(14, 7), facts(HOURLY, run(at(14)), before)) == []


def test_what_was_told_once_is_told_anew_when_it_comes_again(looks: Looks) -> None:
    first = looks.findings(at(12, 6), facts(HOURLY))
    assert looks.look(at(13, 6), facts(HOURLY, run(at(13)))) == ["recovered from missing"]
    second = looks.findings(at(14, 6), facts(HOURLY, run(at(13))))
    assert [each.kind for each in (*first, *second)] == ["missing", "missing"]
    assert first[0].key != second[0].key


def test_a_run_that_starts_within_the_grace_is_in_time(looks: Looks) -> None:
    ran = run(at(12, 6), fire_time=at(12))
    assert looks.look(at(12, 30), facts(HOURLY, ran)) == []


def test_a_run_that_starts_after_it_is_late_until_one_starts_in_time(looks: Looks) -> None:
    late = run(at(12, 7), fire_time=at(12))
    (finding,) = looks.findings(at(12, 30), facts(HOURLY, late))
    assert finding.kind == "late"
    assert finding.run == late.workflow_id
    assert finding.message == "the run for 2026-01-05 12:00 UTC started 0:07:00 late"
    assert looks.look(at(12, 40), facts(HOURLY, late)) == []
    assert looks.look(at(13, 30), facts(HOURLY, run(at(13)), late)) == ["recovered from late"]


def test_a_run_that_was_told_as_missing_and_comes_late_is_told_once(looks: Looks) -> None:
    assert looks.look(at(12, 10), facts(HOURLY)) == ["missing"]
    late = run(at(12, 15), fire_time=at(12))
    (recovered,) = looks.findings(at(12, 20), facts(HOURLY, late))
    assert recovered.recovered_from == "missing"
    assert "0:15:00 late" in recovered.message
    assert looks.look(at(12, 21), facts(HOURLY, late)) == []
    assert looks.look(at(13, 30), facts(HOURLY, run(at(13)), late)) == []
    assert looks.look(at(14, 30), facts(HOURLY, run(at(14, 20), fire_time=at(14)))) == ["late"]


def test_a_missing_run_is_told_also_where_the_one_before_was_late(looks: Looks) -> None:
    late = run(at(12, 7), fire_time=at(12))
    assert looks.look(at(12, 30), facts(HOURLY, late)) == ["late"]
    assert looks.look(at(13, 30), facts(HOURLY, late)) == ["missing"]
    assert looks.look(at(14, 30), facts(HOURLY, run(at(14)))) == ["recovered from missing"]


def test_a_run_by_hand_makes_up_for_a_missing_one(looks: Looks) -> None:
    assert looks.look(at(12, 10), facts(HOURLY)) == ["missing"]
    by_hand = run(at(12, 30), by_hand=True)
    assert looks.look(at(12, 31), facts(HOURLY, by_hand)) == ["recovered from missing"]


def test_a_firing_that_was_skipped_since_a_run_was_under_way_is_not_missing(looks: Looks) -> None:
    long = run(at(11), took=80 * MINUTE)
    assert looks.look(at(12, 30), facts(HOURLY, long)) == []
    assert looks.look(at(12, 30), facts(HOURLY, run(at(11), "running"))) == []
    by_hand = run(at(11), by_hand=True, took=80 * MINUTE)
    assert looks.look(at(12, 30), facts(HOURLY, by_hand)) == ["missing"]


def test_a_run_that_stands_for_a_later_firing_than_its_own_is_late_for_that_one(
    looks: Looks,
) -> None:
    caught_up = run(at(12, 3), fire_time=at(8))
    assert looks.look(at(12, 30), facts(HOURLY, caught_up)) == []
    caught_up = run(at(12, 20), fire_time=at(8))
    assert looks.look(at(12, 30), facts(HOURLY, caught_up)) == ["late"]


def test_a_backfilled_run_says_nothing_against_the_one_that_came_in_time(looks: Looks) -> None:
    backfilled = run(at(12, 50), fire_time=at(3))
    assert looks.look(at(12, 55), facts(HOURLY, backfilled, run(at(12)))) == []


def test_a_schedule_that_is_gone_is_said_to_be(looks: Looks) -> None:
    (finding,) = looks.findings(at(12, 10), facts(HOURLY, held=False))
    assert finding.message.endswith(", and its schedule isn't in Temporal")


def test_a_job_that_has_used_up_its_executions_misses_nothing(looks: Looks) -> None:
    assert looks.look(at(12, 10), facts(HOURLY, exhausted=True)) == []


def test_nothing_is_expected_from_before_a_job_was_first_seen() -> None:
    looks = Looks()
    assert looks.look(at(12, 30), facts(HOURLY)) == []
    assert looks.look(at(12, 59), facts(HOURLY)) == []
    assert looks.look(at(13, 6), facts(HOURLY)) == ["missing"]


def test_a_changed_schedule_is_watched_anew(looks: Looks) -> None:
    assert looks.look(at(12, 30), facts(HOURLY, version="2")) == []
    assert looks.look(at(13, 6), facts(HOURLY, version="2")) == ["missing"]


def test_the_grace_is_a_tenth_of_the_interval_from_one_to_ten_minutes_and_the_jitter() -> None:
    assert facts(HOURLY).grace == 6 * MINUTE
    assert facts(DAILY).grace == 10 * MINUTE
    assert facts(parse_timetable(timedelta(seconds=10))).grace == MINUTE
    assert facts(HOURLY, jitter=HOUR).grace == 66 * MINUTE


def test_a_spread_job_is_due_later(looks: Looks) -> None:
    spread = 20 * MINUTE
    assert looks.look(at(12, 25), facts(HOURLY, run(at(11, 20)), spread=spread)) == []
    (finding,) = looks.findings(at(12, 26), facts(HOURLY, run(at(11, 20)), spread=spread))
    assert finding.since == at(12, 20)
    assert "12:00 UTC" in finding.message
    ran = run(at(13, 20))
    assert looks.look(at(13, 26), facts(HOURLY, ran, spread=spread)) == ["recovered from missing"]


def test_times_are_told_in_the_jobs_zone() -> None:
    looks = Looks()
    kolkata = parse_timetable("0 9 * * *", zone="Asia/Kolkata")
    looks.look(at(20, day=4), facts(kolkata))
    (finding,) = looks.findings(at(4), facts(kolkata))
    assert finding.message == "no run started for the firing at 2026-01-05 09:00 IST"


def test_a_job_that_fires_every_second_is_judged_by_its_last_runs(looks: Looks) -> None:
    secondly = parse_timetable(timedelta(seconds=1))
    last = [run(NOW - timedelta(seconds=back), took=timedelta(0)) for back in range(13)]
    assert looks.look(NOW, facts(secondly, *last)) == []
    assert looks.look(NOW + 2 * MINUTE, facts(secondly, *last)) == ["missing"]


# --- Paused ----------------------------------------------------------------------------------


def test_a_paused_job_is_somebodys_decision_and_not_missing(looks: Looks) -> None:
    assert looks.look(at(12, 30), facts(HOURLY, paused=True)) == []
    assert looks.look(at(13, 30), facts(HOURLY, paused=True)) == []


def test_a_resumed_job_is_expected_from_then_on(looks: Looks) -> None:
    looks.look(at(11, 50), facts(HOURLY, paused=True))
    assert looks.look(at(12, 30), facts(HOURLY)) == []
    assert looks.look(at(13, 6), facts(HOURLY)) == ["missing"]


def test_what_was_found_stays_found_over_a_pause(looks: Looks) -> None:
    assert looks.look(at(12, 10), facts(HOURLY)) == ["missing"]
    assert looks.look(at(13), facts(HOURLY, paused=True)) == []
    assert looks.look(at(13, 30), facts(HOURLY)) == []
    assert looks.look(at(14, 30), facts(HOURLY)) == []
    assert looks.look(at(15, 30), facts(HOURLY, run(at(15)))) == ["recovered from missing"]


def test_a_paused_job_that_failed_or_hangs_is_left_alone(looks: Looks) -> None:
    failed = [run(at(hour), "failed") for hour in (8, 9, 10)]
    hanging = run(at(1), "running")
    assert looks.look(at(12, 30), facts(HOURLY, hanging, *failed, paused=True)) == []


def test_an_explicit_expectation_holds_for_a_paused_job_too() -> None:
    looks = Looks()
    paused = facts(DAILY, expect="every day by 09:30", paused=True)
    looks.look(at(8, day=3), paused)
    assert looks.look(at(9, 30), paused) == ["missing"]


# --- By an expectation -----------------------------------------------------------------------

BY_HALF_PAST_NINE = "every day by 09:30"


@pytest.fixture
def expecting() -> Looks:
    """Looks at a job with an expectation that was first seen two days before."""
    looks = Looks()
    assert looks.look(at(8, day=3), facts(DAILY, expect=BY_HALF_PAST_NINE)) == []
    return looks


def expected(*runs: Run) -> JobFacts:
    return facts(DAILY, *runs, expect=BY_HALF_PAST_NINE)


def test_a_deadline_without_a_completed_run_is_missed_and_recovered_once(
    expecting: Looks,
) -> None:
    yesterday = run(at(4, 30, day=4))
    assert expecting.look(at(9, 29), expected(yesterday)) == []
    (missing,) = expecting.findings(at(9, 30), expected(yesterday))
    assert missing.kind == "missing"
    assert missing.message == (
        "no run completed from 2026-01-04 09:30 UTC to 2026-01-05 09:30 UTC, "
        "which 'every day by 09:30' asks for"
    )
    assert expecting.look(at(9, 31), expected(yesterday)) == []
    by_hand = run(at(11), by_hand=True)
    assert expecting.look(at(11, 2), expected(by_hand, yesterday)) == ["recovered from missing"]
    assert expecting.look(at(11, 3), expected(by_hand, yesterday)) == []


def test_a_run_that_failed_fulfils_no_expectation(expecting: Looks) -> None:
    failed = run(at(4, 30), "failed")
    (missing,) = expecting.findings(at(9, 30), expected(failed, run(at(4, 30, day=4))))
    assert missing.kind == "missing"
    assert missing.run == failed.workflow_id
    assert missing.message.endswith("; one failed at 2026-01-05 04:31 UTC")


def test_a_run_that_goes_on_at_the_deadline_is_late(expecting: Looks) -> None:
    yesterday, running = run(at(4, 30, day=4)), run(at(9, 20), "running")
    assert expecting.look(at(9, 30), expected(running, yesterday)) == ["late"]
    assert expecting.look(at(9, 40), expected(running, yesterday)) == []
    ended = replace(running, status="completed", ended=at(9, 45))
    assert expecting.look(at(9, 46), expected(ended, yesterday)) == ["recovered from late"]


def test_a_late_run_that_fails_is_missing(expecting: Looks) -> None:
    yesterday, running = run(at(4, 30, day=4)), run(at(9, 20), "running")
    assert expecting.look(at(9, 30), expected(running, yesterday)) == ["late"]
    failed = replace(running, status="failed", ended=at(9, 45))
    assert expecting.look(at(9, 46), expected(failed, yesterday)) == ["missing"]
    again = run(at(10), "running", by_hand=True)
    assert expecting.look(at(10, 1), expected(again, failed, yesterday)) == []
    completed = replace(again, status="completed", ended=at(10, 5))
    assert expecting.look(at(10, 6), expected(completed, yesterday)) == ["recovered from missing"]


def test_another_expectation_does_not_end_what_was_found(expecting: Looks) -> None:
    yesterday = run(at(4, 30, day=4))
    assert expecting.look(at(9, 30), expected(yesterday)) == ["missing"]
    other = facts(DAILY, yesterday, expect="every day by 10:00")
    assert expecting.look(at(9, 40), other) == []
    assert expecting.look(at(10, 10), other) == []
    late = run(at(11))
    assert expecting.look(at(12), facts(DAILY, late, yesterday, expect="every day by 10:00")) == [
        "recovered from missing"
    ]


# --- Failing ---------------------------------------------------------------------------------


def test_so_many_failures_in_a_row_are_told_once_and_their_end_once(looks: Looks) -> None:
    runs = [run(at(10), "failed"), run(at(11), "timed out")]
    assert looks.look(at(11, 30), facts(HOURLY, *runs)) == []
    runs.append(run(at(12), "failed"))
    (failing,) = looks.findings(at(12, 30), facts(HOURLY, *runs))
    assert failing.kind == "failing"
    assert failing.message == "its last 3 runs failed, the last one at 2026-01-05 12:01 UTC"
    assert failing.since == at(10, 1)
    runs.append(run(at(13), "failed"))
    assert looks.look(at(13, 30), facts(HOURLY, *runs)) == []
    runs.append(run(at(14)))
    assert looks.look(at(14, 30), facts(HOURLY, *runs)) == ["recovered from failing"]
    assert looks.look(at(14, 31), facts(HOURLY, *runs)) == []


def test_a_single_failure_is_told_where_one_is_enough() -> None:
    looks = Looks(failures=1)
    (failing,) = looks.findings(at(12, 30), facts(HOURLY, run(at(12), "failed"), run(at(11))))
    assert failing.message == "its last run failed at 2026-01-05 12:01 UTC"


def test_a_completed_run_in_between_begins_the_count_anew(looks: Looks) -> None:
    runs = [run(at(9), "failed"), run(at(10), "failed"), run(at(11)), run(at(12), "failed")]
    assert looks.look(at(12, 30), facts(HOURLY, *runs)) == []


@pytest.mark.parametrize("status", ["cancelled", "terminated"])
def test_a_run_that_somebody_ended_neither_fails_nor_recovers(looks: Looks, status: Status) -> None:
    runs = [run(at(hour), status) for hour in (10, 11, 12)]
    assert looks.look(at(12, 30), facts(HOURLY, *runs)) == []
    runs = [run(at(9), "failed"), run(at(10), "failed"), run(at(11), status), run(at(12), "failed")]
    assert looks.look(at(12, 30), facts(HOURLY, *runs)) == ["failing"]
    runs.append(run(at(13), status))
    assert looks.look(at(13, 30), facts(HOURLY, *runs)) == []


# --- Running long ----------------------------------------------------------------------------


def test_a_run_that_goes_on_until_the_next_firing_but_one_is_told_once(looks: Looks) -> None:
    hanging = run(at(10), "running")
    assert looks.look(at(12, 6), facts(HOURLY, hanging)) == []
    (long,) = looks.findings(at(12, 7), facts(HOURLY, hanging))
    assert (long.kind, long.run) == ("running_long", hanging.workflow_id)
    assert long.message.endswith(
        "since 2026-01-05 10:00 UTC, longer than until the next firing but one"
    )
    assert looks.look(at(13, 7), facts(HOURLY, hanging)) == []
    ended = replace(hanging, status="failed", ended=at(13, 30))
    assert looks.look(at(13, 40), facts(HOURLY, ended)) == ["recovered from running_long"]


def test_a_timeout_says_how_long_a_run_may_take(looks: Looks) -> None:
    hanging = run(at(12), "running")
    timed = facts(HOURLY, hanging, timeout=10 * MINUTE)
    assert looks.look(at(12, 16), timed) == []
    (long,) = looks.findings(at(12, 17), timed)
    assert long.message.endswith("longer than its timeout of 0:10:00")


def test_a_run_of_a_schedule_that_has_ended_may_take_its_time() -> None:
    once = parse_timetable(at(10))
    assert Looks().look(at(12, day=9), facts(once, run(at(10), "running"))) == []


# --- Several jobs ----------------------------------------------------------------------------


def test_a_job_that_is_gone_is_forgotten_and_one_of_which_nothing_is_known_is_not() -> None:
    first = [replace(facts(HOURLY), job=name) for name in ("a", "b", "c")]
    _, memory = watch("shop", first, Memory(), now=at(8), failures=3)
    _, memory = watch("shop", first[:1], memory, now=at(8, 1), failures=3, others=["b", "x"])
    assert sorted(memory.jobs) == ["a", "b"]


def test_findings_beyond_the_most_come_with_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_FINDINGS", 2)
    jobs = [replace(facts(HOURLY), job=name) for name in "abcde"]
    _, memory = watch("shop", jobs, Memory(), now=at(11, 30), failures=3)
    told = []
    for minute in range(6, 12):
        found, memory = watch("shop", jobs, memory, now=at(12, minute), failures=3)
        assert len(found) <= 2
        told += [each.job for each in found]
    assert told == list("abcde")


def test_the_key_of_a_finding_is_the_same_whenever_it_is_found(looks: Looks) -> None:
    memory = looks.memory
    (first,) = looks.findings(at(12, 6), facts(HOURLY))
    looks.memory = memory
    (again,) = looks.findings(at(12, 9), facts(HOURLY))
    assert first.found_at != again.found_at
    assert first.key == again.key
    (over,) = looks.findings(at(13, 30), facts(HOURLY, run(at(13))))
    assert over.key != first.key


# --- Jobs of which nothing new can be known --------------------------------------------------


def changed(looks: Looks, now: datetime, facts: JobFacts, *, busy: bool = False) -> bool:
    return may_have_changed(facts, looks.memory, now=now, busy=busy)


def test_a_job_is_looked_at_when_the_grace_of_a_firing_ends_and_not_in_between(
    looks: Looks,
) -> None:
    assert looks.look(at(12), facts(HOURLY, run(at(11)))) == []
    assert not changed(looks, at(12, 5), facts(HOURLY))
    assert changed(looks, at(12, 6), facts(HOURLY))
    assert changed(looks, at(12, 5), facts(HOURLY), busy=True)


def test_a_job_with_an_expectation_is_looked_at_when_a_deadline_passes(expecting: Looks) -> None:
    expecting.look(at(9, 29), expected(run(at(4, 30, day=4))))
    assert not changed(expecting, at(9, 29), expected())
    assert changed(expecting, at(9, 30), expected())
    assert changed(expecting, at(9, 29), facts(DAILY, expect="every 15 minutes"))


def test_a_job_of_which_something_was_found_is_looked_at_each_time(looks: Looks) -> None:
    assert looks.look(at(12, 6), facts(HOURLY)) == ["missing"]
    assert changed(looks, at(12, 7), facts(HOURLY))


def test_a_job_that_was_never_looked_at_is(looks: Looks) -> None:
    assert changed(looks, at(12, 7), replace(facts(HOURLY), job="new"))


def test_a_job_of_which_nothing_new_is_known_stays_as_it_was(looks: Looks) -> None:
    assert looks.look(at(12, 7), facts(HOURLY, run(at(12)))) == []
    before = looks.memory.jobs
    assert looks.look(at(12, 8), facts(HOURLY, stirred=False)) == []
    assert looks.memory.jobs == before


def test_what_a_look_did_not_come_to_is_seen_by_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_FINDINGS", 1)
    jobs = [replace(facts(HOURLY), job=name) for name in "ab"]
    _, memory = watch("shop", jobs, Memory(), now=at(11, 30), failures=3)
    _, memory = watch("shop", jobs, memory, now=at(12, 6), failures=3)
    assert memory.looked == at(11, 30)
    assert may_have_changed(jobs[1], memory, now=at(12, 7), busy=False)
