from pathlib import Path

import pytest

from tests.docs.pages import BLOCKS, PAGES, ROOT, Block, write_project


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill in `page`, `block`, and the blocks of one kind."""
    kinds: dict[str, list[Block]] = {
        "block": BLOCKS,
        "repeated_block": [block for block in BLOCKS if block.how == "same as"],
        "python_block": [block for block in BLOCKS if block.language == "python" and not block.how],
        "unrun_python_block": [
            block for block in BLOCKS if block.language == "python" and block.how == "not run"
        ],
        "shell_block": [block for block in BLOCKS if block.language == "sh"],
    }
    for name, blocks in kinds.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, blocks, ids=[block.where for block in blocks])
    if "page" in metafunc.fixturenames:
        names = [page.relative_to(ROOT).as_posix() for page in PAGES]
        metafunc.parametrize("page", PAGES, ids=names)


@pytest.fixture
def project_of_tutorial(tmp_path: Path) -> Path:
    """The folder that a reader of the tutorial has after its fourth step."""
    assert write_project(ROOT / "docs" / "tutorial.md", tmp_path)
    return tmp_path
