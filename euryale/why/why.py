"""Why a firing came as it did, or didn't come: frozen facts in, a verdict with reasons out.

What Temporal tells is in three places: a schedule as it is now, the schedule's history, and the
runs. Where one of them leaves no other way, a reason is sure; where it only is the likeliest one,
it says so. Nothing is claimed that isn't known.
"""

from collections.abc import Iterator
from datetime import timedelta

from euryale.runs.runs import Run
from euryale.time.catch_up import Turn
from euryale.why.evidence import CLOSE, Facts, Reason, ScheduleFacts, Value, Verdict
from euryale.why.why_next import why_next
from euryale.why.why_run import why_run
from euryale.why.why_schedule import not_applied, other_times, paused_then, used_up

SETTLED = timedelta(seconds=30)
"""How long after a firing its run may still be about to start, where nothing is wrong."""

_BUFFERING = ("buffer_one", "buffer_all")


def why(facts: Facts) -> Verdict:
    """What became of a firing, or will, and why.

    Args:
        facts: What is known of it.

    Example:
        >>> from datetime import UTC, datetime
        >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
        >>> verdict = why(Facts("report", now=noon + timedelta(hours=1), fire_time=noon))
        >>> verdict.outcome, verdict.reasons[0].kind
        ('did not run', 'not_applied')
    """
    if facts.run is not None:
        return why_run(facts, facts.run)
    if facts.due > facts.now:
        return why_next(facts)
    return _why_no_run(facts)


def _why_no_run(facts: Facts) -> Verdict:
    if facts.stand_in is not None:
        return Verdict("did not run", (_superseded(facts, *facts.stand_in),))
    reasons = [*_gone(facts)] if facts.schedule is None else [*_kept(facts, facts.schedule)]
    sure = [reason for reason in reasons if reason.certainty == "surely"]
    if sure:
        return Verdict("did not run", tuple(sure))
    if _is_forgotten(facts):
        return Verdict("unknown", (_forgotten(facts), *reasons))
    if reasons:
        return Verdict("did not run", tuple(reasons))
    return Verdict("unknown", (_unexplained(facts),))


def _gone(facts: Facts) -> Iterator[Reason]:
    """Why nothing ran where Temporal holds no schedule."""
    deleted = facts.record.deleted
    if facts.limit is not None and facts.used >= facts.limit:
        yield used_up(facts, removed=True)
    elif deleted is None:
        yield not_applied()
    elif facts.fire_time < deleted and (paused := paused_then(facts)) is not None:
        yield paused
    else:
        yield Reason(
            "deleted",
            "Temporal removed the schedule at {deleted}, as it had nothing left to do"
            if facts.record.finished
            else "the schedule was deleted at {deleted}",
            "surely" if deleted <= facts.fire_time else "probably",
            mend="`euryale apply`, or the start of a worker, makes it anew",
            values={"deleted": deleted},
        )


def _kept(facts: Facts, schedule: ScheduleFacts) -> Iterator[Reason]:
    """Why nothing ran though there is a schedule, the most telling reason first."""
    if schedule.created > facts.fire_time:
        yield Reason(
            "made_later",
            "the schedule was only made at {created}, after that time",
            mend="make up for it with `euryale run {job}`, if it should have run",
            values={"created": schedule.created, "job": facts.job},
        )
        return
    if (paused := paused_then(facts)) is not None:
        yield paused
    ran_later = any(run.fire_time and run.fire_time > facts.fire_time for run in facts.runs)
    # Where nothing is to be started, a scheduler sleeps: of these firings no more can be told.
    if paused is not None and paused.certainty == "surely":
        return
    if schedule.remaining == 0 and not ran_later:
        yield used_up(facts)
        return
    if schedule.fires is False:
        yield other_times(facts, schedule)
        return
    missed = tuple(_missed(facts, schedule))
    # The overlap policy is only asked about what isn't missed.
    if not any(reason.certainty == "surely" for reason in missed):
        yield from _overlapped(facts, schedule)
    yield from missed
    if facts.now - facts.due < SETTLED:
        yield Reason(
            "due_now",
            "it was due only {ago} ago, and may be about to start",
            "probably",
            mend="ask again in a moment",
            values={"ago": facts.now - facts.due},
        )
    if schedule.was_changed_after(facts.fire_time) and schedule.updated is not None:
        yield Reason(
            "changed",
            "the schedule was changed at {updated}, and may have been another one before",
            "probably",
            values={"updated": schedule.updated},
        )


