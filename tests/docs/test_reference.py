"""The reference says all that there is, and nothing that isn't."""

import re
from dataclasses import fields

import pytest

from euryale import Euryale, Retry, ScheduledJobConfig
from euryale.errors import EuryaleError
from euryale.jobs.job import PARAMETERS
from euryale.runs.limits import CALLS_AT_ONCE, HISTORY_EVENTS
from euryale.runs.runner import BLOCKS_ALLOWED
from euryale.services.attempt import MISTAKES
from euryale.services.durable_calls import HEARTBEAT_TIMEOUT
from euryale.services.service import DEFAULT_TIMEOUT
from euryale.worker import GRACE
from tests.docs.commands import GROUP, parameters_of
from tests.docs.pages import ROOT

REFERENCE = ROOT / "docs" / "reference"
JOBS = (REFERENCE / "jobs.md").read_text(encoding="utf-8")
SERVICES = (REFERENCE / "services.md").read_text(encoding="utf-8")
CLI = (REFERENCE / "cli.md").read_text(encoding="utf-8")
EXPLANATION = (ROOT / "docs" / "explanation.md").read_text(encoding="utf-8")

COMMANDS = sorted(GROUP.commands)


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level."""
    level = heading.partition(" ")[0]
    found = re.search(
        rf"^{re.escape(heading)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", page, re.DOTALL | re.MULTILINE
    )
    assert found, f"there is no heading {heading}"
    return found[1]


def first_column(text: str) -> list[str]:
    """The names in the first column of the first table."""
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table
    return re.findall(r"^\| `([^`]+)`", table[0], re.MULTILINE)


def options_of(command: str) -> set[str]:
    return {
        option
        for parameter in parameters_of(GROUP.commands[command])
        if parameter.param_type_name == "option" and not parameter.hidden
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


def test_the_fields_of_a_config_are_all_described() -> None:
    described = first_column(section(JOBS, "## The config"))
    assert described == list(ScheduledJobConfig.model_fields)


def test_the_fields_of_retry_are_all_described_with_their_defaults() -> None:
    text = section(JOBS, "### retry")
    assert first_column(text) == list(Retry.model_fields)
    defaults = Retry()
    assert f"| `maximum_attempts` | {defaults.maximum_attempts} |" in text
    assert f"| {defaults.initial_interval.seconds} second |" in text
    assert f"| {defaults.backoff_coefficient:g} |" in text
    assert f"| {defaults.maximum_interval.seconds // 60} minutes |" in text


def test_the_mistakes_that_are_never_tried_again_are_named() -> None:
    text = section(JOBS, "### retry")
    for mistake in MISTAKES:
        if mistake is not EuryaleError:
            assert f"`{mistake.__name__}`" in text


def test_the_parameters_of_a_handler_are_all_described() -> None:
    assert tuple(first_column(section(JOBS, "## The handler"))) == PARAMETERS


def test_the_fields_of_an_application_are_all_described() -> None:
    described = first_column(section(SERVICES, "## The application"))
    assert described == [field.name for field in fields(Euryale)]


def test_limits_are_those_of_the_code() -> None:
    for page in (SERVICES, EXPLANATION):
        assert f"{HISTORY_EVENTS:,} events" in page
        assert f"{CALLS_AT_ONCE}" in page
    assert {kind: limit.seconds for kind, limit in HEARTBEAT_TIMEOUT.items()} == {
        "read": 10,
        "mutation": 30,
    }
    assert "after 10 seconds in a read and after 30 in a mutation" in SERVICES
    assert DEFAULT_TIMEOUT.seconds == 600
    assert "10 minutes by default" in SERVICES
    assert BLOCKS_ALLOWED == 3
    assert "third time in a row" in SERVICES
    assert f"may go on for {GRACE.seconds} seconds" in CLI


def test_commands_are_all_described() -> None:
    assert sorted(re.findall(r"^## euryale (\w+)$", CLI, re.MULTILINE)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_options_of_a_command_are_all_described_and_no_others(command: str) -> None:
    text = section(CLI, f"## euryale {command}")
    outside_of_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", outside_of_blocks))
    named -= {"-m"}  # Python's own.
    shared = {"-o"} & options_of(command)  # Described once for all commands.
    assert named | shared == options_of(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_variable_of_each_option_is_described(command: str) -> None:
    for parameter in parameters_of(GROUP.commands[command]):
        if parameter.envvar is not None:
            assert f"`{parameter.envvar}`" in CLI


def test_no_variable_of_its_own_is_described_that_does_not_exist() -> None:
    known = {
        parameter.envvar
        for command in GROUP.commands.values()
        for parameter in parameters_of(command)
    }
    assert set(re.findall(r"EURYALE_\w+", CLI)) <= known


def test_a_shared_option_is_described_for_all() -> None:
    described = set(
        re.findall(
            r"--?[a-z][a-z-]*",
            " ".join(first_column(section(CLI, "## Options of several commands"))),
        )
    )
    assert described == {"--app", "--address", "--namespace", "--output", "--log-level"}
