"""What became of a run, and why it was late: the reasons where a firing has a run."""

from collections.abc import Iterator
from datetime import timedelta

from euryale.time.catch_up import Turn
from euryale.why.evidence import Facts, FailureFacts, Outcome, Reason, RunFacts, Value, Verdict

LATE = timedelta(seconds=5)
"""From when on a delay is worth a sentence: a busy server takes a second or two."""


def why_run(facts: Facts, found: RunFacts) -> Verdict:
    """What became of a firing that has a run.

    Args:
        facts: What is known of the firing.
        found: What is known of its run.
    """
    outcome: Outcome = found.run.status
    if outcome == "running" and found.taken is None:
        outcome = "waiting"
    return Verdict(outcome, (*_status(facts, found), *_turn(facts, found), *_late(facts, found)))


def _status(facts: Facts, found: RunFacts) -> Iterator[Reason]:
    run = found.run
    values: dict[str, Value] = {
        "job": facts.job,
        "run": run.workflow_id,
        "started": run.started,
    }
    if run.ended is not None:
        values |= {"ended": run.ended, "took": run.ended - run.started}
    match run.status:
        case "running":
            yield from _under_way(facts, found)
        case "completed":
            yield Reason("completed", "it completed at {ended}, after {took}", values=values)
        case "failed" if found.failure is not None:
            yield _failed(found.failure, values)
        case "cancelled" | "terminated":
            words = f"it was {run.status} at {{ended}}"
            words += (" by {by}" if found.ended_by else "") + (": {why}" if found.reason else "")
            yield Reason(
                run.status, words, values=values | {"by": found.ended_by, "why": found.reason}
            )
        case "continued":
            yield Reason("continued", "it goes on as another run of the same id", values=values)
        case _:
            yield Reason(
                run.status.replace(" ", "_"), f"it {run.status} at {{ended}}", values=values
            )


def _failed(failure: FailureFacts, values: dict[str, Value]) -> Reason:
    words = "it failed at {ended}, after {took}, with {type}: {message}"
    words += " (at {where})" if failure.where else ""
    if failure.call:
        words += "; the call {call} was given up"
        words += " after {attempts} attempts" if failure.attempts > 1 else ""
    return Reason(
        "failed",
        words,
        mend="mend the cause, and make up for it with `euryale run {job}`"
        if not failure.where
        else "mend it at {where}, and make up for it with `euryale run {job}`",
        values=values
        | {
            "type": failure.type,
            "message": failure.message,
            "where": failure.where,
            "call": failure.call,
            "attempts": failure.attempts,
        },
    )


def _under_way(facts: Facts, found: RunFacts) -> Iterator[Reason]:
    values: dict[str, Value] = {
        "run": found.run.workflow_id,
        "started": found.run.started,
        "elapsed": facts.now - found.run.started,
        "queue": facts.task_queue,
    }
    if found.stuck:
        yield Reason(
            "not_served",
            "it was started at {started}, but the workers that take it can't go on with it: "
            "{stuck}",
            mend="start a worker of the release that has the job's file as it is now",
            values=values | {"stuck": found.stuck},
        )
        return
    if not facts.is_served:
        words = "it was started at {started}, and waits for a worker: none asks for work on task "
        words += "queue '{queue}'"
        if facts.polled is not None:
            values["polled"] = facts.polled
            words += "; the last one did at {polled}"
        mend = "start a worker: `euryale worker`"
        yield Reason("no_worker", words, mend=mend, values=values)
        return
    if found.taken is None:
        yield Reason(
            "not_taken",
            "it was started at {started}, and no worker has taken it yet, though one asks for "
            "work on task queue '{queue}'",
            mend="ask again in a moment; if it stays so, the workers are busy",
            values=values,
        )
        return
    yield Reason("running", "it is running since {started}, for {elapsed} by now", values=values)
    for retry in found.retrying:
        yield Reason(
            "retrying",
            "its call {call} is tried again, attempt {attempt}, after: {why}",
            values={"call": retry.call, "attempt": retry.attempt, "why": retry.reason},
        )


def _turn(facts: Facts, found: RunFacts) -> Iterator[Reason]:
    if found.turn is None or found.turn == Turn(facts.fired_at):
        return
    words = (
        "it ended at once, since a later firing was due already: that of {latest}"
        if found.turn.superseded
        else "having started late, it ran for the latest missed firing: that of {latest}"
    )
    yield Reason("superseded", words, values={"latest": found.turn.fired_at})


def _late(facts: Facts, found: RunFacts) -> Iterator[Reason]:
    """Why the run, or its first step on a worker, came late."""
    yield from _started_late(facts, found)
    if found.offered is not None and found.taken is not None:
        waited = found.taken - found.offered
        if waited > LATE:
            yield Reason(
                "late_worker",
                "it waited {waited} for a worker, which took it at {taken}",
                mend="let workers run all the time, or more of them",
                values={"waited": waited, "taken": found.taken},
            )


def _started_late(facts: Facts, found: RunFacts) -> Iterator[Reason]:
    started = found.run.started
    late = started - facts.fire_time
    values: dict[str, Value] = {"late": late, "started": started}
    backfill = facts.record.backfill_of(facts.fire_time, facts.due)
    if late <= LATE:
        return
    if backfill is not None and facts.fire_time < backfill.at <= started:
        yield Reason(
            "backfilled",
            "it was started by a backfill at {at}" + (" by {by}" if backfill.by else ""),
            values=values | {"at": backfill.at, "by": backfill.by},
        )
        return
    if late <= facts.jitter + LATE:
        yield Reason(
            "jitter",
            "its jitter put it off by {jitter}",
            values=values | {"jitter": facts.jitter},
        )
        return
    looked = facts.record.looked_at(facts.due)
    if looked is not None and looked - facts.due > LATE:
        yield Reason(
            "late_server",
            "it was started {late} late, as Temporal was away and only came to it at {looked}",
            values=values | {"looked": looked},
        )
    before = facts.under_way_at(facts.due)
    if before is not None and before.ended is not None and before.ended <= started + LATE:
        yield Reason(
            "buffered",
            "it was started {late} late, after the run {before} had ended at {ended}",
            "surely" if started - before.ended < LATE else "probably",
            mend="`euryale logs {before}` tells what took that one so long",
            values=values | {"before": before.workflow_id, "ended": before.ended},
        )
    elif looked is None or looked - facts.due <= LATE:
        yield Reason(
            "late",
            "it was started {late} late; Temporal doesn't tell why, but it starts 30 runs of a "
            "namespace in a second at most",
            "probably",
            mend="`euryale calendar` shows the seconds at which too many are due",
            values=values,
        )
