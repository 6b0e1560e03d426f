"""What a rehearsal has seen, for people and for programs."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from euryale.cli.progress import place
from euryale.cli.times import distance
from euryale.errors import RehearsalBlind
from euryale.rehearsal.rehearsal import Rehearsed
from euryale.rehearsal.stage import Blind, Noted
from euryale.rehearsal.summary import Group, brief, grouped, in_order

_LINES = 3
"""Lines of the application that are named of one group."""


def as_dict(rehearsed: Rehearsed) -> dict[str, Any]:
    """All that a rehearsal has seen, for programs."""
    activities = rehearsed.activities
    return {
        "name": rehearsed.job,
        "workflow_id": rehearsed.workflow_id,
        "end": rehearsed.end,
        "seconds": round(rehearsed.seconds, 3),
        "would": [_group_as_dict(each) for each in grouped(_done(rehearsed), activities)],
        "fail_at": _fail_at_as_dict(rehearsed),
        "would_take_back": [
            _group_as_dict(each) for each in in_order(_compensations(rehearsed), activities)
        ],
        "would_stay": [
            _group_as_dict(each) | {"undo": activities[each.name].undo or None}
            if each.name in activities
            else _group_as_dict(each) | {"undo": None}
            for each in grouped(_stays(rehearsed), activities)
        ],
        "blind": [{"workflow": each.workflow} | _blind(each).as_dict() for each in rehearsed.blind],
        "failure": _failure(rehearsed),
        "waits": rehearsed.waits,
        "waits_skipped_seconds": round(rehearsed.skipped.total_seconds(), 3),
        "reads": dict(rehearsed.reads),
        "result": rehearsed.outcome.result,
    }


def report(rehearsed: Rehearsed) -> Iterator[Text]:
    """The same for people."""
    groups = grouped(_done(rehearsed), rehearsed.activities)
    seen = {"blind": ", as far as could be seen", "waits": ", as far as could be seen"}.get(
        rehearsed.end, ""
    )
    if rehearsed.failed_on_purpose:
        seen = f", with {rehearsed.fail_at} failing"
    if groups:
        yield Text.assemble((rehearsed.job, "bold"), f" would{seen}")
    else:
        yield Text.assemble((rehearsed.job, "bold"), f" would change nothing{seen}")
    for group in groups:
        yield from _told(group)
    yield from _told_failure(rehearsed)
    for blind in rehearsed.blind:
        error = _blind(blind)
        mend = f" {error.mend}." if error.mend else ""
        yield Text.assemble(("? ", "yellow"), f"{error.what}.{mend}")
    if rehearsed.waits:
        yield Text.assemble(
            ("✗ ", "red"), f"nothing new was seen for too long: {rehearsed.waits} (--patience)"
        )
    yield Text(_footer(rehearsed), style="dim")


def _told(group: Group, more: str = "") -> Iterator[Text]:
    lines = ", ".join(group.lines[:_LINES]) + (", …" if len(group.lines) > _LINES else "")
    at = f" at {lines}" if lines else ""
    yield Text.assemble(f"  {group.sentence}", (f"  {group.name}{at}{more}", "dim"))
    if group.common:
        same = " ".join(f"{name}={brief(value)}" for name, value in group.common.items())
        yield Text(f"    {same}", style="dim")
    if group.things:
        rest = group.count - len(group.things)
        things = ", ".join(group.things) + (f" and {rest:,} more" if rest > 0 else "")
        yield Text(f"    {things}", style="dim")


def _told_failure(rehearsed: Rehearsed) -> Iterator[Text]:
    if rehearsed.fail_at is not None and not rehearsed.failed_on_purpose:
        times = f"{rehearsed.fail_at_calls:,} of its calls were seen"
        yield Text.assemble(("✗ ", "red"), f"it never came to {rehearsed.fail_at}: {times}")
    failure = _failure(rehearsed)
    if failure is not None:
        at = f" at {failure['where']}" if failure["where"] else ""
        yield Text.assemble(
            ("✗ ", "red"), f"the handler fails with {failure['type']}: {failure['message']}{at}"
        )
    if not rehearsed.failed_on_purpose and failure is None:
        return
    if rehearsed.fail_at is not None and rehearsed.failed_on_purpose:
        line = next((f" at {each.where}" for each in rehearsed.noted if each.failed), "")
        goes_on = ", and the handler goes on" if rehearsed.end == "completed" else ""
        yield Text.assemble(("✗ ", "red"), f"{rehearsed.fail_at} fails{line}{goes_on}")
    taken_back = in_order(_compensations(rehearsed), rehearsed.activities)
    if taken_back:
        yield Text("these compensations follow, in this order")
        for group in taken_back:
            yield from _told(group)
    stays = grouped(_stays(rehearsed), rehearsed.activities)
    if stays:
        yield Text("and this stays done" if taken_back else "this stays done")
        for group in stays:
            known = rehearsed.activities.get(group.name)
            undo = f"; euryale undo takes it back by {known.undo}" if known and known.undo else ""
            yield from _told(group, undo or "; nothing takes it back")
    if not taken_back and not stays:
        yield Text("nothing has to be taken back")


def _footer(rehearsed: Rehearsed) -> str:
    reads = ", ".join(
        name + (f" {count:,} times" if count > 1 else "") for name, count in rehearsed.reads.items()
    )
    text = f"It read {reads}: the data as it is now. " if reads else ""
    if rehearsed.skipped:
        text += f"Waits of {distance(rehearsed.skipped)} were skipped. "
    return f"{text}Nothing was changed."


def _done(rehearsed: Rehearsed) -> list[Noted]:
    return [each for each in rehearsed.noted if each.what != "compensation" and not each.failed]


def _compensations(rehearsed: Rehearsed) -> list[Noted]:
    return [each for each in rehearsed.noted if each.what == "compensation"]


def _stays(rehearsed: Rehearsed) -> Sequence[Noted]:
    """What a failed run leaves; one that goes well leaves all, as it should."""
    return rehearsed.left_done if rehearsed.end == "failed" else ()


def _failure(rehearsed: Rehearsed) -> dict[str, str] | None:
    """What the handler failed with, if nobody asked for that."""
    if rehearsed.end != "failed" or rehearsed.failed_on_purpose:
        return None
    outcome = rehearsed.outcome
    return {
        "type": outcome.failure_type,
        "message": outcome.failure_message,
        "where": place(outcome.failure_where),
    }


def _fail_at_as_dict(rehearsed: Rehearsed) -> dict[str, Any] | None:
    if rehearsed.fail_at is None:
        return None
    return {
        "step": str(rehearsed.fail_at),
        "reached": rehearsed.failed_on_purpose,
        "calls": rehearsed.fail_at_calls,
        "where": next((each.where for each in rehearsed.noted if each.failed), ""),
    }


def _group_as_dict(group: Group) -> dict[str, Any]:
    return {
        "what": group.what,
        "name": group.name,
        "sentence": group.sentence,
        "count": group.count,
        "calls": [
            {
                "arguments": dict(call.arguments),
                "workflow": call.workflow,
                "where": call.where,
                "summary": call.summary,
            }
            for call in group.calls
        ],
    }


def _blind(blind: Blind) -> RehearsalBlind:
    at = f"up to {blind.where}" if blind.where else "a part"
    return RehearsalBlind(
        f"saw {blind.workflow} {at}, where it {blind.reason}", where=blind.where, mend=blind.mend
    )
