import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from euryale.errors import JobUnknown, NothingMatches
from euryale.schedules.pauses import (
    PauseNote,
    PauseState,
    chosen,
    freeze,
    is_pattern,
    pause,
    read_note,
    resume,
    resume_note,
    thaw,
)

AT = datetime(2026, 11, 21, 23, 50, tzinfo=UTC)
BY_ANA = PauseNote("ana@host", AT, "inventory")
FROZEN = PauseNote("ana@host", AT, "inventory", frozen=True)
NAMES = ["publish", "report-daily", "report-weekly", "Report-yearly"]


@pytest.mark.parametrize(
    ("note", "line"),
    [
        (BY_ANA, "inventory (paused by ana@host, 2026-11-21 23:50 UTC)"),
        (PauseNote("ana@host", AT), "paused by ana@host, 2026-11-21 23:50 UTC"),
        (FROZEN, "frozen: inventory (by ana@host, 2026-11-21 23:50 UTC)"),
        (PauseNote("ana@host", AT, frozen=True), "frozen (by ana@host, 2026-11-21 23:50 UTC)"),
        (PauseNote("Ana B", AT, "a (b), c"), "a (b), c (paused by Ana B, 2026-11-21 23:50 UTC)"),
        (PauseNote("a, b@c", AT, "x"), "x (paused by a, b@c, 2026-11-21 23:50 UTC)"),
        (PauseNote("a", AT, ": (x)", frozen=True), "frozen: : (x) (by a, 2026-11-21 23:50 UTC)"),
    ],
)
def test_a_note_is_one_line_that_can_be_read_again(note: PauseNote, line: str) -> None:
    assert str(note) == line
    assert read_note(line) == note


def test_a_note_of_several_lines_becomes_one() -> None:
    note = PauseNote("ana@host", AT, " the stock\n\tis counted ")
    assert str(note) == "the stock is counted (paused by ana@host, 2026-11-21 23:50 UTC)"


def test_a_note_tells_the_time_in_utc() -> None:
    west = AT.astimezone(timezone(timedelta(hours=-5)))
    assert str(PauseNote("ana@host", west)) == "paused by ana@host, 2026-11-21 23:50 UTC"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "inventory",
        "Paused via Python SDK",
        "starts paused, as its job file says",
        "inventory (paused by ana@host)",
        "frozen",
        "frozen: inventory",
        "thawed (by ana@host, 2026-11-21 23:50 UTC)",
    ],
)
def test_the_notes_of_others_say_nothing(note: str) -> None:
    assert read_note(note) is None


def test_a_reason_that_sounds_like_a_freeze_is_none() -> None:
    note = PauseNote("ana@host", AT, "frozen: no")
    assert read_note(str(note)) == note
    assert not PauseState(paused=True, note=str(note)).frozen


def test_a_resumed_schedule_says_who_resumed_it() -> None:
    assert resume_note("ana@host", AT) == "resumed by ana@host, 2026-11-21 23:50 UTC"
    counted = resume_note("ana@host", AT, "all\ncounted")
    assert counted == "all counted (resumed by ana@host, 2026-11-21 23:50 UTC)"


RUNS = PauseState(paused=False, note="resumed by bo@host, 2026-11-20 10:00 UTC")
BY_BO = PauseState(paused=True, note="repair (paused by bo@host, 2026-11-20 10:00 UTC)")
BY_WEB = PauseState(paused=True, note="paused in the Web UI")
ICE = PauseState(paused=True, note=str(FROZEN))


def test_a_pause_writes_its_note() -> None:
    change = pause(RUNS, BY_ANA)
    assert change.outcome == "paused"
    assert change.state == PauseState(paused=True, note=str(BY_ANA))


@pytest.mark.parametrize("held", [BY_BO, BY_WEB])
def test_a_second_pause_keeps_the_note_unless_it_gives_a_reason(held: PauseState) -> None:
    assert pause(held, PauseNote("ana@host", AT)).state == held
    change = pause(held, BY_ANA)
    assert change.outcome == "was paused already"
    assert change.state == PauseState(paused=True, note=str(BY_ANA))


@pytest.mark.parametrize("note", [BY_ANA, PauseNote("ana@host", AT)])
def test_a_pause_during_a_freeze_outlives_it(note: PauseNote) -> None:
    change = pause(ICE, note)
    assert change.outcome == "paused"
    assert thaw(change.state, "thawed").state == change.state


def test_resuming_lets_a_schedule_fire_whoever_paused_it() -> None:
    for held in (BY_BO, BY_WEB, ICE):
        change = resume(held, "resumed")
        assert change.outcome == "resumed"
        assert change.state == PauseState(paused=False, note="resumed")
    change = resume(RUNS, "resumed")
    assert change.outcome == "was not paused"
    assert change.state == RUNS


def test_a_freeze_pauses_only_what_is_not_paused() -> None:
    assert freeze(RUNS, FROZEN).state == ICE
    for held, outcome in ((BY_BO, "was paused already"), (ICE, "was frozen already")):
        change = freeze(held, FROZEN)
        assert change.outcome == outcome
        assert change.state == held


def test_a_thaw_resumes_only_what_the_freeze_paused() -> None:
    assert thaw(ICE, "thawed").state == PauseState(paused=False, note="thawed")
    for held, outcome in ((BY_BO, "stays paused"), (BY_WEB, "stays paused")):
        change = thaw(held, "thawed")
        assert change.outcome == outcome
        assert change.state == held
    # A note that was left on a schedule that fires is no pause.
    assert thaw(PauseState(paused=False, note=str(FROZEN)), "thawed").outcome == "was not paused"


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        (["publish"], ["publish"]),
        (["report-*"], ["report-daily", "report-weekly"]),
        (["*"], sorted(NAMES)),
        (["[Rr]eport-?e*y"], ["Report-yearly", "report-weekly"]),
        (["report-*", "report-daily", "publish"], ["publish", "report-daily", "report-weekly"]),
    ],
)
def test_patterns_choose_names(patterns: list[str], names: list[str]) -> None:
    assert chosen(patterns, NAMES) == tuple(names)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(JobUnknown, match="no job is named 'publsh'") as caught:
        chosen(["publish", "publsh"], NAMES)
    assert caught.value.mend == "did you mean 'publish'?"


def test_a_pattern_that_matches_nothing_names_what_is_near() -> None:
    with pytest.raises(NothingMatches, match=re.escape("no job's name matches 'raport-*'")) as near:
        chosen(["raport-*"], NAMES)
    assert near.value.mend.startswith("near to it: report-daily")
    with pytest.raises(NothingMatches) as far:
        chosen(["zzz*"], [f"job-{number:02}" for number in range(12)])
    assert far.value.mend.endswith("job-08, job-09 and 2 more")
    with pytest.raises(NothingMatches) as none:
        chosen(["*"], [])
    assert none.value.mend == "the jobs are: none"


def test_a_pattern_is_told_from_a_name() -> None:
    assert [is_pattern(text) for text in ("a", "a.b-c_d", "a*", "a?", "[ab]")] == [
        False,
        False,
        True,
        True,
        True,
    ]
