"""Which workflows are runs of a job, and how they are asked for."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from euryale.runs.runs import belongs, runs_query


@pytest.mark.parametrize(
    ("workflow_type", "workflow_id", "expected"),
    [
        ("a", "shop/a-2026-01-05T00:00:00Z", True),
        ("a", "shop/a/1a2b3c4d", True),
        ("a-b", "shop/a-b-2026-01-05T00:00:00Z", True),
        ("a", "shop/a-b-2026-01-05T00:00:00Z", False),
        ("a", "shop/a-b/1a2b3c4d", False),
        ("a", "shop/ab/1a2b3c4d", False),
        ("a", "bakery/a/1a2b3c4d", False),
        ("a", "a/1a2b3c4d", False),
        ("a", "shop/a", False),
        ("a", "shop/a/1a2b3c4d/child", False),
        ("delete-carts", "shop/a/1a2b3c4d/delete-carts", False),
    ],
)
def test_a_run_is_known_by_its_type_and_its_id(
    workflow_type: str, workflow_id: str, expected: bool
) -> None:
    assert belongs("shop", workflow_type, workflow_id) is expected


def test_a_query_names_the_job_and_both_forms_of_its_runs_ids() -> None:
    assert runs_query("shop", "a") == (
        "WorkflowType = 'a' AND (WorkflowId STARTS_WITH 'shop/a-' "
        "OR WorkflowId STARTS_WITH 'shop/a/')"
    )


def test_a_query_tells_times_in_utc() -> None:
    since = datetime(2026, 1, 5, 1, tzinfo=timezone(timedelta(hours=1)))
    query = runs_query("shop", since=since, until=datetime(2026, 1, 6, tzinfo=UTC))
    assert "StartTime >= '2026-01-05T00:00:00Z'" in query
    assert "StartTime < '2026-01-06T00:00:00Z'" in query


def test_a_quote_in_a_name_stays_inside_of_its_quotes() -> None:
    assert runs_query("it's") == "WorkflowId STARTS_WITH 'it\\'s/'"
