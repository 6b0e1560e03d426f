import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from euryale.errors import AppNotFound, JobUnknown
from euryale.project import Project, load_project

APP = """
from euryale import Euryale

app = Euryale(name="garden", services={})
other = 3
"""

JOB = """
from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="water", schedule="0 6 * * *")


async def handler(container): ...
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "pyproject.toml").write_text('[tool.euryale]\napp = "garden_app:app"\n')
    (tmp_path / "garden_app.py").write_text(APP)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "water.py").write_text(JOB)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.split(".")[0] in {"garden_app", "jobs", "garden_broken"}:
            del sys.modules[name]


def refusal(root: Path, reference: str | None = None) -> str:
    with pytest.raises(AppNotFound) as caught:
        load_project(reference, start=root)
    return str(caught.value)


def loaded(root: Path) -> Project:
    return load_project(start=root)


def test_the_application_is_the_one_that_pyproject_names(root: Path) -> None:
    project = loaded(root)
    assert (project.app.name, project.root, project.reference) == ("garden", root, "garden_app:app")
    assert list(project.registry.jobs) == ["water"]


def test_it_is_found_from_a_folder_below_the_root(root: Path) -> None:
    assert loaded(root / "jobs").root == root


def test_a_reference_wins_over_pyproject(root: Path) -> None:
    (root / "garden_broken.py").write_text(APP.replace("garden", "given"))
    assert load_project("garden_broken:app", start=root).app.name == "given"


def test_without_a_pyproject_the_error_says_where_to_name_the_application(tmp_path: Path) -> None:
    assert "[tool.euryale]" in refusal(tmp_path)
    assert "--app" in refusal(tmp_path)


def test_a_table_without_an_app_is_named_with_its_file(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool.euryale]\n")
    assert refusal(root).startswith(str(root / "pyproject.toml"))


def test_a_pyproject_that_is_no_toml_says_so(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool.euryale]\napp =\n")
    assert "no TOML" in refusal(root)


@pytest.mark.parametrize("reference", ["garden_app", ":app", "garden_app:", "garden_app:a b"])
def test_a_reference_needs_a_module_and_an_attribute(root: Path, reference: str) -> None:
    assert "module:attribute" in refusal(root, reference)


def test_a_module_that_is_missing_is_named(root: Path) -> None:
    assert "no module 'gardn_app'" in refusal(root, "gardn_app:app")


def test_an_import_that_the_module_itself_misses_is_told_with_its_line(root: Path) -> None:
    (root / "garden_broken.py").write_text("\nimport no_such_library\n")
    message = refusal(root, "garden_broken:app")
    assert message.startswith("garden_broken.py:2:")
    assert "no_such_library" in message


def test_a_module_that_raises_is_told_with_its_line(root: Path) -> None:
    (root / "garden_broken.py").write_text("x = 1\ny = x / 0\n")
    message = refusal(root, "garden_broken:app")
    assert message.startswith("garden_broken.py:2:")
    assert "ZeroDivisionError" in message


def test_a_syntax_error_is_told_with_its_line(root: Path) -> None:
    (root / "garden_broken.py").write_text("x = 1\ny = = 2\n")
    assert refusal(root, "garden_broken:app").startswith("garden_broken.py:2:")


def test_an_attribute_that_is_no_application_is_told(root: Path) -> None:
    assert "is of type int, not an application" in refusal(root, "garden_app:other")
    assert "is nothing, not an application" in refusal(root, "garden_app:nothing")


def test_an_unknown_job_is_told_with_the_nearest_name(root: Path) -> None:
    with pytest.raises(JobUnknown, match="water") as caught:
        loaded(root).job("watr")
    assert "euryale check" not in str(caught.value)


def test_an_unknown_job_may_be_in_a_file_that_was_left_out(root: Path) -> None:
    (root / "jobs" / "prune.py").write_text("raise ValueError\n")
    with pytest.raises(JobUnknown, match="euryale check"):
        loaded(root).job("prune")
