"""How many calls of a real server plans and applies cost: exactly so many, and never more."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sample_runs import free_port
from temporalio.client import Client

from benchmarks.rpcs import counted
from benchmarks.schedules import listed, read_jobs, with_changes, write_jobs
from euryale.cli.plan_report import plan_report
from euryale.schedules.apply import Wish, apply
from euryale.schedules.held import held_schedules
from euryale.schedules.release import Release

pytestmark = pytest.mark.timeout(180)

JOBS = 200
CHANGES = 10

# Reading the ledger, taking the turn (read, write, read) and giving it back (read, write, read).
TURN = Counter({"describe_schedule/.ledger": 5, "update_schedule/.ledger": 2})

UNCHANGED = {"describe_schedule/.ledger": 1, "list_schedules": 1}


@pytest.fixture(autouse=True)
def no_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many of them an apply shows depends on how long it takes; each costs three calls."""
    for name in ("_BEAT", "_SAFE"):
        monkeypatch.setattr(f"euryale.schedules.turn.{name}", timedelta(hours=1))


async def calls_of_apply(client: Client, wish: Wish) -> Counter[str]:
    with counted(client) as calls:
        assert (await apply(client, wish)).of("failed") == ()
    return calls


async def calls_of_plan(client: Client, wish: Wish) -> Counter[str]:
    with counted(client) as calls:
        await plan_report(client, wish)
    return calls


async def test_what_applies_and_plans_cost(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = write_jobs(tmp_path, f"app_{free_port()}", JOBS, zones=("UTC",))
    wish = read_jobs(app, tmp_path)
    assert len(wish.desired) == JOBS

    # The first one: a create for each schedule. There is no ledger yet, and so another list tells
    # whether one was lost.
    first = Counter(
        {
            "create_schedule": JOBS,
            "create_schedule/.ledger": 1,
            "list_schedules": 2,
            "describe_schedule/.ledger": 5,
            "update_schedule/.ledger": 1,
        }
    )
    assert await calls_of_apply(client, wish) == first
    await listed(client, wish)

    # Where nothing changes, nothing is asked for but the list and the ledger.
    assert await calls_of_plan(client, wish) == UNCHANGED
    assert await calls_of_apply(client, wish) == UNCHANGED

    # A change: described, updated, and described again, since a stale update is dropped silently.
    monkeypatch.setattr("euryale.schedules.apply.LAG", timedelta(0))
    second = with_changes(wish, "r2", CHANGES)
    assert await calls_of_plan(client, second) == {**UNCHANGED, "describe_schedule": CHANGES}
    writes = {"describe_schedule": 2 * CHANGES, "update_schedule": CHANGES}
    assert await calls_of_apply(client, second) == TURN + Counter(writes | {"list_schedules": 1})

    # Right after another release was applied, no list is trusted: each schedule is described once,
    # and another list tells what the other release made in its last moment.
    monkeypatch.setattr("euryale.schedules.apply.LAG", timedelta(minutes=1))
    third = with_changes(wish, "r3", CHANGES)
    writes = {"describe_schedule": JOBS + CHANGES, "update_schedule": CHANGES}
    assert await calls_of_apply(client, third) == TURN + Counter(writes | {"list_schedules": 2})

    # A removal: described, since its executions are kept, and deleted.
    monkeypatch.setattr("euryale.schedules.apply.LAG", timedelta(0))
    fewer = replace(third, desired=third.desired[CHANGES:], release=Release("r4"))
    deletes = {"describe_schedule": CHANGES, "delete_schedule": CHANGES}
    assert await calls_of_apply(client, fewer) == TURN + Counter(deletes | {"list_schedules": 1})


async def test_a_list_of_several_pages_is_read_whole(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = write_jobs(tmp_path, f"app_{free_port()}", 7)
    wish = read_jobs(app, tmp_path)
    await apply(client, wish)
    await listed(client, wish)
    monkeypatch.setattr("euryale.schedules.held._PAGE", 3)
    with counted(client) as calls:
        held = await held_schedules(client, app.name)
    assert sorted(held) == [".ledger", *(each.name for each in wish.desired)]
    assert calls["list_schedules"] == 3
