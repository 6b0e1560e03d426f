"""What a list of the jobs says of each: whether it will run, and what limits it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from euryale import Euryale
from euryale.cli.job_table import Held, JobLine, job_lines, job_table
from euryale.jobs.job_names import ReplacedJob

JOB = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="job", schedule="0 4 * * *", number_of_executions=3)


async def handler(container): ...
"""

HELD = Held(paused=False, note="", executions_left=2, executions=3)


class Lamp:
    """A service, since an application has at least one."""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> JobLine:
    root = tmp_path_factory.mktemp("project")
    (root / "lined").mkdir()
    (root / "lined" / "job.py").write_text(JOB)
    registry = Euryale(name="lined", services={"lamp": Lamp}, jobs=["lined"]).load(root)
    (line,) = job_lines(registry, datetime.now(UTC))
    return line


def test_nothing_is_said_of_what_was_not_asked_for(line: JobLine) -> None:
    assert (line.state, line.fires) == ("", True)
    assert line.as_dict()["finished"] is None


def test_executions_that_are_left_are_counted(line: JobLine) -> None:
    held = replace(line, asked=True, held=HELD)
    assert (held.state, held.fires) == ("2 of 3 left", True)
    assert held.as_dict()["finished"] is False


def test_a_job_without_executions_left_is_finished_before_and_after_its_schedule_is_deleted(
    line: JobLine,
) -> None:
    exhausted = replace(line, asked=True, held=replace(HELD, executions_left=0))
    deleted = replace(line, asked=True, used=3)
    for finished in (exhausted, deleted):
        assert finished.state == "finished: 3 of 3 executions ran"
        assert not finished.fires
        assert finished.as_dict()["finished"] is True


def test_a_job_whose_number_was_raised_after_all_is_not_applied_yet(line: JobLine) -> None:
    raised = replace(line, asked=True, used=2)
    assert (raised.state, raised.fires) == ("not applied yet", True)


def test_a_pause_comes_before_what_is_left(line: JobLine) -> None:
    paused = replace(line, asked=True, held=replace(HELD, paused=True, note="inventory"))
    assert (paused.state, paused.fires) == ("paused: inventory", False)


def test_the_job_of_a_plugin_that_is_replaced_is_named(line: JobLine) -> None:
    replaced = replace(line, replaced=(ReplacedJob("reviews", "reviews/jobs/digest.py:3"),))
    told = "replaces reviews' job (reviews/jobs/digest.py:3)"
    assert replaced.state == told
    assert replace(replaced, asked=True, held=HELD).state == f"2 of 3 left; {told}"
    assert replaced.as_dict()["replaces"] == [
        {"plugin": "reviews", "where": "reviews/jobs/digest.py:3"}
    ]


def test_no_next_run_is_named_that_will_not_come(line: JobLine) -> None:
    paused = replace(HELD, paused=True, note="inventory")
    finished = replace(HELD, executions_left=0)
    lines = [replace(line, asked=True, held=held) for held in (HELD, paused, finished)]
    table = job_table(lines)
    (next_run,) = [column for column in table.columns if column.header == "next run"]
    will, stopped, over = map(str, next_run.cells)
    assert will.endswith(")")
    assert (stopped, over) == ("none while paused", "none")
