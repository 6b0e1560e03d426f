"""The guide to plugins shows what `euryale check` prints."""

import json
import re
from dataclasses import fields
from pathlib import Path

from euryale import JobPlugin
from tests.docs.pages import ROOT, blocks_of, write_project
from tests.docs.test_pages import run_script

PAGE = ROOT / "docs" / "how-to" / "write-a-plugin.md"


def test_the_fields_of_a_plugin_are_all_described() -> None:
    page = (ROOT / "docs" / "reference" / "services.md").read_text(encoding="utf-8")
    table = page.partition("| argument of `JobPlugin` |")[2].partition("\n\n")[0]
    described = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    assert described == [field.name for field in fields(JobPlugin)]


def test_check_says_what_the_application_replaces(tmp_path: Path) -> None:
    assert write_project(PAGE, tmp_path)
    told = run_script("euryale check", tmp_path, EURYALE_APP="worker.app:app", COLUMNS="200")
    (shown,) = (block.text for block in blocks_of(PAGE) if block.language == "text")
    assert told == shown
    told = run_script("euryale check -o json", tmp_path, EURYALE_APP="worker.app:app")
    (job,) = json.loads(told)["jobs"]
    assert job["plugin"] is None
    assert job["replaces"] == [{"plugin": "reviews", "where": "reviews/jobs/ask_for_reviews.py:9"}]


def test_without_the_replacement_the_plugins_own_job_is_served(tmp_path: Path) -> None:
    assert write_project(PAGE, tmp_path)
    (tmp_path / "jobs" / "ask_for_reviews.py").unlink()
    told = run_script("euryale check -o json", tmp_path, EURYALE_APP="worker.app:app")
    (job,) = json.loads(told)["jobs"]
    assert (job["plugin"], job["where"]) == ("reviews", "reviews/jobs/ask_for_reviews.py:9")
