"""Applying on a real Temporal server: plans, releases, renames, and what must be kept."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sample_runs import free_port
from temporalio.client import (
    Client,
    CreateScheduleInput,
    Interceptor,
    OutboundInterceptor,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleDescription,
    ScheduleHandle,
    ScheduleIntervalSpec,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from euryale import Euryale
from euryale.errors import ReleaseSuperseded
from euryale.schedules.apply import ApplyReport, Wish, apply, plan
from euryale.schedules.differences import differences, held_detail
from euryale.schedules.held import HeldSchedule, held_schedules
from euryale.schedules.ledger import Freeze
from euryale.schedules.plan import Plan
from euryale.schedules.release import Release
from euryale.schedules.turn import change_ledger, read_ledger

JOB = """
from datetime import date, timedelta
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", {config})


async def handler(container): ...
"""


class Lamp:
    """A service, since an application has at least one."""


class Folder:
    """An application of its own, with the job files of a folder."""

    def __init__(self, root: Path, client: Client, name: str = "") -> None:
        self.root, self.client = root, client
        self.name = name or f"app_{free_port()}"
        (root / self.name).mkdir()

    def write(self, name: str, config: str = 'schedule="0 4 * * *"') -> None:
        (self.root / self.name / f"{name}.py").write_text(JOB.format(name=name, config=config))

    def remove(self, name: str) -> None:
        (self.root / self.name / f"{name}.py").unlink()

    def wish(self, release: str = "r", *, prune: bool = True, **more: Any) -> Wish:
        app = Euryale(name=self.name, services={"lamp": Lamp}, jobs=[self.name])
        registry = app.load(self.root)
        return Wish(
            self.name,
            app.schedules(registry),
            more.pop("as_release", Release(release, rollback=True)),
            prune=prune,
            left_out=bool(registry.errors),
            **more,
        )

    async def apply(self, release: str = "r", **more: Any) -> dict[str, str]:
        report = await apply(self.client, self.wish(release, **more))
        return outcomes(report)

    async def plan(self, **more: Any) -> Plan:
        ledger = (await read_ledger(self.client, self.name)).ledger
        return await plan(self.client, self.wish(**more), ledger)

    def handle(self, name: str) -> ScheduleHandle:
        return self.client.get_schedule_handle(f"{self.name}/{name}")

    async def described(self, name: str) -> ScheduleDescription:
        return await self.handle(name).describe()

    async def listed(self, *names: str) -> dict[str, HeldSchedule]:
        return {
            name: held
            for name, held in (await held_schedules(self.client, self.name)).items()
            if not name.startswith(".")
        }

    async def listed_until(self, shown: Callable[[dict[str, HeldSchedule]], bool]) -> None:
        """Wait until the list, which lags behind, shows something."""
        async with asyncio.timeout(50):
            while not shown(await self.listed()):
                await asyncio.sleep(0.2)


def outcomes(report: ApplyReport) -> dict[str, str]:
    return {one.id.partition("/")[2]: one.outcome for one in report.applied}


@pytest.fixture
def folder(tmp_path: Path, client: Client) -> Folder:
    return Folder(tmp_path, client)


SPECS = (
    'schedule="0 4 * * *"',
    'schedule="*/15 9-17 * * MON-FRI", time_zone="Africa/Casablanca"',
    "schedule=timedelta(minutes=7), jitter=30",
    'schedule="30 2 L * *", time_zone="Europe/Berlin", end_at="2040-01-01T00:00:00+00:00"',
    'schedule=["0 9 * * 1", timedelta(hours=5), "15 3 29 2 *"], start_at="2027-01-01T00:00:00Z"',
    'schedule="0 0 * * *", except_=tuple(date(2027, 1, day) for day in range(1, 29, 2))',
    'schedule="0 12 * * 1-5", except_=("0 12 * * 2", date(2027, 5, 1)), time_zone="Asia/Tokyo"',
    'schedule="* * * * * *"',
)


async def test_what_was_applied_is_unchanged_by_one_list_whatever_its_times(
    folder: Folder,
) -> None:
    for number, spec in enumerate(SPECS):
        folder.write(f"job{number}", spec)
    assert set((await folder.apply()).values()) == {"created"}
    planned = await folder.plan()
    assert [(change.kind, change.by_hand) for change in planned.changes] == [
        ("unchanged", False)
    ] * len(SPECS)
    assert set((await folder.apply()).values()) == {"unchanged"}
    assert set((await folder.apply(deep=True)).values()) == {"unchanged"}


async def test_a_job_whose_file_is_gone_is_removed(folder: Folder) -> None:
    folder.write("stays")
    folder.write("goes")
    await folder.apply()
    folder.remove("goes")
    assert await folder.apply(prune=False) == {"stays": "unchanged", "goes": "kept"}
    assert await folder.apply() == {"stays": "unchanged", "goes": "removed"}
    assert await folder.apply() == {"stays": "unchanged"}


async def test_nothing_is_removed_while_a_job_file_is_broken(folder: Folder) -> None:
    folder.write("good")
    folder.write("bad")
    await folder.apply()
    (folder.root / folder.name / "bad.py").write_text("this is no Python")
    assert await folder.apply() == {"good": "unchanged", "bad": "kept"}


async def test_schedules_of_others_are_left_alone(folder: Folder, client: Client) -> None:
    folder.write("mine")
    theirs = Schedule(
        action=ScheduleActionStartWorkflow("w", id="w", task_queue="theirs"),
        spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=timedelta(days=1))]),
    )
    ids = [f"{folder.name}2/mine", f"{folder.name}/by-hand", f"x{folder.name}/mine"]
    for schedule_id in ids:
        await client.create_schedule(schedule_id, theirs)
    assert await folder.apply() == {"mine": "created", "by-hand": "kept"}
    for schedule_id in ids:
        await client.get_schedule_handle(schedule_id).delete()


async def test_an_application_whose_name_differs_in_case_alone_is_another_one(
    folder: Folder, tmp_path: Path, client: Client
) -> None:
    theirs = Folder(tmp_path, client, folder.name.upper())
    theirs.write("job")
    await theirs.apply()
    await theirs.listed_until(lambda held: "job" in held)
    assert await folder.apply() == {}
    assert [change.kind for change in (await theirs.plan()).changes] == ["unchanged"]


async def test_a_schedule_changed_by_hand_is_seen_and_made_right(folder: Folder) -> None:
    folder.write("job")
    await folder.apply()

    def rewritten(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = given.description.schedule
        schedule.spec.calendars = ()
        schedule.spec.intervals = [ScheduleIntervalSpec(every=timedelta(hours=1))]
        return ScheduleUpdate(schedule=schedule)

    await folder.handle("job").update(rewritten)
    await folder.listed_until(lambda held: held["job"].changed_by_hand)
    (change,) = (await folder.plan()).changes
    assert (change.kind, change.by_hand) == ("changed", True)
    assert change.desired is not None
    detail = await held_detail(await folder.described("job"))
    assert [each.field for each in differences(detail, change.desired)] == ["times"]
    assert await folder.apply() == {"job": "updated"}
    assert not (await folder.described("job")).schedule.spec.intervals


async def test_what_a_list_does_not_show_is_found_by_describing(folder: Folder) -> None:
    folder.write("job", 'schedule="0 4 * * *", data={"a": 1}')
    await folder.apply()

    def other_queue(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = given.description.schedule
        assert isinstance(schedule.action, ScheduleActionStartWorkflow)
        schedule.action.task_queue = "elsewhere"
        schedule.action.args = [{"a": 2}]
        schedule.policy.catchup_window = timedelta(days=3)
        return ScheduleUpdate(schedule=schedule)

    await folder.handle("job").update(other_queue)
    detail = await held_detail(await folder.described("job"))
    (wanted,) = folder.wish().desired
    assert [each.field for each in differences(detail, wanted)] == [
        "data",
        "task queue",
        "catch_up",
    ]
    assert await folder.apply(deep=True) == {"job": "updated"}
    assert await folder.apply(deep=True) == {"job": "unchanged"}


async def test_a_change_is_told_field_by_field(folder: Folder) -> None:
    folder.write("job", 'schedule="0 4 * * *", catch_up=300, number_of_executions=3')
    await folder.apply()
    folder.write("job", 'schedule="30 5 * * *", overlap="buffer_one", number_of_executions=3')
    (wanted,) = folder.wish().desired
    found = differences(await held_detail(await folder.described("job")), wanted)
    assert [(each.field, each.old, each.new) for each in found] == [
        ("schedule", "0 4 * * *", "30 5 * * *"),
        ("overlap", "skip", "buffer_one"),
        ("catch_up", "0:05:00", "none"),
    ]


async def test_a_renamed_job_keeps_its_pause_its_note_and_its_counter(folder: Folder) -> None:
    folder.write("before", 'schedule="0 4 * * *", number_of_executions=3')
    await folder.apply()
    await folder.handle("before").pause(note="inventory")
    await use_one(folder, "before")
    folder.remove("before")
    folder.write("after", 'schedule="0 4 * * *", number_of_executions=5, renamed_from="before"')
    assert [change.kind for change in (await folder.plan()).changes] == ["renamed"]
    assert await folder.apply() == {"after": "renamed"}
    state = (await folder.described("after")).schedule.state
    assert (state.paused, state.note, state.remaining_actions) == (True, "inventory", 4)
    assert list(await folder.listed()) == ["after"]
    ledger = (await read_ledger(folder.client, folder.name)).ledger
    assert ledger.former_names == {"after": ("before",)}
    assert await folder.apply() == {"after": "unchanged"}


async def use_one(folder: Folder, name: str) -> None:
    """Let one of a schedule's executions be used up."""

    def used(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = given.description.schedule
        schedule.state.remaining_actions -= 1
        return ScheduleUpdate(schedule=schedule)

    await folder.handle(name).update(used)


async def test_a_rename_goes_on_where_it_was_cut_off(folder: Folder) -> None:
    folder.write("before")
    await folder.apply()
    folder.write("after", 'schedule="0 4 * * *", renamed_from="before"')
    # As an apply leaves it that dies before the new schedule is made.
    since = "2026-11-21T00:00:00+00:00"
    await folder.handle("before").pause(note=f"is renamed to after since {since}: hello")
    folder.remove("before")
    assert await folder.apply() == {"after": "renamed"}
    state = (await folder.described("after")).schedule.state
    assert (state.paused, state.note) == (False, "hello")
    assert list(await folder.listed()) == ["after"]


RENAMED = "is renamed to after since {since}: hello"


async def test_a_release_without_a_rename_that_was_cut_off_lets_the_job_fire_again(
    folder: Folder,
) -> None:
    folder.write("before", 'schedule="* * * * *", overlap="allow_all", catch_up="all"')
    await folder.apply()
    two_minutes_ago = datetime.now(UTC) - timedelta(minutes=2)
    await folder.handle("before").pause(note=RENAMED.format(since=two_minutes_ago.isoformat()))
    await folder.listed_until(lambda held: held["before"].paused)
    (change,) = (await folder.plan()).changes
    assert (change.kind, change.reason) == ("changed", "a rename of it was cut off")
    assert await folder.apply() == {"before": "updated"}
    state = (await folder.described("before")).schedule.state
    assert (state.paused, state.note) == (False, "hello")
    async with asyncio.timeout(20):
        while (await folder.described("before")).info.num_actions < 2:
            await asyncio.sleep(0.1)
    await folder.handle("before").delete()


async def test_a_rename_is_taken_back_with_the_release_that_made_it(folder: Folder) -> None:
    config = 'schedule="0 4 * * *", number_of_executions=3'
    folder.write("before", config)
    await folder.apply()
    await use_one(folder, "before")
    folder.remove("before")
    folder.write("after", f'{config}, renamed_from="before"')
    await folder.apply()
    await folder.handle("after").pause(note="inventory")
    folder.remove("after")
    folder.write("before", config)
    await folder.listed_until(lambda held: set(held) == {"after"})
    assert await folder.apply() == {"before": "renamed"}
    state = (await folder.described("before")).schedule.state
    assert (state.paused, state.note, state.remaining_actions) == (True, "inventory", 2)
    ledger = (await read_ledger(folder.client, folder.name)).ledger
    assert ledger.former_names == {"before": ("after",)}


async def test_a_rename_that_was_cut_off_starts_no_more_runs_than_are_granted(
    folder: Folder,
) -> None:
    config = 'schedule="* * * * *", number_of_executions=3, overlap="allow_all"'
    folder.write("before", config)
    await folder.apply()
    long_ago = datetime.now(UTC) - timedelta(minutes=9)
    await folder.handle("before").pause(note=RENAMED.format(since=long_ago.isoformat()))
    folder.remove("before")
    folder.write("after", f'{config}, renamed_from="before", catch_up="all"')
    await folder.listed_until(lambda held: "before" in held)
    assert await folder.apply() == {"after": "renamed"}
    description = await folder.described("after")
    left = description.schedule.state.remaining_actions
    assert left + description.info.num_actions == 3
    await folder.handle("after").delete()


async def test_a_rename_in_a_freeze_makes_no_schedule_that_fires(folder: Folder) -> None:
    folder.write("before")
    await folder.apply()
    since = datetime.now(UTC)
    await folder.handle("before").pause(note=RENAMED.format(since=since.isoformat()))
    frozen = Freeze(by="ana@host", since=since, note="inventory")
    await change_ledger(folder.client, folder.name, lambda ledger: ledger.with_frozen(frozen))
    folder.remove("before")
    folder.write("after", 'schedule="0 4 * * *", renamed_from="before"')
    await folder.listed_until(lambda held: "before" in held)
    assert await folder.apply() == {"after": "renamed"}
    state = (await folder.described("after")).schedule.state
    assert state.paused
    assert (state.note or "").startswith("frozen: inventory (by ana@host, ")


async def test_a_finished_job_stays_so_under_another_name(folder: Folder) -> None:
    config = 'schedule="0 4 * * *", number_of_executions=2'
    folder.write("before", config)
    await folder.apply()
    await folder.handle("before").delete()  # As Temporal does seven days after the last run.
    await folder.listed_until(lambda held: not held)
    folder.remove("before")
    folder.write("after", f'{config}, renamed_from="before"')
    assert await folder.apply() == {"after": "finished"}
    folder.write("after", f'{config.replace("2", "3")}, renamed_from="before"')
    assert await folder.apply() == {"after": "created"}
    assert (await folder.described("after")).schedule.state.remaining_actions == 1


async def test_a_firing_in_the_middle_of_a_rename_is_made_up_for(folder: Folder) -> None:
    folder.write("before", 'schedule="* * * * * *"')
    await folder.apply()
    folder.remove("before")
    folder.write("after", 'schedule="* * * * * *", renamed_from="before", overlap="allow_all"')
    await folder.apply()
    async with asyncio.timeout(30):
        while True:
            times = [
                str(run.id).rpartition("-")[2]
                async for run in folder.client.list_workflows(f'TaskQueue = "{folder.name}"')
            ]
            seconds = sorted(times)
            if len(seconds) > 20:
                break
            await asyncio.sleep(0.2)
    await folder.handle("after").delete()
    # Each second once, though two schedules fired.
    assert [count for count in Counter(seconds).values() if count > 1] == []


async def test_a_firing_that_jitter_puts_off_over_a_rename_is_made_up_for(folder: Folder) -> None:
    names = [f"job{number}" for number in range(12)]
    config = "schedule=timedelta(seconds={every}), jitter={every}"
    for name in names:
        folder.write(name, config.format(every=20))
    await folder.apply()
    await folder.listed_until(lambda held: set(held) == set(names))
    # Between a firing and the next one, when half of the jobs have started their run.
    await asyncio.sleep(20 - time.time() % 20 + 10)
    fired_at = datetime.fromtimestamp(time.time() // 20 * 20, UTC)
    for name in names:
        folder.remove(name)
        folder.write(f"new-{name}", config.format(every=20) + f', renamed_from="{name}"')
    assert set((await folder.apply()).values()) == {"renamed"}
    id_end = f"{fired_at:%Y-%m-%dT%H:%M:%SZ}"
    async with asyncio.timeout(20):
        while True:
            query = f'TaskQueue = "{folder.name}"'
            ids = [run.id async for run in folder.client.list_workflows(query)]
            found = [each for each in ids if each.endswith(id_end)]
            if len(found) >= len(names):
                break
            await asyncio.sleep(0.2)
    for name in names:
        await folder.handle(f"new-{name}").delete()
    assert Counter(each.partition("job")[2].partition("-")[0] for each in found) == Counter(
        map(str, range(12))
    )


async def test_a_job_that_still_exists_is_not_taken_for_a_former_name(folder: Folder) -> None:
    folder.write("before")
    await folder.apply()
    folder.write("after", 'schedule="0 4 * * *", renamed_from="before"')
    assert await folder.apply() == {"before": "unchanged", "after": "created"}


async def test_lowering_and_raising_the_number_counts_what_ran(folder: Folder) -> None:
    async def left(number: int) -> int:
        folder.write("job", f'schedule="0 4 * * *", number_of_executions={number}')
        await folder.apply()
        return (await folder.described("job")).schedule.state.remaining_actions

    assert await left(3) == 3
    await use_one(folder, "job")
    await use_one(folder, "job")
    assert [await left(number) for number in (1, 3, 2, 5)] == [0, 1, 0, 3]


async def test_a_limited_job_goes_on_counting_when_its_file_comes_back(folder: Folder) -> None:
    config = 'schedule="0 4 * * *", number_of_executions=3'
    folder.write("job", config)
    folder.write("other")
    await folder.apply()
    await use_one(folder, "job")
    folder.remove("job")
    assert (await folder.apply())["job"] == "removed"
    folder.write("job", config)
    assert (await folder.apply())["job"] == "created"
    assert (await folder.described("job")).schedule.state.remaining_actions == 2


async def test_an_exhausted_job_whose_schedule_is_gone_stays_finished(folder: Folder) -> None:
    folder.write("job", 'schedule="0 4 * * *", number_of_executions=2')
    await folder.apply()
    await folder.handle("job").delete()  # As Temporal does seven days after the last run.
    assert await folder.apply() == {"job": "finished"}
    folder.write("job", 'schedule="0 4 * * *", number_of_executions=3')
    assert await folder.apply() == {"job": "created"}
    assert (await folder.described("job")).schedule.state.remaining_actions == 1


async def test_a_job_that_never_fires_again_is_not_made(folder: Folder) -> None:
    folder.write("job", 'schedule="0 4 * * *", end_at="2020-01-01T00:00:00+00:00"')
    assert await folder.apply() == {"job": "finished"}


async def test_an_older_release_changes_and_removes_nothing(folder: Folder) -> None:
    folder.write("both")
    folder.write("gone")
    older = folder.wish(as_release=Release("older"))
    await apply(folder.client, older)
    folder.write("both", 'schedule="30 5 * * *"')
    folder.remove("gone")
    folder.write("new")
    await apply(folder.client, folder.wish(as_release=Release("newer")))
    with pytest.raises(ReleaseSuperseded):
        await apply(folder.client, older)
    assert sorted(await folder.listed()) == ["both", "new"]
    calendar = (await folder.described("both")).schedule.spec.calendars[0]
    assert calendar.comment == "30 5 * * *"


async def test_a_ledger_that_was_deleted_is_made_anew_from_the_marks(folder: Folder) -> None:
    folder.write("job")
    older = folder.wish(as_release=Release("older"))
    await apply(folder.client, older)
    folder.write("job", 'schedule="30 5 * * *", number_of_executions=2')
    newer = folder.wish(as_release=Release("newer"))
    await apply(folder.client, newer)
    await folder.handle(".ledger").delete()
    # A freeze or a thaw may be the first to write it.
    await change_ledger(folder.client, folder.name, lambda ledger: ledger.asked(1))
    with pytest.raises(ReleaseSuperseded):
        await apply(folder.client, replace(older, release=Release(older.release.name, sequence=1)))
    assert (await apply(folder.client, newer)).sequence == 2
    assert (await read_ledger(folder.client, folder.name)).ledger.executions == {"job": 2}


class Slow(Interceptor):
    """Makes a client slow, so that another's apply falls into the middle of its own."""

    def __init__(self, *, begun: asyncio.Event) -> None:
        self.begun = begun

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 -- Temporal's name
        return SlowCreate(next, self.begun)


class SlowCreate(OutboundInterceptor):
    def __init__(self, following: OutboundInterceptor, begun: asyncio.Event) -> None:
        super().__init__(following)
        self.begun = begun

    async def create_schedule(self, input: CreateScheduleInput) -> ScheduleHandle:  # noqa: A002 -- Temporal's name
        if not input.id.endswith(".ledger"):
            self.begun.set()
            await asyncio.sleep(0.3)
        return await super().create_schedule(input)


async def test_two_releases_at_once_end_in_the_state_of_the_newer_one(folder: Folder) -> None:
    for number in range(40):
        folder.write(f"old{number:02}")
        folder.write(f"both{number:02}")
    older = folder.wish(as_release=Release("older", 1))
    for number in range(40):
        folder.remove(f"old{number:02}")
        folder.write(f"both{number:02}", 'schedule="30 5 * * *"')
    newer = folder.wish(as_release=Release("newer", 2))
    begun = asyncio.Event()
    config = folder.client.config() | {"interceptors": [Slow(begun=begun)]}

    async def second() -> ApplyReport:
        await begun.wait()
        return await apply(folder.client, newer)

    first, report = await asyncio.gather(
        apply(Client(**config), older), second(), return_exceptions=True
    )
    assert isinstance(first, ReleaseSuperseded)
    assert isinstance(report, ApplyReport)
    assert report.of("failed") == ()
    names = [f"both{number:02}" for number in range(40)]
    assert sorted(await folder.listed()) == names
    for name in names:
        spec = (await folder.described(name)).schedule.spec
        assert spec.calendars[0].comment == "30 5 * * *"


async def test_replicas_that_start_together_agree(folder: Folder) -> None:
    for number in range(6):
        folder.write(f"job{number}")
    wishes = [folder.wish(as_release=Release("r")) for _ in range(3)]
    reports = await asyncio.gather(*(apply(folder.client, wish) for wish in wishes))
    counts = Counter(outcome for each in reports for outcome in outcomes(each).values())
    assert counts == {"created": 6, "unchanged": 12}
    assert {report.sequence for report in reports} == {1}


async def test_an_apply_that_was_cut_off_heals_with_the_next_one(folder: Folder) -> None:
    for number in range(30):
        folder.write(f"job{number:02}")
    begun = asyncio.Event()
    config = folder.client.config() | {"interceptors": [Slow(begun=begun)]}
    cut_off = asyncio.ensure_future(apply(Client(**config), folder.wish()))
    await begun.wait()
    cut_off.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cut_off
    assert len(await folder.listed()) < 30
    await folder.apply()
    assert len(await folder.listed()) == 30
