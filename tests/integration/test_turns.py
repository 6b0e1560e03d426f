"""Turns on a real Temporal server: who may apply, and who gives way."""

import asyncio

import pytest
from sample_runs import free_port
from temporalio.client import Client

from euryale.errors import ReleaseInvalid, ReleaseSuperseded
from euryale.schedules.ledger import Freeze, Ledger
from euryale.schedules.release import Release
from euryale.schedules.turn import LEASE, ApplyTurn, apply_turn, change_ledger, read_ledger


@pytest.fixture
def app() -> str:
    return f"app_{free_port()}"


async def apply_once(client: Client, app: str, release: Release) -> int:
    async with apply_turn(client, app, release) as turn:
        return turn.sequence


async def renew_for_ever(turn: ApplyTurn) -> None:
    while True:
        await turn.renew()


async def test_releases_get_their_places_in_the_order_of_their_first_apply(
    client: Client, app: str
) -> None:
    assert [await apply_once(client, app, Release(name)) for name in ("a", "b", "b")] == [1, 2, 2]
    with pytest.raises(ReleaseSuperseded, match="'a' is older than 'b'"):
        await apply_once(client, app, Release("a"))
    assert await apply_once(client, app, Release("a", rollback=True)) == 2
    assert await apply_once(client, app, Release("a", rollback=True)) == 2
    with pytest.raises(ReleaseSuperseded, match="'b' is older than 'a'"):
        await apply_once(client, app, Release("b"))
    assert await apply_once(client, app, Release("c")) == 3


async def test_a_sequence_orders_releases_whoever_applies_first(client: Client, app: str) -> None:
    assert await apply_once(client, app, Release("b", 12)) == 12
    with pytest.raises(ReleaseSuperseded):
        await apply_once(client, app, Release("a", 11))
    with pytest.raises(ReleaseInvalid):
        await apply_once(client, app, Release("c", 12))
    assert await apply_once(client, app, Release("c")) == 13


async def test_going_back_leaves_the_next_number_to_the_next_build(
    client: Client, app: str
) -> None:
    for number in (5, 6):
        assert await apply_once(client, app, Release(f"b{number}", number)) == number
    assert await apply_once(client, app, Release("b5", 5, rollback=True)) == 6
    with pytest.raises(ReleaseSuperseded, match="'b6' is older than 'b5'"):
        await apply_once(client, app, Release("b6", 6))
    # Its own workers, which say the number that it had.
    assert await apply_once(client, app, Release("b5", 5)) == 6
    assert await apply_once(client, app, Release("b6", 6, rollback=True)) == 6
    assert await apply_once(client, app, Release("b7", 7)) == 7


async def test_many_at_once_take_turns(client: Client, app: str) -> None:
    inside = 0

    async def one() -> None:
        nonlocal inside
        async with apply_turn(client, app, Release("a")) as turn:
            inside += 1
            assert inside == 1
            await turn.renew()
            await turn.check()
            inside -= 1

    await asyncio.gather(*(one() for _ in range(4)))
    ledger = (await read_ledger(client, app)).ledger
    assert (ledger.turn, ledger.waiting, ledger.newest) == (None, 0, "a")


async def test_an_older_release_gives_way_to_a_newer_one(client: Client, app: str) -> None:
    order: list[str] = []
    begun = asyncio.Event()

    async def older() -> None:
        async with apply_turn(client, app, Release("a")) as turn:
            begun.set()
            with pytest.raises(ReleaseSuperseded, match="waits"):
                await renew_for_ever(turn)
            with pytest.raises(ReleaseSuperseded):
                await turn.check()
            order.append("a gave way")

    async def newer() -> None:
        await begun.wait()
        await apply_once(client, app, Release("b"))
        order.append("b applied")

    await asyncio.gather(older(), newer())
    assert order == ["a gave way", "b applied"]


async def test_the_turn_of_one_who_died_is_taken(
    client: Client, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euryale.schedules.turn.LEASE", LEASE / 20)
    await change_ledger(client, app, lambda ledger: ledger.claimed(Release("a"), "dead"))
    assert await apply_once(client, app, Release("a")) == 1


async def test_the_one_who_lost_its_turn_writes_no_more(client: Client, app: str) -> None:
    async with apply_turn(client, app, Release("a")) as turn:

        def taken(ledger: Ledger) -> Ledger:
            return ledger.finished(turn._holder).claimed(Release("b"), "another")

        await change_ledger(client, app, taken)
        with pytest.raises(ReleaseSuperseded, match="'b'"):
            await turn.renew()
        with pytest.raises(ReleaseSuperseded):
            await turn.check()


async def test_changes_of_many_at_once_are_all_kept(client: Client, app: str) -> None:
    async def one(number: int) -> None:
        await change_ledger(
            client, app, lambda ledger: ledger.with_executions({f"job{number}": number})
        )

    await asyncio.gather(*(one(number) for number in range(8)))
    held = await read_ledger(client, app)
    assert held.ledger.executions == {f"job{number}": number for number in range(8)}
    schedule = await client.get_schedule_handle(f"{app}/.ledger").describe()
    assert schedule.schedule.state.paused
    assert not schedule.info.next_action_times


def test_the_ledger_remembers_the_last_releases() -> None:
    ledger = Ledger()
    for number in range(250):
        ledger = ledger.claimed(Release(f"r{number}"), f"h{number}").finished(f"h{number}")
    assert len(ledger.releases) == 100
    assert (ledger.newest, ledger.sequence) == ("r249", 250)
    assert ledger.place(Release("r200")) == 201


def test_a_ledger_of_a_newer_engine_keeps_what_this_one_does_not_know() -> None:
    newer = Ledger.model_validate({"sequence": 1, "releases": {"a": 1}, "colours": ["red"]})
    changed = newer.claimed(Release("b"), "h").with_frozen(None)
    assert changed.model_dump(mode="json")["colours"] == ["red"]


def test_a_renamed_job_takes_its_counter_and_its_names_along() -> None:
    ledger = Ledger(executions={"a": 3}).with_renamed("b", "a").with_renamed("c", "b")
    assert ledger.executions == {"c": 3}
    assert ledger.former_names["c"] == ("b", "a")


def test_a_freeze_is_read_as_it_was_written() -> None:
    frozen = Freeze.model_validate({"by": "ana@host", "since": "2026-11-21T00:00:00Z", "note": "x"})
    ledger = Ledger().with_frozen(frozen)
    assert Ledger.model_validate(ledger.model_dump(mode="json")) == ledger
