"""What the documentation says is so: its code runs, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.commands import check_command, commands_of
from tests.docs.pages import BLOCKS, PAGES, ROOT, Block, blocks_of, write_project

TUTORIAL = "docs/tutorial.md"

CLOSED = "127.0.0.1:1"
"""An address where no server answers."""

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def environment(**more: str) -> dict[str, str]:
    folder = str(Path(sys.executable).parent)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}


def run_script(script: str, folder: Path, **more: str) -> str:
    ran = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment(TEMPORAL_ADDRESS=CLOSED, **more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def prose_of(page: Path) -> str:
    return re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose_of(page), flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def test_a_block_says_its_language_and_a_comment_that_is_known(block: Block) -> None:
    assert block.language in {"python", "sh", "text", "toml", "ts"}
    assert block.how in {"", "file", "not run", "same as"}, block.how
    assert bool(block.how) == bool(block.what)


def test_every_block_is_found(page: Path) -> None:
    fences = re.findall(r"^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    name = page.relative_to(ROOT).as_posix()
    assert len(fences) == 2 * len([block for block in BLOCKS if block.page == name])


def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    for target in _LINK.findall(prose_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors_of(file), f"{target}: there is no such heading"


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    reached = {(index.parent / target).resolve() for target in _LINK.findall(prose_of(index))}
    pages = {page for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert pages - {index} == reached


def test_a_repeated_block_is_as_it_stands_in_its_file(repeated_block: Block) -> None:
    assert repeated_block.text in (ROOT / repeated_block.what).read_text(encoding="utf-8")


def test_a_python_block_runs(python_block: Block) -> None:
    script = compile(python_block.text, python_block.where, "exec", dont_inherit=True)
    exec(script, {"__name__": "docs_block"})  # noqa: S102 -- the documentation's own code


def test_a_python_block_that_is_not_run_imports_what_there_is(unrun_python_block: Block) -> None:
    compile(unrun_python_block.text, unrun_python_block.where, "exec", dont_inherit=True)
    imports = [
        line for line in unrun_python_block.text.splitlines() if re.match(r"(from|import) ", line)
    ]
    exec("\n".join(imports), {})  # noqa: S102 -- as above


def test_the_project_of_a_page_is_accepted(page: Path, tmp_path: Path) -> None:
    checks_itself = any("euryale check" in block.text for block in blocks_of(page))
    if checks_itself or not write_project(page, tmp_path):
        return
    app = {} if (tmp_path / "pyproject.toml").exists() else {"EURYALE_APP": "worker.app:app"}
    told = run_script("euryale check", tmp_path, **app)
    written = len(list((tmp_path / "jobs").rglob("*.py")))
    assert f"{written} job{'s' * (written != 1)} ok, no problems" in told


def test_a_shell_block_runs_or_could(shell_block: Block, tmp_path: Path) -> None:
    if shell_block.how == "not run":
        for words in commands_of(shell_block.text):
            check_command(words)
    elif shell_block.page != TUTORIAL:  # That one is run from beginning to end.
        with_project = write_project(ROOT / shell_block.page, tmp_path)
        folder = tmp_path if with_project else ROOT
        run_script(shell_block.text, folder, EURYALE_APP="worker.app:app")


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for line in (
        "make nothing",
        "euryale run",
        "euryale list --all",
        "temporal server start-dev --nothing",
        "docker compose up nothing",
        "python -m worker.nothing",
        "nothing",
    ):
        with pytest.raises(BaseException):  # noqa: B017, PT011 -- click exits, others raise
            check_command(line.split())
