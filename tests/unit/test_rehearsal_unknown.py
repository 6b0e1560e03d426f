"""Unknown values: what may be done with them, and what ends a rehearsal."""

import copy
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from euryale.rehearsal.unknown import SawNoFurther, Unknown, plain, unknown_of, unknowns_in
from euryale.rehearsal.unknown_payload import is_unknown, rehearsal_converter


class Item(BaseModel):
    id: str = ""


unchecked: Callable[..., Item] = Item.model_construct


@dataclass
class Crate:
    items: list[Any]


def unknown(told: list[str] | None = None) -> Unknown:
    return Unknown("item.add", (told if told is not None else []).append)


USES: dict[str, Callable[[Any], object]] = {
    "truth": bool,
    "length": len,
    "iteration": list,
    "membership": lambda value: "a" in value,
    "equality": lambda value: value == 1,
    "inequality": lambda value: value != 1,
    "order": lambda value: value < 1,
    "sorting": lambda value: sorted([value, value]),
    "addition": lambda value: value + 1,
    "addition from the left": lambda value: 1 + value,
    "text": str,
    "formatting": lambda value: f"{value}",
    "percent formatting": lambda value: "%s" % value,  # noqa: UP031
    "number": int,
    "index": lambda value: [1, 2][value],
    "call": lambda value: value(),
    "hash": lambda value: {value},
    "isinstance": lambda value: isinstance(value, str),
    "assignment": lambda value: setattr(value, "name", 1),
    "item assignment": lambda value: value.__setitem__("name", 1),
    "json": json.dumps,
    "use of an attribute": lambda value: bool(value.size),
    "use of an item": lambda value: bool(value[0]),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_use_that_decides_something_is_told_and_raises(use: Callable[[Any], object]) -> None:
    told: list[str] = []
    with pytest.raises(SawNoFurther):
        use(unknown(told))
    assert set(told) < {"item.add", "item.add.size", "item.add[0]"}
    assert told


def pattern(value: Any) -> str:
    match value:
        case str():
            return "text"
        case _:
            return "other"


def test_a_pattern_is_a_use() -> None:
    with pytest.raises(SawNoFurther):
        pattern(unknown())


async def test_awaiting_is_a_use() -> None:
    with pytest.raises(SawNoFurther):
        await unknown()  # type: ignore[misc]


def test_code_that_catches_every_exception_does_not_catch_a_use() -> None:
    def careless() -> bool:
        try:
            return bool(unknown())
        except Exception:  # noqa: BLE001
            return False

    with pytest.raises(SawNoFurther):
        careless()


def test_an_unknown_value_can_be_kept_shown_and_copied(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []
    value = unknown(told)
    assert repr(value.lines[0].id) == "<unknown: item.add.lines[0].id>"
    assert unknown_of(value["a"]) == "item.add['a']"
    assert copy.copy(value) is value
    assert copy.deepcopy([value])[0] is value
    logging.getLogger("test").warning("made %s", value)
    assert "made <unknown: item.add>" in caplog.text
    assert told == []


def test_what_pydantic_refuses_names_the_unknown_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Item(id=unknown())
    (problem,) = caught.value.errors()
    assert [unknown_of(each) for each in unknowns_in(problem["input"])] == ["item.add"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([unknown()], [{"unknown": "item.add"}]),
        ({"a": (1, unknown().id)}, {"a": [1, {"unknown": "item.add.id"}]}),
        (Crate([unknown(), Item(id="x")]), {"items": [{"unknown": "item.add"}, {"id": "x"}]}),
        (unchecked(id=unknown()), {"id": {"unknown": "item.add"}}),
        (Crate([object]), {"items": [repr(object)]}),
    ],
    ids=["list", "nested", "dataclass", "model", "no JSON"],
)
def test_a_value_is_shown_in_terms_of_json(value: object, shown: object) -> None:
    assert plain(value) == shown


def test_a_payload_gives_the_unknown_value_back_itself() -> None:
    converter = rehearsal_converter()()
    value = {"id": unknown()}
    payload = converter.to_payload(value)
    assert is_unknown(payload)
    found: Any = converter.from_payload(payload, Item)
    assert found is value
    assert b"item.add" not in payload.data


def test_a_payload_of_a_known_value_is_as_ever() -> None:
    converter = rehearsal_converter()()
    payload = converter.to_payload(Item(id="x"))
    assert not is_unknown(payload)
    assert converter.from_payload(payload, Item) == Item(id="x")
    assert converter.from_payload(converter.to_payload(None)) is None
