"""How the command starts, before there is anything of it that could handle an interrupt."""

import subprocess
import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from euryale.__main__ import main

HELP = """
import sys
from euryale.cli import cli

try:
    cli(["--help"], prog_name="euryale")
except SystemExit:
    print("modules:", *sys.modules)
"""

MOST_MODULES = 400
"""Some 280 are needed, most of them Python's own; what is slow to import brings hundreds."""


def test_help_imports_nothing_that_is_slow_to_import() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    shown, _, modules = done.stdout.partition("modules: ")
    assert "rehearse" in shown
    loaded = modules.split()
    assert len(loaded) < MOST_MODULES
    slow = {"temporalio", "pydantic", "markdown_it", "structlog", "httpx", "sqlalchemy"}
    assert slow.isdisjoint(loaded)


class Interrupting:
    """Presses Ctrl-C while the command line is being imported."""

    def find_spec(
        self, name: str, _path: Sequence[str] | None, _of: ModuleType | None = None
    ) -> None:
        if name == "euryale.cli":
            raise KeyboardInterrupt


def test_ctrl_c_while_the_command_is_imported_ends_it_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.startswith("euryale.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130
