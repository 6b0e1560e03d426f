"""The guide to plugins shows what `euryale check` prints."""

import json
from pathlib import Path

from tests.docs.pages import ROOT, blocks_of, write_project
from tests.docs.test_pages import run_script

PAGE = ROOT / "docs" / "how-to" / "write-a-plugin.md"


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
