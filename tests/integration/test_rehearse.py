"""Rehearsals of the jobs of a stall whose journal tells of each change that really happens."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from euryale.errors import DataInvalid, StepUnknown
from euryale.project import Project, load_project
from euryale.rehearsal.rehearsal import Rehearsed, parse_fail_at, rehearse
from euryale.rehearsal.summary import grouped, in_order

STALL = Path(__file__).parent / "rehearsed"
CASES = STALL / "stall_jobs" / "cases.py"


@pytest.fixture(scope="module")
def project() -> Iterator[Project]:
    path, modules = list(sys.path), set(sys.modules)
    yield load_project(start=STALL)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith(("rehearsed", "stall_jobs")):
            del sys.modules[name]


@pytest.fixture
def journal(project: Project) -> Iterator[list[str]]:
    """What really happened: nothing, whatever a test does."""
    journal: list[str] = sys.modules["rehearsed.stall"].journal
    yield journal
    assert journal == []


class Stage:
    """Rehearses the cases."""

    def __init__(self, client: Client, project: Project) -> None:
        self.client = client
        self.project = project

    async def job(
        self,
        name: str,
        data: dict[str, Any] | None = None,
        *,
        fail_at: str | None = None,
        patience: float = 20,
    ) -> Rehearsed:
        registry = self.project.registry
        rehearsed = await rehearse(
            self.client,
            self.project.app,
            registry,
            self.project.job(name),
            data,
            root=STALL,
            fail_at=parse_fail_at(fail_at, registry) if fail_at else None,
            patience=timedelta(seconds=patience),
        )
        assert await self.running(rehearsed.workflow_id) == []
        return rehearsed

    async def case(
        self, case: str, *, fail_at: str | None = None, patience: float = 20, **data: Any
    ) -> Rehearsed:
        return await self.job("cases", {"case": case, **data}, fail_at=fail_at, patience=patience)

    async def running(self, workflow_id: str) -> list[str]:
        """The workflows of a rehearsal that haven't ended."""
        query = f'WorkflowId STARTS_WITH "{workflow_id}/" AND ExecutionStatus = "Running"'
        listed = [each.id async for each in self.client.list_workflows(query)]
        # The list lags behind what happens.
        described = {
            each: await self.client.get_workflow_handle(each).describe()
            for each in [workflow_id, *listed]
        }
        return [each for each, description in described.items() if description.close_time is None]


@pytest.fixture
def stage(client: Client, project: Project, journal: list[str]) -> Stage:
    return Stage(client, project)


def sentences(rehearsed: Rehearsed) -> list[str]:
    done = [each for each in rehearsed.noted if each.what != "compensation" and not each.failed]
    return [group.sentence for group in grouped(done, rehearsed.activities)]


def taken_back(rehearsed: Rehearsed) -> list[str]:
    noted = [each for each in rehearsed.noted if each.what == "compensation"]
    return [f"{each.name} {each.count}" for each in in_order(noted, rehearsed.activities)]


