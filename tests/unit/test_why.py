"""What follows from what is known of a firing: a table of facts and the reasons that they make."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

import euryale
from euryale.runs.runs import Run, Status
from euryale.schedules.schedule_record import Change, ScheduleRecord
from euryale.time.catch_up import Turn
from euryale.time.firing import Absence
from euryale.why.evidence import (
    Facts,
    FailureFacts,
    Reason,
    RetryFacts,
    RunFacts,
    ScheduleFacts,
    Verdict,
)
from euryale.why.why import why

ENGINE = Path(euryale.__file__).parent

DUE = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOW = DUE + timedelta(hours=3)
MADE = DUE - timedelta(days=30)
RECORDED = (Change("first", MADE),)


def at(minutes: float) -> datetime:
    """A time some minutes after the firing."""
    return DUE + timedelta(minutes=minutes)


def run(started: float, ended: float | None = None, status: Status = "completed") -> Run:
    """A run that the schedule started for the minute in which it started."""
    return Run(
        job="report",
        workflow_id=f"shop/report-{at(started):%Y-%m-%dT%H:%M:%SZ}",
        run_id=str(started),
        status="running" if ended is None else status,
        started=at(started),
        ended=None if ended is None else at(ended),
        fire_time=at(started),
    )


def facts(**known: Any) -> Facts:
    """A firing of a schedule without anything remarkable, with what is known otherwise."""
    plain: dict[str, Any] = {
        "job": "report",
        "now": NOW,
        "fire_time": DUE,
        "task_queue": "shop",
        "polled": known.get("now", NOW),
        "schedule": ScheduleFacts(created=MADE, fires=True),
    }
    return Facts(**(plain | known))


def schedule(**known: Any) -> ScheduleFacts:
    plain: dict[str, Any] = {"created": MADE, "fires": True}
    return ScheduleFacts(**(plain | known))


def ended(status: Status, **known: Any) -> RunFacts:
    return RunFacts(run(0, 5, status), offered=DUE, taken=DUE, **known)


def goes_on(**known: Any) -> RunFacts:
    return RunFacts(run(0), **({"offered": DUE, "taken": DUE} | known))


def told(verdict: Verdict) -> list[tuple[str, str]]:
    return [(reason.kind, reason.certainty) for reason in verdict.reasons]


def words(reason: Reason) -> str:
    def say(value: object) -> str:
        if isinstance(value, datetime):
            return f"{value:%H:%M}"
        return str(value).removeprefix("shop/report-2026-01-05T")

    return reason.told(say)


NOTE = "inventory (paused by ana@host, 2026-01-05 11:00 UTC)"
LATER_NOTE = "inventory (paused by ana@host, 2026-01-05 13:00 UTC)"
FREEZE = "frozen: inventory (by ana@host, 2026-01-05 11:00 UTC)"

PAUSED = (*RECORDED, Change("paused", at(-60), "7@laptop", paused=True, note="by hand"))
RESUMED = (*PAUSED, Change("resumed", at(30), "7@laptop"))

NO_RUN: dict[str, tuple[Facts, str, str, str, str]] = {
    "no schedule": (
        facts(schedule=None),
        "did not run",
        "not_applied",
        "surely",
        "Temporal holds no schedule of this job: it isn't applied yet, or was deleted",
    ),
    "a schedule that was deleted before": (
        facts(schedule=None, record=ScheduleRecord(RECORDED, deleted=at(-60))),
        "did not run",
        "deleted",
        "surely",
        "the schedule was deleted at 11:00",
    ),
    "a schedule that was deleted afterwards": (
        facts(schedule=None, record=ScheduleRecord(RECORDED, deleted=at(60))),
        "did not run",
        "deleted",
        "probably",
        "the schedule was deleted at 13:00",
    ),
    "a schedule that was paused, and deleted afterwards": (
        facts(schedule=None, record=ScheduleRecord(PAUSED, deleted=at(60))),
        "did not run",
        "paused",
        "surely",
        "the schedule is paused since 11:00 by 7@laptop: by hand",
    ),
    "a schedule that ended and was removed": (
        facts(schedule=None, record=ScheduleRecord(RECORDED, deleted=at(-1), finished=True)),
        "did not run",
        "deleted",
        "surely",
        "Temporal removed the schedule at 11:59, as it had nothing left to do",
    ),
    "executions that were used up, and a schedule that was removed": (
        facts(schedule=None, limit=3, used=3),
        "did not run",
        "limit_reached",
        "surely",
        "all 3 executions are used up, and Temporal removed the finished schedule",
    ),
    "a schedule that was made later": (
        facts(schedule=ScheduleFacts(created=at(1))),
        "did not run",
        "made_later",
        "surely",
        "the schedule was only made at 12:01, after that time",
    ),
    "a pause with a note from before": (
        facts(schedule=schedule(paused=True, note=NOTE)),
        "did not run",
        "paused",
        "surely",
        "the schedule is paused since 11:00 by ana@host: inventory",
    ),
    "a freeze": (
        facts(schedule=schedule(paused=True, note=FREEZE)),
        "did not run",
        "frozen",
        "surely",
        "the schedule is paused since 11:00 by ana@host, in a freeze of all: inventory",
    ),
    "a pause of which nothing else is known": (
        facts(schedule=schedule(paused=True, note="stop")),
        "did not run",
        "paused",
        "probably",
        "the schedule is paused: stop",
    ),
    "a pause in the record that goes on": (
        facts(schedule=schedule(paused=True, note="by hand"), record=ScheduleRecord(PAUSED)),
        "did not run",
        "paused",
        "surely",
        "the schedule is paused since 11:00 by 7@laptop: by hand",
    ),
    "a pause in the record that is over": (
        facts(record=ScheduleRecord(RESUMED)),
        "did not run",
        "paused",
        "surely",
        "the schedule was paused from 11:00 to 12:30 by 7@laptop: by hand",
    ),
    "executions that are used up": (
        facts(schedule=schedule(remaining=0), limit=3, runs=(run(-60, -50),)),
        "did not run",
        "limit_reached",
        "surely",
        "all 3 executions are used up, the last one at 11:00",
    ),
    "a schedule that somebody changed by hand before": (
        facts(schedule=schedule(fires=False, changed_by_hand=True, updated=at(-60))),
        "did not run",
        "other_times",
        "surely",
        "the schedule that Temporal holds doesn't fire at that time: somebody changed it by hand",
    ),
    "a schedule of another release": (
        facts(schedule=schedule(fires=False, updated=at(60))),
        "did not run",
        "other_times",
        "probably",
        (
            "the schedule that Temporal holds doesn't fire at that time: it was applied from "
            "another release"
        ),
    ),
    "calendars that have ended": (
        facts(schedule=schedule(fires=False, horizon=at(-60))),
        "did not run",
        "other_times",
        "surely",
        (
            "the schedule that Temporal holds doesn't fire at that time: its calendars end at "
            "11:00, and no worker has renewed them"
        ),
    ),
    "an overlap": (
        facts(schedule=schedule(skipped=1), runs=(run(-60, 10),)),
        "did not run",
        "overlapped",
        "surely",
        (
            "the run 11:00:00Z was still running, from 11:00 to 12:10, and the "
            "overlap policy is skip"
        ),
    ),
    "an overlap with a run that goes on": (
        facts(schedule=schedule(skipped=1), runs=(run(-60),)),
        "did not run",
        "overlapped",
        "surely",
        ("the run 11:00:00Z is still running, since 11:00, and the overlap policy is skip"),
    ),
    "an overlap that may have been over": (
        facts(schedule=schedule(skipped=1), runs=(run(-60, 0.01),)),
        "did not run",
        "overlapped",
        "probably",
        (
            "the run 11:00:00Z was still running, from 11:00 to 12:00, and the "
            "overlap policy is skip"
        ),
    ),
    "a firing that waits": (
        facts(schedule=schedule(overlap="buffer_all", waiting=1), runs=(run(-60),)),
        "did not run",
        "buffered",
        "surely",
        ("it waits for the run 11:00:00Z, which is still running, since 11:00"),
    ),
    "a firing that found one waiting": (
        facts(schedule=schedule(overlap="buffer_one", skipped=2), runs=(run(-60, 10),)),
        "did not run",
        "overlapped",
        "probably",
        (
            "another firing was waiting already for the run 11:00:00Z, which "
            "was still running, from 11:00 to 12:10, and the overlap policy is buffer_one"
        ),
    ),
    "a server that came back too late": (
        facts(
            schedule=schedule(catch_up=timedelta(hours=1)),
            record=ScheduleRecord(RECORDED, awake=(at(-60), at(90))),
        ),
        "did not run",
        "missed",
        "surely",
        (
            "Temporal was away, and only came to it at 13:30: 1:30:00 late, which is beyond the "
            "catch-up window of 1:00:00"
        ),
    ),
    "missed firings, and no record": (
        facts(schedule=schedule(missed=2)),
        "did not run",
        "missed",
        "probably",
        (
            "2 firings were later than the catch-up window of 1 day, 0:00:00 when Temporal came to "
            "them, and this may be one of them"
        ),
    ),
    "a scheduler that sleeps": (
        facts(record=ScheduleRecord(RECORDED, awake=(at(-60),))),
        "did not run",
        "not_looked_at",
        "surely",
        "Temporal's scheduler hasn't come to it yet: it is behind, or stuck",
    ),
    "a firing that is only just due": (
        facts(now=DUE + timedelta(seconds=2)),
        "did not run",
        "due_now",
        "probably",
        "it was due only 0:00:02 ago, and may be about to start",
    ),
    "a schedule that was changed since": (
        facts(schedule=schedule(updated=at(60))),
        "did not run",
        "changed",
        "probably",
        "the schedule was changed at 13:00, and may have been another one before",
    ),
    "a late run that took the firing over": (
        facts(stand_in=(run(-60, 100), Turn(DUE))),
        "did not run",
        "superseded",
        "surely",
        "the run 11:00:00Z, started late, ran for it",
    ),
    "a late run that took a later firing over": (
        facts(stand_in=(run(-60, 100), Turn(at(60)))),
        "did not run",
        "superseded",
        "surely",
        ("only the latest missed firing was caught up: that of 13:00, by the run 11:00:00Z"),
    ),
    "a time that Temporal has forgotten": (
        facts(retention=timedelta(hours=1)),
        "unknown",
        "forgotten",
        "surely",
        "Temporal forgets what ended 1:00:00 ago: a run may have been there",
    ),
    "nothing": (
        facts(),
        "unknown",
        "unexplained",
        "surely",
        (
            "nothing that Temporal tells explains it; looked at: the schedule, its runs, the "
            "catch-up window, the task queue"
        ),
    ),
}


@pytest.mark.parametrize("case", NO_RUN.values(), ids=NO_RUN)
def test_a_firing_without_a_run_is_explained_by(case: tuple[Facts, str, str, str, str]) -> None:
    known, outcome, kind, certainty, sentence = case
    verdict = why(known)
    assert verdict.outcome == outcome
    assert told(verdict)[0] == (kind, certainty)
    assert words(verdict.reasons[0]) == sentence


RUNS: dict[str, tuple[Facts, str, dict[str, str]]] = {
    "that completed": (
        facts(run=ended("completed")),
        "completed",
        {"completed": "it completed at 12:05, after 0:05:00"},
    ),
    "that failed": (
        facts(run=ended("failed", failure=FailureFacts("ValueError", "no rate", "jobs/a.py:12"))),
        "failed",
        {"failed": "it failed at 12:05, after 0:05:00, with ValueError: no rate (at jobs/a.py:12)"},
    ),
    "that failed in a call": (
        facts(
            run=ended(
                "failed", failure=FailureFacts("Timeout", "away", call="mail.send", attempts=20)
            )
        ),
        "failed",
        {
            "failed": "it failed at 12:05, after 0:05:00, with Timeout: away; the call mail.send "
            "was given up after 20 attempts"
        },
    ),
    "that was cancelled": (
        facts(run=ended("cancelled", ended_by="7@laptop", reason="wrong data")),
        "cancelled",
        {"cancelled": "it was cancelled at 12:05 by 7@laptop: wrong data"},
    ),
    "that was terminated": (
        facts(run=ended("terminated")),
        "terminated",
        {"terminated": "it was terminated at 12:05"},
    ),
    "that timed out": (
        facts(run=ended("timed out")),
        "timed out",
        {"timed_out": "it timed out at 12:05"},
    ),
    "that goes on": (
        facts(run=goes_on(retrying=(RetryFacts("mail.send", 3, "away"),))),
        "running",
        {
            "running": "it is running since 12:00, for 3:00:00 by now",
            "retrying": "its call mail.send is tried again, attempt 3, after: away",
        },
    ),
    "that no worker has taken": (
        facts(run=goes_on(taken=None), polled=None),
        "waiting",
        {
            "no_worker": "it was started at 12:00, and waits for a worker: none asks for work on "
            "task queue 'shop'"
        },
    ),
    "whose worker has gone": (
        facts(run=goes_on(), polled=at(30)),
        "running",
        {
            "no_worker": "it was started at 12:00, and waits for a worker: none asks for work on "
            "task queue 'shop'; the last one did at 12:30"
        },
    ),
    "that waits though a worker asks": (
        facts(run=goes_on(taken=None)),
        "waiting",
        {
            "not_taken": "it was started at 12:00, and no worker has taken it yet, though one asks "
            "for work on task queue 'shop'"
        },
    ),
    "that the workers can't go on with": (
        facts(run=goes_on(stuck="doesn't serve the job")),
        "running",
        {
            "not_served": "it was started at 12:00, but the workers that take it can't go on with "
            "it: doesn't serve the job"
        },
    ),
    "that was superseded": (
        facts(run=ended("completed", turn=Turn(at(60), superseded=True))),
        "completed",
        {
            "completed": "it completed at 12:05, after 0:05:00",
            "superseded": "it ended at once, since a later firing was due already: that of 13:00",
        },
    ),
    "that was put off by its jitter": (
        facts(run=RunFacts(run(4, 5)), jitter=timedelta(minutes=4)),
        "completed",
        {
            "completed": "it completed at 12:05, after 0:01:00",
            "jitter": "its jitter put it off by 0:04:00",
        },
    ),
    "that waited for the one before": (
        facts(
            run=RunFacts(run(4, 5)),
            runs=(run(-60, 3.99), run(4, 5)),
            schedule=schedule(overlap="buffer_one"),
        ),
        "completed",
        {
            "completed": "it completed at 12:05, after 0:01:00",
            "buffered": "it was started 0:04:00 late, after the run 11:00:00Z had ended at 12:03",
        },
    ),
    "that the server came to late": (
        facts(run=RunFacts(run(4, 5)), record=ScheduleRecord(RECORDED, awake=(at(3.9),))),
        "completed",
        {
            "completed": "it completed at 12:05, after 0:01:00",
            "late_server": "it was started 0:04:00 late, as Temporal was away and only came to it "
            "at 12:03",
        },
    ),
    "that was late for no known reason": (
        facts(run=RunFacts(run(4, 5))),
        "completed",
        {
            "completed": "it completed at 12:05, after 0:01:00",
            "late": "it was started 0:04:00 late; Temporal doesn't tell why, but it starts 30 runs "
            "of a namespace in a second at most",
        },
    ),
    "that was backfilled": (
        facts(
            run=RunFacts(run(100, 105)),
            record=ScheduleRecord(
                (*RECORDED, Change("backfilled", at(99), "7@laptop", spans=((at(-60), at(0)),)))
            ),
        ),
        "completed",
        {
            "completed": "it completed at 13:45, after 0:05:00",
            "backfilled": "it was started by a backfill at 13:39 by 7@laptop",
        },
    ),
    "that waited for a worker": (
        facts(run=RunFacts(run(0, 5), offered=DUE, taken=at(3))),
        "completed",
        {
            "completed": "it completed at 12:05, after 0:05:00",
            "late_worker": "it waited 0:03:00 for a worker, which took it at 12:03",
        },
    ),
}


@pytest.mark.parametrize("case", RUNS.values(), ids=RUNS)
def test_a_run_is_told_of(case: tuple[Facts, str, dict[str, str]]) -> None:
    known, outcome, sentences = case
    verdict = why(known)
    assert verdict.outcome == outcome
    assert {reason.kind: words(reason) for reason in verdict.reasons} == sentences


AHEAD = facts(now=at(-10))

NEXT: dict[str, tuple[Facts, str, list[str]]] = {
    "that nothing hinders": (AHEAD, "will run", ["comes"]),
    "without a worker": (replace(AHEAD, polled=None), "will run", ["comes", "no_worker"]),
    "beside a run": (
        replace(AHEAD, runs=(run(-60),)),
        "will run",
        ["comes", "under_way"],
    ),
    "of a schedule that is paused": (
        replace(AHEAD, schedule=schedule(paused=True, note=NOTE)),
        "will not run",
        ["paused"],
    ),
    "of a schedule in a freeze": (
        replace(AHEAD, schedule=schedule(paused=True, note=FREEZE)),
        "will not run",
        ["frozen"],
    ),
    "of a schedule that is used up": (
        replace(AHEAD, schedule=schedule(remaining=0)),
        "will not run",
        ["limit_reached"],
    ),
    "of a schedule with other times": (
        replace(AHEAD, schedule=schedule(fires=False)),
        "will not run",
        ["other_times"],
    ),
    "of a job that isn't applied": (
        replace(AHEAD, schedule=None),
        "will not run",
        ["not_applied"],
    ),
    "of a job whose finished schedule was removed": (
        replace(AHEAD, schedule=None, limit=3, used=3),
        "will not run",
        ["limit_reached"],
    ),
}


@pytest.mark.parametrize("case", NEXT.values(), ids=NEXT)
def test_a_firing_ahead_is_foreseen(case: tuple[Facts, str, list[str]]) -> None:
    known, outcome, kinds = case
    verdict = why(known)
    assert verdict.outcome == outcome
    assert [reason.kind for reason in verdict.reasons] == kinds


@pytest.mark.parametrize(
    "known",
    [
        facts(schedule=schedule(paused=True, note=LATER_NOTE)),
        facts(
            schedule=schedule(paused=True),
            record=ScheduleRecord((*RECORDED, Change("paused", at(60), paused=True)), awake=(DUE,)),
        ),
    ],
    ids=["by its note", "by the record"],
)
def test_a_pause_that_began_later_explains_nothing(known: Facts) -> None:
    assert told(why(known)) == [("unexplained", "surely")]


def test_a_record_that_contradicts_the_schedule_is_not_believed() -> None:
    dropped = ScheduleRecord((*PAUSED, Change("updated", at(-59), paused=False)), awake=(DUE,))
    known = facts(schedule=schedule(paused=True, note=NOTE), record=dropped)
    assert told(why(known)) == [("paused", "surely")]


def test_executions_that_were_used_up_later_explain_nothing() -> None:
    known = facts(schedule=schedule(remaining=0), limit=3, runs=(run(60, 70),))
    assert told(why(known)) == [("unexplained", "surely")]


@pytest.mark.parametrize(
    "known",
    [
        facts(runs=(run(-60, 10),)),
        facts(schedule=schedule(skipped=1, overlap="allow_all"), runs=(run(-60, 10),)),
        facts(schedule=schedule(skipped=1), runs=(run(-60, -10),)),
        facts(schedule=schedule(skipped=1), runs=(replace(run(-60, 10), fire_time=None),)),
    ],
    ids=["that skipped nothing", "with allow_all", "after the end", "with a run by hand"],
)
def test_no_overlap_is_claimed(known: Facts) -> None:
    assert told(why(known)) == [("unexplained", "surely")]


def test_a_firing_that_was_caught_up_together_with_an_earlier_one_met_its_run() -> None:
    late = replace(run(-60, 10), started=at(3.91))
    known = facts(
        schedule=schedule(skipped=1),
        record=ScheduleRecord(RECORDED, awake=(at(3.9),)),
        runs=(late, run(60, 65)),
    )
    (reason,) = why(known).reasons
    assert (reason.kind, reason.certainty) == ("overlapped", "surely")
    assert reason.values["run"] == late.workflow_id


def test_a_firing_that_was_missed_met_no_run() -> None:
    known = facts(
        schedule=schedule(skipped=1, missed=1, catch_up=timedelta(hours=1)),
        record=ScheduleRecord(RECORDED, awake=(at(90),)),
        runs=(run(-60, 100),),
    )
    assert told(why(known)) == [("missed", "surely")]


def test_what_is_sure_leaves_out_what_is_likely() -> None:
    known = facts(schedule=schedule(missed=2, updated=at(60), skipped=1), runs=(run(-60, 10),))
    kinds = told(why(known))
    assert kinds == [("overlapped", "probably"), ("missed", "probably"), ("changed", "probably")]
    paused = replace(known, record=ScheduleRecord(RESUMED, awake=(DUE,)))
    assert told(why(paused)) == [("paused", "surely")]


def test_a_sure_reason_is_told_though_the_runs_of_the_time_are_forgotten() -> None:
    known = facts(retention=timedelta(hours=1), record=ScheduleRecord(RESUMED))
    assert told(why(known)) == [("paused", "surely")]


def test_the_kinds_of_reasons_are_all_described() -> None:
    sources = [*(ENGINE / "why").glob("*.py")]
    kinds = {
        kind
        for source in sources
        for kind in re.findall(r'Reason\(\s*"(\w+)"', source.read_text(encoding="utf-8"))
    }
    assert {"completed", "overlapped", "not_applied", "comes"} <= kinds
    page = (ENGINE.parent / "docs" / "how-to" / "find-out-why.md").read_text(encoding="utf-8")
    table = " ".join(re.findall(r"^\| (`.*?) \|", page, re.MULTILINE))
    kinds |= {"cancelled", "terminated", "timed_out", "frozen", *get_args(Absence)}
    assert kinds <= set(re.findall(r"`(\w+)`", table))


def test_a_verdict_tells_programs_its_values_apart() -> None:
    (reason,) = why(facts(schedule=ScheduleFacts(created=at(1)))).as_dict(str)["reasons"]
    assert reason["kind"] == "made_later"
    assert reason["certainty"] == "surely"
    assert reason["values"] == {"created": at(1).isoformat(), "job": "report"}
    assert reason["mend"] == "make up for it with `euryale run report`, if it should have run"


def test_what_was_missed_is_made_up_for_by_a_command_that_can_be_pasted() -> None:
    missed = facts(fire_time=datetime(2026, 11, 20, 0, 0, tzinfo=UTC), spread=timedelta(minutes=-1))
    assert missed.backfill == (
        "euryale backfill report --from 2026-11-20T00:01:00+00:00 --to 2026-11-20T00:01:00+00:00"
    )
