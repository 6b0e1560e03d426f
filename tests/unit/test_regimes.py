"""Regimes: where they begin and end, and what a job does there."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dst_cases import ZONES

from euryale.config import Dst
from euryale.time.cron import CronExpression
from euryale.time.regimes import SeamRule, regimes, regimes_in, seam_rule

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_year_in_berlin_has_three_regimes_with_a_gap_and_a_fold_between() -> None:
    winter, summer, next_winter = regimes_in(ZoneInfo("Europe/Berlin"), range(2026, 2027))
    assert (winter.offset, summer.offset, next_winter.offset) == (HOUR, 2 * HOUR, HOUR)
    assert winter.start < NEW_YEAR
    assert winter.end == summer.start == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert summer.end == next_winter.start == datetime(2026, 10, 25, 1, tzinfo=UTC)
    assert next_winter.end == datetime(2027, 1, 1, tzinfo=UTC)
    assert (summer.gap, next_winter.gap) == (HOUR, -HOUR)


def test_a_zone_without_transitions_has_one_regime_to_the_end_of_2100() -> None:
    (regime,) = regimes(ZoneInfo("Asia/Kathmandu"), NEW_YEAR)
    assert regime.end == datetime(2101, 1, 1, tzinfo=UTC)
    assert (regime.offset, regime.gap) == (timedelta(hours=5, minutes=45), timedelta(0))


@pytest.mark.parametrize("zone", ZONES)
def test_regimes_follow_each_other_and_each_has_one_offset(zone: str) -> None:
    rules = ZoneInfo(zone)
    found = regimes_in(rules, range(2008, 2037))
    assert all(one.end == other.start for one, other in pairwise(found))
    assert all(one.offset == other.before for one, other in pairwise(found))
    for regime in found:
        moment = max(regime.start, datetime(2008, 1, 1, tzinfo=UTC))
        while moment < regime.end:
            assert moment.astimezone(rules).utcoffset() == regime.offset
            moment += timedelta(hours=13)


def test_every_zone_changes_its_clocks_by_whole_minutes_at_whole_minutes() -> None:
    # The calendars of such zones are worked out by the minute.
    for name in sorted(available_timezones()):
        for regime in regimes_in(ZoneInfo(name), range(2024, 2028)):
            assert regime.offset % timedelta(minutes=1) == timedelta(0), name
            assert (regime.start.second, regime.end.second) == (0, 0), name


@pytest.mark.parametrize(
    ("text", "dst", "repeats", "catches"),
    [
        ("30 2 * * *", "once", False, True),
        ("0,30 1-3 * * *", "once", False, True),
        ("30 * * * *", "once", True, False),
        ("*/15 2 * * *", "once", True, False),
        ("30 2 * * *", "skip", False, False),
        ("30 * * * *", "skip", False, False),
        ("30 2 * * *", "twice", True, True),
        ("30 * * * *", "twice", True, True),
    ],
)
def test_the_policy_and_a_wildcard_hour_decide_what_happens_at_a_seam(
    text: str, dst: Dst, repeats: bool, catches: bool
) -> None:
    rule = SeamRule(repeats=repeats, catches=catches)
    assert seam_rule(CronExpression.parse(text), dst) == rule
