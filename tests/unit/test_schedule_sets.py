"""Sets in a job's data: they are in another order in each process, and schedules are compared."""

from euryale.config import ScheduledJobConfig


def test_sets_become_sorted_lists_wherever_they_are() -> None:
    data = {"a": {"x", "y", "z"}, "b": [{"c": frozenset({2, 1})}], "d": ({"q"},)}
    config = ScheduledJobConfig(name="job", schedule="@daily", data=data)
    assert config.data == {"a": ["x", "y", "z"], "b": [{"c": [1, 2]}], "d": [["q"]]}