def the_line(case: str) -> str:
    """The line of a case that is marked."""
    lines = CASES.read_text(encoding="utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if f"def {case}(" in line)
    marked = next(n for n, line in enumerate(lines[start:], start + 1) if "# the line" in line)
    return f"stall_jobs/cases.py:{marked}"


async def test_mutations_are_listed_with_their_arguments_and_lines(stage: Stage) -> None:
    seen = await stage.case("adds")
    assert seen.end == "completed"
    assert seen.outcome.result == 3
    assert sentences(seen) == ["add 3 items"]
    assert [each.arguments for each in seen.noted] == [
        {"item_id": f"item_{number}"} for number in range(3)
    ]
    line = CASES.read_text(encoding="utf-8").splitlines().index("        await items.add(item_id)")
    assert {each.where for each in seen.noted} == {f"stall_jobs/cases.py:{line + 1}"}
    assert seen.reads == {"item.ids": 1}


async def test_calls_side_by_side_are_listed(stage: Stage) -> None:
    assert sentences(await stage.case("adds_at_once")) == ["add 3 items"]


async def test_the_items_of_lists_are_counted(stage: Stage) -> None:
    seen = await stage.case("deletes")
    (group,) = grouped(seen.noted, seen.activities)
    assert (group.sentence, group.common) == ("delete 152 items", {"reason": "dust"})
    assert group.things == tuple(f"item_{number}" for number in range(10))


async def test_ten_thousand_calls_are_no_matter_of_patience(stage: Stage) -> None:
    seen = await stage.case("adds", count=10_000)
    assert sentences(seen) == ["add 10,000 items"]


async def test_an_unknown_result_may_be_logged_handed_on_and_returned(stage: Stage) -> None:
    seen = await stage.case("hands_on")
    assert seen.end == "completed"
    assert sentences(seen) == ["add 1 item", "remove 1 item", "weigh 1 crate"]
    assert [each.arguments for each in seen.noted[1:]] == [
        {"item_id": {"unknown": "item.add.id"}},
        {"crate": {"unknown": "item.add.id"}},
    ]
    assert seen.outcome.result == {
        "made": {"unknown": "item.add"},
        "id": {"unknown": "item.add.id"},
    }


@pytest.mark.parametrize(
    ("case", "source"),
    [
        ("decides", "item.add"),
        ("swallows", "item.add"),
        ("builds", "item.add"),
        ("reads", "item.touch"),
    ],
)
async def test_a_rehearsal_says_up_to_which_line_it_saw(
    stage: Stage, case: str, source: str
) -> None:
    seen = await stage.case(case)
    assert seen.end == "blind"
    (blind,) = seen.blind
    assert blind.where == the_line(case)
    assert blind.reason.startswith(f"needs the result of {source}")
    assert blind.mend.startswith(f"Give {source} a preview")
    assert "after" not in str(seen.noted)
    assert "nothing" not in str(seen.noted)
    assert seen.answered


async def test_previews_answer_for_mutations_and_steps(stage: Stage) -> None:
    seen = await stage.case("previews")
    assert (seen.end, seen.outcome.result) == ("completed", 8 + 5 + 42)
    assert sentences(seen) == ["pack 1 boxes", "remove 1 item", "open 1 crates"]
    assert seen.reads == {"crate.look": 1}


async def test_child_workflows_are_rehearsed(stage: Stage) -> None:
    seen = await stage.case("takes", crates=["x", "y"])
    assert sentences(seen) == ["add 1 item", "take 2 crates", "burn 1 crate"]
    assert {each.workflow for each in seen.noted} == {"cases", "take-crates"}
    assert seen.noted[1].summary == "crate x"


async def test_a_child_that_saw_no_further_has_an_unknown_result(stage: Stage) -> None:
    seen = await stage.case("judges")
    assert (seen.end, seen.outcome.result) == ("completed", "done")
    (blind,) = seen.blind
    assert blind.workflow == "judge-crate"
    assert blind.where.startswith("flows.py:")
    assert seen.noted[-1].arguments == {"item_id": {"unknown": "judge-crate.id"}}


async def test_children_that_would_outlive_their_parent_are_rehearsed_to_their_end(
    stage: Stage,
) -> None:
    seen = await stage.case("leaves_children")
    assert sentences(seen) == ["take 1 crate", "burn 1 crate"]


async def test_a_child_that_continues_as_new_is_rehearsed_to_its_end(stage: Stage) -> None:
    seen = await stage.case("counts_down")
    assert (seen.outcome.result, sentences(seen)) == ("done", ["weigh 3 crates"])


async def test_what_reaches_others_is_listed(stage: Stage) -> None:
    seen = await stage.case("calls_others")
    assert seen.end == "completed"
    assert sentences(seen) == [
        "start the workflow their-report",
        "send the signal hurry",
        "send the signal hello",
        "wipe 1 theirs",
        "weigh 1 crate",
    ]
    assert seen.noted[2].arguments == {"workflow_id": "somebody", "argument 1": "you"}


async def test_another_workflow_is_not_cancelled(stage: Stage) -> None:
    other = await stage.client.start_workflow("theirs", id="theirs", task_queue="nobody's")
    seen = await stage.case("cancels_another", other=other.id)
    assert seen.end == "failed"
    assert "would cancel the workflow theirs" in seen.outcome.failure_message
    assert (await other.describe()).close_time is None
    history = await other.fetch_history()
    assert len(history.events) == 2, "somebody reached it"
    await other.terminate()


async def test_waits_are_skipped_and_the_clock_is_put_forward(stage: Stage) -> None:
    seen = await stage.case("sleeps")
    assert seen.end == "completed"
    assert sentences(seen) == ["remove 1 item"]
    hours = timedelta(hours=2 + 3.5)
    assert timedelta(0) <= timedelta(seconds=seen.outcome.result) - hours < timedelta(minutes=1)
    assert abs(seen.skipped - hours) < timedelta(minutes=1)
    assert seen.seconds < 20


async def test_a_handler_that_waits_in_vain_is_given_up_and_says_where(stage: Stage) -> None:
    seen = await stage.case("waits_in_vain", patience=2)
    assert seen.end == "waits"
    assert sentences(seen) == ["remove 1 item"]
    assert the_line("waits_in_vain") in seen.waits
    assert not seen.answered


async def test_a_handler_that_goes_round_in_circles_is_shown_once(stage: Stage) -> None:
    seen = await stage.case("goes_round")
    assert seen.end == "blind"
    assert sentences(seen) == ["remove 1 item", "add 3 items"]
    assert "round in circles" in seen.blind[0].reason


async def test_a_handler_that_raises_fails_its_rehearsal_and_leaves_what_it_did(
    stage: Stage,
) -> None:
    seen = await stage.case("raises")
    assert seen.end == "failed"
    assert not seen.answered
    assert seen.outcome.failure_type == "LookupError"
    assert [each.name for each in seen.left_done] == ["item.add"]


async def test_a_workflow_of_temporals_own_kind_that_raises_ends_too(stage: Stage) -> None:
    seen = await stage.case("stumbles")
    assert (seen.end, seen.outcome.failure_type) == ("failed", "KeyError")


async def test_a_step_that_fails_shows_which_compensations_follow(stage: Stage) -> None:
    seen = await stage.case("takes", crates=["x", "y", "z"], fail_at="crate.take#3")
    assert (seen.end, seen.failed_on_purpose, seen.answered) == ("failed", True, True)
    assert sentences(seen) == ["add 1 item", "take 2 crates"]
    assert taken_back(seen) == ["crate.put-back 2"]
    assert [each.name for each in seen.left_done] == ["item.add"]


async def test_a_read_may_fail_too(stage: Stage) -> None:
    seen = await stage.case("adds", fail_at="item.ids")
    assert (seen.end, seen.failed_on_purpose, seen.noted) == ("failed", True, ())


async def test_a_call_that_nobody_comes_to_is_told(stage: Stage) -> None:
    seen = await stage.case("adds", fail_at="item.add#4")
    assert (seen.end, seen.fail_at_calls) == ("completed", 3)
    assert not seen.answered


async def test_a_child_is_taken_back_whole_when_its_saga_fails_later(stage: Stage) -> None:
    seen = await stage.case("takes_twice", fail_at="crate.open")
    assert sentences(seen) == ["take 1 crate", "burn 1 crate"]
    assert taken_back(seen) == ["crate.put-back 1"]
    assert [each.name for each in seen.left_done] == ["crate.burn"]


async def test_a_job_that_undoes_itself_shows_what_it_takes_back(stage: Stage) -> None:
    seen = await stage.job("undoing", fail_at="item.touch")
    assert sentences(seen) == ["add 3 items"]
    assert taken_back(seen) == ["item.remove 3"]
    assert [each.arguments["item_id"] for each in seen.noted[-3:]] == ["item_2", "item_1", "item_0"]
    assert seen.left_done == ()


async def test_wrong_data_is_refused_before_anything_is_started(stage: Stage) -> None:
    with pytest.raises(DataInvalid):
        await stage.job("limited", {"limit": "many"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("item.ad", "Did you mean 'item.add'"),
        ("item.add#0", "item.add#3"),
        ("item.add#x", "item.add#3"),
        ("nothing like it", "There are: crate.burn"),
    ],
)
def test_a_step_that_there_is_not_is_refused(project: Project, text: str, told: str) -> None:
    with pytest.raises(StepUnknown) as caught:
        parse_fail_at(text, project.registry)
    assert told in str(caught.value)
