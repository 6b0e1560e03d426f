import sys
from pathlib import Path

import pytest

from euryale import Euryale
from euryale.build import build_id

JOB = "config = {'name': 'a', 'schedule': '0 0 * * *'}\nasync def handler(): ...\n"


class Lamp:
    """A service."""


def test_a_build_id_changes_with_a_job_file_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "build_jobs" / "a.py"
    file.parent.mkdir()
    app = Euryale(name="lamps", services={"lamp": Lamp}, jobs=["build_jobs"])

    def after(text: str) -> str:
        file.write_text(text)
        return build_id(app.load(tmp_path))

    first = after(JOB)
    assert first.startswith("euryale-")
    assert after(JOB + "# said otherwise\n") != first
    assert after(JOB) == first
