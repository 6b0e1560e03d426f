import socket
import subprocess
import sys
import time
from collections.abc import Iterator
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


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as caller:
        return caller.connect_ex((host, int(port))) == 0


@pytest.fixture
def temporal_address(tmp_path: Path) -> Iterator[str]:
    """The server of the tutorial's fifth step, on a free port and without its Web UI."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(Path(sys.executable).parent / "temporal"),
        "server",
        "start-dev",
        "--headless",
        "--log-level",
        "never",
    ]
    command += ["--db-filename", str(tmp_path / "temporal.db"), "--port", address.split(":")[1]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not listens(address):
            assert process.poll() is None, "the Temporal server ended at its start"
            assert time.monotonic() < deadline, "the Temporal server didn't start"
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(20)
