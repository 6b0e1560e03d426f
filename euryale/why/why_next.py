"""Whether a firing that is still ahead will come, by what is known now."""

from collections.abc import Iterator

from euryale.why.evidence import Facts, Reason, ScheduleFacts, Value, Verdict
from euryale.why.why_schedule import not_applied, other_times, paused_now, used_up


def why_next(facts: Facts) -> Verdict:
    """Whether a firing will come.

    Args:
        facts: What is known of it; its time is still ahead.
    """
    obstacles = tuple(_obstacles(facts, facts.schedule))
    if obstacles:
        return Verdict("will not run", obstacles)
    comes = Reason(
        "comes",
        "it comes at {due}" + (", put off by {jitter}" if facts.jitter else ""),
        values={"due": facts.due, "jitter": facts.jitter},
    )
    return Verdict("will run", (comes, *_provided(facts)))


def _obstacles(facts: Facts, schedule: ScheduleFacts | None) -> Iterator[Reason]:
    if schedule is None:
        is_over = facts.limit is not None and facts.used >= facts.limit
        yield used_up(facts, removed=True) if is_over else not_applied()
        return
    if schedule.paused:
        yield paused_now(facts, schedule)
    if schedule.remaining == 0:
        yield used_up(facts)
    if schedule.fires is False:
        yield other_times(facts, schedule)


def _provided(facts: Facts) -> Iterator[Reason]:
    """What may still keep it from running."""
    schedule = facts.schedule
    if not facts.is_served:
        values: dict[str, Value] = {"queue": facts.task_queue}
        yield Reason(
            "no_worker",
            "its run will wait for a worker: none asks for work on task queue '{queue}' now",
            mend="start a worker: `euryale worker`",
            values=values,
        )
    run = facts.under_way_at(facts.now)
    if schedule is None or run is None or schedule.overlap == "allow_all":
        return
    becomes = {
        "skip": "it is skipped",
        "buffer_one": "it waits for its end",
        "buffer_all": "it waits for its end",
        "cancel_other": "that one is cancelled",
        "terminate_other": "that one is terminated",
    }[schedule.overlap]
    yield Reason(
        "under_way",
        f"the run {{run}} is under way since {{started}}; if it still is then, {becomes}, as "
        f"the overlap policy is {schedule.overlap}",
        "probably",
        values={"run": run.workflow_id, "started": run.started},
    )
