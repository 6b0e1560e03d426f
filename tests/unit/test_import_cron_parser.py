"""The stand-in for cron-parser answers what the real one, 4.9.0, answered."""

import json
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from euryale.imports.cron_parser import CronParserExpression, CronParserRefused

RECORDED = json.loads(
    (Path(__file__).parent / "cron_parser" / "firings.json").read_text(encoding="utf-8")
)
TEXTS = list(dict.fromkeys(each["text"] for each in RECORDED))


def answer(recorded: dict[str, Any]) -> list[int] | None:
    try:
        expression = CronParserExpression.parse(recorded["text"])
    except CronParserRefused:
        return None
    after = datetime.fromisoformat(recorded["start"])
    times = islice(expression.firings(ZoneInfo(recorded["zone"]), after=after), 8)
    return [int(time.timestamp()) for time in times]


@pytest.mark.parametrize("text", TEXTS)
def test_it_fires_as_cron_parser_was_recorded(text: str) -> None:
    for recorded in (each for each in RECORDED if each["text"] == text):
        assert answer(recorded) == recorded["times"], recorded


def test_what_is_recorded_has_both_answers_and_refusals() -> None:
    refused = {each["text"] for each in RECORDED if each["times"] is None}
    assert {"60 * * * *", "0 0 15W * *", "0 0 31 4 *", "* * * * * * *"} <= refused
    assert len(TEXTS) - len(refused) > 40
