"""How the command starts, before there is anything of it that could handle an interrupt."""

import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from euryale.__main__ import main


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