def _superseded(facts: Facts, run: Run, turn: Turn) -> Reason:
    words = (
        "the run {run}, started late, ran for it"
        if turn.fired_at == facts.fired_at
        else "only the latest missed firing was caught up: that of {latest}, by the run {run}"
    )
    return Reason("superseded", words, values={"run": run.workflow_id, "latest": turn.fired_at})


def _overlapped(facts: Facts, schedule: ScheduleFacts) -> Iterator[Reason]:
    run = facts.under_way_at(facts.record.looked_at(facts.due) or facts.due)
    if run is None or schedule.overlap in ("allow_all", "cancel_other", "terminate_other"):
        return
    under_way = "was still running, from {started} to {ended}"
    if run.ended is None:
        under_way = "is still running, since {started}"
    values: dict[str, Value] = {"run": run.workflow_id, "started": run.started, "job": facts.job}
    values |= {} if run.ended is None else {"ended": run.ended}
    if schedule.overlap in _BUFFERING and run.ended is None and schedule.waiting:
        yield Reason(
            "buffered",
            f"it waits for the run {{run}}, which {under_way}",
            "surely" if schedule.overlap == "buffer_all" else "probably",
            mend="`euryale cancel {run}` ends that one, if it should not go on",
            values=values,
        )
    elif schedule.overlap == "buffer_one" and schedule.skipped:
        yield Reason(
            "overlapped",
            f"another firing was waiting already for the run {{run}}, which {under_way}, and "
            "the overlap policy is buffer_one",
            "probably",
            mend="`euryale logs {run}` tells what takes it so long",
            values=values,
        )
    elif schedule.overlap == "skip" and schedule.skipped:
        apart = run.ended is None or run.ended - facts.due > CLOSE
        known = facts.is_recorded or not schedule.missed
        yield Reason(
            "overlapped",
            f"the run {{run}} {under_way}, and the overlap policy is skip",
            "surely" if apart and known else "probably",
            # Mostly the job isn't slow: a call is tried again, or no worker was there.
            mend="`euryale logs {run}` tells what it waits for, `euryale cancel {run}` ends it"
            if run.ended is None
            else "`euryale logs {run}` tells what took it so long; if that can't be helped, let "
            "the firings be rarer, or the overlap policy buffer_one",
            values=values,
        )


def _missed(facts: Facts, schedule: ScheduleFacts) -> Iterator[Reason]:
    looked = facts.record.looked_at(facts.due)
    mend = "give the job a longer catch_up, or make up for it with `{backfill}`"
    values: dict[str, Value] = {"window": schedule.catch_up, "backfill": facts.backfill}
    if looked is not None:
        late = looked - facts.due
        if late > schedule.catch_up:
            yield Reason(
                "missed",
                "Temporal was away, and only came to it at {looked}: {late} late, which is beyond "
                "the catch-up window of {window}",
                mend=mend,
                values=values | {"looked": looked, "late": late},
            )
    elif facts.is_recorded:
        if facts.now - facts.due > SETTLED and not schedule.paused:
            yield Reason(
                "not_looked_at",
                "Temporal's scheduler hasn't come to it yet: it is behind, or stuck",
                mend="see how the Temporal server is",
            )
    elif schedule.missed:
        yield Reason(
            "missed",
            "{missed} firings were later than the catch-up window of {window} when Temporal came "
            "to them, and this may be one of them",
            "probably",
            mend=mend,
            values=values | {"missed": schedule.missed},
        )
    if schedule.dropped:
        yield Reason(
            "dropped",
            "{dropped} firings were dropped, as too many were waiting, and this may be one of them",
            "probably",
            values={"dropped": schedule.dropped},
        )


def _is_forgotten(facts: Facts) -> bool:
    return facts.retention is not None and facts.fire_time < facts.now - facts.retention


def _forgotten(facts: Facts) -> Reason:
    return Reason(
        "forgotten",
        "Temporal forgets what ended {retention} ago: a run may have been there",
        mend="a longer retention of the namespace keeps runs for longer",
        values={} if facts.retention is None else {"retention": facts.retention},
    )


def _unexplained(facts: Facts) -> Reason:
    looked_at = ["the schedule", "its runs", "the catch-up window", "the task queue"]
    looked_at += ["the schedule's history"] if facts.is_recorded else []
    return Reason(
        "unexplained",
        f"nothing that Temporal tells explains it; looked at: {', '.join(looked_at)}",
        mend="the logs of the Temporal server may tell more",
    )
