"""What follows from an undisturbed run, what may differ, and what a case is judged by."""

from euryale.sagas.undo_report import StepUndo
from euryale.testing.cases import Case, faults_of_calls, faults_of_compensations, kills
from euryale.testing.difference import Ends, changes
from euryale.testing.event_log import Event, EventKind, Record
from euryale.testing.fault import Fault
from euryale.testing.judgement import Observation, judge

BEFORE = {"account": {"bert": {"balance": 0}}, "booking": {}, "letter": []}


def after(balance: int, key: str, at: str, *letters: str) -> dict[str, object]:
    booking = {"amount": balance, "at": at}
    return {
        "account": {"bert": {"balance": balance}},
        "booking": {key: booking},
        "letter": list(letters),
    }


ENDS = Ends(changes(BEFORE, after(5, "a", "noon")), changes(BEFORE, after(5, "b", "one")))


def seen(state: object, ending: str = "completed", *undo: StepUndo) -> Observation:
    return Observation(BEFORE, state, ending, undo)


def event(kind: EventKind, activity: str = "", id_: str = "", number: int = 1) -> Event:
    return Event(kind, activity=activity, id=id_, number=number)


def test_a_step_is_disturbed_before_and_after_its_effect_and_a_read_only_before() -> None:
    record = Record(
        (
            Event("served", names=("cart.list",)),
            event("begun", "cart.list", "1"),
            event("begun", "cart.delete", "2"),
            event("begun", "euryale.sagas.attribute", "3"),
        )
    )
    told = [str(case) for case in faults_of_calls(record)]
    assert sum("cart.list" in each for each in told) == 3
    assert sum("cart.delete" in each for each in told) == 7
    assert not any("euryale." in each for each in told)


def test_a_call_that_is_tried_again_is_one_call_and_another_of_its_name_a_second() -> None:
    record = Record(
        (
            event("begun", "cart.delete", "1"),
            event("begun", "cart.delete", "1"),
            event("begun", "cart.delete", "2", 2),
        )
    )
    assert [str(call) for call in record.calls] == ["cart.delete", "cart.delete #2"]


def test_only_the_events_of_the_first_worker_are_killed_at() -> None:
    record = Record(
        (
            event("activation"),
            event("activated"),
            event("fault"),
            event("begun", "cart.delete", "1"),
            Event("done", worker=2, activity="cart.delete", id="1"),
        )
    )
    assert [case.kill_at for case in kills(record, (), "completes")] == [1, 2, 3]


def test_compensations_are_known_by_their_ids() -> None:
    record = Record((event("begun", "cart.delete", "1"), event("begun", "cart.restore", "undo:1")))
    failing = (Fault("fails", "after", "cart.delete"),)
    cases = list(faults_of_compensations(record, failing))
    assert len(cases) == 4
    assert all(case.faults[1].activity == "cart.restore" for case in cases)


def test_ids_that_are_drawn_and_times_that_are_stamped_may_differ_after_a_completed_run() -> None:
    assert judge(Case(), seen(after(5, "c", "two")), ENDS, {}).holds


def test_an_effect_that_came_twice_is_told_with_its_place() -> None:
    verdict = judge(Case(ends="completes"), seen(after(10, "c", "two")), ENDS, {})
    assert "account/bert/balance is 10, which it is not after an undisturbed run" in (
        verdict.problems
    )


def test_a_row_too_much_is_told_though_its_key_is_drawn() -> None:
    state = after(5, "c", "two")
    state["booking"] = {"c": {"amount": 5, "at": "two"}, "d": {"amount": 5, "at": "two"}}
    (problem,) = judge(Case(), seen(state), ENDS, {}).problems
    assert problem.startswith("booking/* is ")
    assert problem.endswith("2 times, after an undisturbed run 1 times")


def test_a_failed_run_may_leave_nothing_without_a_word() -> None:
    silent = judge(Case(), seen(after(5, "c", "two"), "failed: it rains"), ENDS, {})
    assert len(silent.problems) == 2
    assert judge(Case(), seen(BEFORE, "failed: it rains"), ENDS, {}).holds


def test_what_a_step_leaves_must_be_named_by_the_report_and_allowed_by_the_user() -> None:
    state = {**BEFORE, "letter": ["for Bert"]}
    named = StepUndo(step="letter.send", id="2", outcome="no compensation")
    allowed = {"letter.send": ["letter"]}
    ending = "failed: it rains"
    assert judge(Case(), seen(state, ending, named), ENDS, allowed).holds
    assert not judge(Case(), seen(state, ending), ENDS, allowed).holds
    assert not judge(Case(), seen(state, ending, named), ENDS, {}).holds


def test_a_compensation_that_fails_for_good_must_be_named_by_the_report() -> None:
    case = Case((Fault("fails", "before", "booking.remove"),), ends="fails")
    state = after(5, "c", "two")
    named = StepUndo(step="booking.make", id="1", outcome="failed", compensation="booking.remove")
    hidden = named.model_copy(update={"outcome": "undone"})
    assert judge(case, seen(state, "failed: it rains", named), ENDS, {}).holds
    verdict = judge(case, seen(state, "failed: it rains", hidden), ENDS, {})
    assert "booking.remove failed for good, and the run's report is silent" in verdict.problems


def test_a_run_must_go_on_where_its_step_fails_once_and_fail_where_its_compensation_does() -> None:
    went_on = judge(Case(ends="completes"), seen(BEFORE, "failed: it rains"), ENDS, {})
    assert "it should have gone on and completed" in went_on.problems
    completed = judge(Case(ends="fails"), seen(after(5, "c", "two")), ENDS, {})
    assert completed.problems == ("it should have failed",)
