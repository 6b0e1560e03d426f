"""The reasons that lie in a schedule itself: not applied, paused, used up, or with other times."""

from euryale.schedules.pauses import read_note
from euryale.schedules.schedule_record import Change, Pause
from euryale.why.evidence import Certainty, Facts, Reason, ScheduleFacts, Value


def not_applied() -> Reason:
    """Temporal holds no schedule."""
    return Reason(
        "not_applied",
        "Temporal holds no schedule of this job: it isn't applied yet, or was deleted",
        mend="`euryale apply`, or the start of a worker, makes it",
    )


def used_up(facts: Facts, *, removed: bool = False) -> Reason:
    """`number_of_executions` is reached; and Temporal may have removed the schedule since."""
    values: dict[str, Value] = {} if facts.limit is None else {"limit": facts.limit}
    words = f"all {'executions' if facts.limit is None else '{limit} executions'} are used up"
    ran = [run.fire_time for run in facts.runs if run.fire_time is not None]
    if removed:
        words += ", and Temporal removed the finished schedule"
    elif ran:
        words += ", the last one at {last}"
        values["last"] = max(ran)
    return Reason(
        "limit_reached",
        words,
        mend="raise number_of_executions if there should be more",
        values=values,
    )


def other_times(facts: Facts, schedule: ScheduleFacts) -> Reason:
    """The schedule that Temporal holds doesn't fire when the job's file says it does."""
    values: dict[str, Value] = {}
    words = "the schedule that Temporal holds doesn't fire at that time"
    if schedule.horizon is not None and schedule.horizon <= facts.fire_time:
        words += ": its calendars end at {horizon}, and no worker has renewed them"
        values["horizon"] = schedule.horizon
    elif schedule.changed_by_hand:
        words += ": somebody changed it by hand"
    else:
        words += ": it was applied from another release"
    known = facts.fire_time > facts.now or not schedule.was_changed_after(facts.fire_time)
    return Reason(
        "other_times",
        words,
        "surely" if known else "probably",
        mend="`euryale plan` shows the difference, and `euryale apply` mends it",
        values=values,
    )


def paused_then(facts: Facts) -> Reason | None:
    """The schedule was paused at the time of the firing; None if that isn't known."""
    schedule, record = facts.schedule, facts.record
    # A change that the server dropped, as somebody else had changed the schedule meanwhile, is in
    # the record too; then the schedule is another than the record says.
    trusted = schedule is None or not record.changes or record.changes[-1].paused == schedule.paused
    if trusted and facts.is_recorded:
        pause = record.pause_at(facts.fire_time)
        return None if pause is None else _paused(facts, pause, "surely")
    if schedule is None or not schedule.paused:
        return None
    note = read_note(schedule.note)
    if note is None:
        return _paused(facts, _unknown(schedule), "probably")
    # It is to the minute.
    if note.since > facts.fire_time:
        return None
    return _paused(facts, _unknown(schedule), "surely")


def paused_now(facts: Facts, schedule: ScheduleFacts) -> Reason:
    """The schedule is paused."""
    pause = facts.record.pause_at(facts.now)
    return _paused(facts, pause or _unknown(schedule), "surely")


def _unknown(schedule: ScheduleFacts) -> Pause:
    """A pause of which only the note tells."""
    return Pause(Change("first", schedule.created, paused=True, note=schedule.note), None)


def _paused(facts: Facts, pause: Pause, certainty: Certainty) -> Reason:
    begun, ended, note = pause.begun, pause.ended, read_note(pause.begun.note)
    values: dict[str, Value] = {
        "by": note.by if note else begun.by,
        "note": note.why if note else begun.note,
        "job": facts.job,
        "backfill": facts.backfill,
    }
    words = f"the schedule {'was' if ended else 'is'} paused"
    # Where the record begins with the pause, neither its beginning nor who began it is told.
    if note or begun.kind != "first":
        values["since"] = note.since if note else begun.at
        words += " from {since} to {until}" if ended else " since {since}"
        words += " by {by}" if values["by"] else ""
    elif ended:
        words += " until {until}"
    if ended:
        values["until"] = ended.at
    frozen = note is not None and note.frozen
    words += ", in a freeze of all" if frozen else ""
    words += ": {note}" if values["note"] else ""
    return Reason(
        "frozen" if frozen else "paused",
        words,
        certainty,
        mend="`{backfill}` makes up for it, if it should have run"
        if ended
        else (
            "`euryale thaw` ends the freeze" if frozen else "`euryale resume {job}` lets it fire"
        ),
        values=values,
    )
