"""What differs between a schedule that is held and the one that its job asks for, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleDescription

from euryale.config import ScheduledJobConfig
from euryale.runs.memo import MEMO
from euryale.schedules.mark import mark_of, spec_digest
from euryale.schedules.schedule import NOT_HELD, Desired, DesiredSchedule, written_config

_LONGEST = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs.

    Attributes:
        field: The config's field, or what else of a schedule differs.
        old: What is held, in words.
        new: What is desired, in words.
    """

    field: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class HeldDetail:
    """What a description tells of a schedule that the list of schedules doesn't.

    Attributes:
        schedule: The schedule.
        config: What the config said beyond its defaults when it was applied; None if nobody
            applied it.
        data: What the job's runs get as data.
        digest: The digest of when it fires; see `spec_digest`.
        applied_digest: The same as it was applied; None if nobody applied it.
        executions: How many executions it was granted; None without a limit.
    """

    schedule: Schedule
    config: Mapping[str, Any] | None
    data: Any
    digest: str
    applied_digest: str | None
    executions: int | None

    @property
    def used(self) -> int:
        """How many of its executions are used up."""
        state = self.schedule.state
        if not state.limited_actions:
            return 0
        granted = state.remaining_actions if self.executions is None else self.executions
        return max(0, granted - state.remaining_actions)


async def held_detail(description: ScheduleDescription) -> HeldDetail:
    """Decode what a description tells."""
    schedule = description.schedule
    action = schedule.action
    memo: Any = {}
    data: list[Any] = []
    if isinstance(action, ScheduleActionStartWorkflow):
        decode = description.data_converter.decode
        if MEMO in (action.memo or {}):
            assert action.memo is not None  # noqa: S101 -- for the type checker
            (memo,) = await decode([action.memo[MEMO]])
        data = await decode(list(action.args))
    spec = description.raw_description.schedule.spec
    mark = mark_of(spec)
    memo = memo if isinstance(memo, dict) else {}
    return HeldDetail(
        schedule=schedule,
        config=memo.get("config"),
        data=data[0] if data else {},
        digest=spec_digest(spec),
        applied_digest=mark.spec if mark else None,
        executions=mark.executions if mark else memo.get("number_of_executions"),
    )


def differences(held: HeldDetail, desired: Desired) -> tuple[Difference, ...]:
    """What differs, field by field: first what the config changed, then what was done by hand."""
    if not isinstance(desired, DesiredSchedule):
        return tuple(_by_hand(held, desired, same_config=True))
    written = written_config(desired.job.config)
    same_config = held.config is None or held.config == written
    return (*_of_config(held, desired), *_by_hand(held, desired, same_config=same_config))


def _of_config(held: HeldDetail, desired: DesiredSchedule) -> Iterator[Difference]:
    new = desired.job.config
    old = None if held.config is None else _config(held.config, desired.name)
    if old is not None and held.config is not None:
        written = written_config(new)
        for field in ScheduledJobConfig.model_fields:
            if field in {"name", "data", *NOT_HELD}:
                continue
            name = ScheduledJobConfig.model_fields[field].alias or field
            # As it is written: of a date or an interval that was read again, a text is left.
            if held.config.get(name) == written.get(name):
                continue
            before, after = getattr(old, field), getattr(new, field)
            if before != after:
                yield Difference(name, in_words(before), in_words(after))
    data = new.model_dump(mode="json")["data"]
    if held.data != data:
        yield Difference("data", in_words(held.data), in_words(data))


def _by_hand(held: HeldDetail, desired: Desired, *, same_config: bool) -> Iterator[Difference]:
    wanted, action = desired.schedule(), held.schedule.action
    if held.digest != held.applied_digest:
        yield Difference("times", "changed by hand", "as the schedule says")
    if not isinstance(action, ScheduleActionStartWorkflow):
        return
    assert isinstance(wanted.action, ScheduleActionStartWorkflow)  # noqa: S101 -- as it is made
    for field, old, new in (
        ("workflow", action.workflow, wanted.action.workflow),
        ("workflow id", action.id, wanted.action.id),
        ("task queue", action.task_queue, wanted.action.task_queue),
    ):
        if old != new:
            yield Difference(field, str(old), str(new))
    policy = held.schedule.policy
    for field, before, after in (
        ("overlap", policy.overlap, wanted.policy.overlap),
        ("catch_up", policy.catchup_window, wanted.policy.catchup_window),
    ):
        # Where the config changed too, that has told of it already.
        if same_config and before != after:
            yield Difference(field, in_words(before), in_words(after))


def _config(held: Mapping[str, Any], name: str) -> ScheduledJobConfig | None:
    try:
        return ScheduledJobConfig.model_validate({**held, "name": name})
    except ValidationError:
        # Another version of the engine wrote it.
        return None


def in_words(value: object) -> str:
    """A value as it is shown beside another.

    Example:
        >>> in_words(timedelta(minutes=90))
        '1:30:00'
        >>> in_words(None)
        'none'
    """
    if value is None or value in ((), {}, ""):
        return "none"
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return ", ".join(in_words(each) for each in value)
    if hasattr(value, "name") and hasattr(value, "value"):
        return str(value.name).lower()
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
