"""What calls travel in: bundles, ids, and payloads that are written quickly."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import DefaultPayloadConverter

from euryale.services.call_ids import (
    LONGEST,
    activity_id,
    as_many_as_fit,
    call_id,
    calls_carried,
    count_carried,
)
from euryale.services.call_outcome import (
    FailedCall,
    end_of,
    ends_told,
    failed_call,
    failure,
    reply,
    seconds_each,
    untouched,
)
from euryale.services.payload_bundle import is_bundle, pack, unpack
from euryale.services.quick_json import QuickJson

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.binary(),
    lambda inner: st.lists(inner.filter(lambda each: not isinstance(each, bytes)), max_size=3),
    max_leaves=5,
)
payloads = st.lists(
    st.one_of(
        values.map(PydanticPayloadConverter().to_payload),
        st.builds(
            lambda encoding, data: Payload(metadata={"encoding": encoding}, data=data),
            st.sampled_from([b"binary/encrypted", b"json/protobuf", b"binary/zlib"]),
            st.binary().map(lambda data: json.dumps(list(data)).encode()),
        ),
    ),
    max_size=20,
)


@given(payloads)
def test_what_is_packed_comes_out_as_it_went_in(given_payloads: list[Payload]) -> None:
    bundle = Payload.FromString(pack(given_payloads).SerializeToString())
    assert is_bundle(bundle)
    assert list(unpack(bundle)) == given_payloads


@given(st.lists(st.text() | st.integers() | st.none(), max_size=10))
def test_a_bundle_reads_as_a_list_in_the_web_ui(given_values: list[Any]) -> None:
    convert = PydanticPayloadConverter().to_payload
    bundle = pack([convert(value) for value in given_values])
    assert json.loads(bundle.data) == given_values


def test_metadata_travels_with_its_payload() -> None:
    one = Payload(metadata={"encoding": b"json/plain", "euryale-undo": b"\x00\x01"}, data=b"1")
    assert unpack(pack([one, one])) == (one, one)


numbers = st.lists(st.integers(1, 100_000), min_size=1, max_size=600, unique=True).map(sorted)


@given(numbers)
def test_an_activity_names_the_calls_that_it_carries(given_numbers: list[int]) -> None:
    count = as_many_as_fit("product.update", given_numbers)
    carried = given_numbers[:count]
    name = activity_id("product.update", carried)
    assert count >= 1
    assert len(name) <= LONGEST + 14
    assert calls_carried(name) == tuple(call_id("product.update", each) for each in carried)
    assert count_carried(name) == count


def test_calls_in_a_row_fit_however_many_they_are() -> None:
    assert as_many_as_fit("product.update", range(1_000, 1_500)) == 500


@pytest.mark.parametrize("name", ["7", "cart.delete/3", "a[b]", "x[1-]", "undo:y/2", "z[]"])
def test_other_ids_are_of_one_call(name: str) -> None:
    assert calls_carried(name) == (name,)
    assert count_carried(name) == 1


def test_a_reply_tells_how_each_call_ended() -> None:
    done = Payload(metadata={"encoding": b"json/plain"}, data=b'"A"')
    error = FailedCall(type="ValueError", message="no")
    given_ends = [done, failure("failed", error), failure("again", error), untouched()]
    bundle = reply(given_ends, timedelta(seconds=3))
    assert [end_of(each) for each in unpack(bundle)] == ["done", "failed", "again", "untouched"]
    assert failed_call(unpack(bundle)[1]) == error
    assert ends_told(bundle) == (1, 1)
    # Of those that were begun.
    assert seconds_each(bundle) == 1.0


class Status(StrEnum):
    DRAFT = "draft"


class Product(BaseModel):
    id: str
    status: Status
    price: Decimal
    made: datetime
    tags: list[str] = []


PRODUCT = Product(id="p", status=Status.DRAFT, price=Decimal("9.90"), made=datetime.now(UTC))


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ({"id": "a", "when": date(2026, 1, 2)}, dict),
        (PRODUCT, Product),
        ([PRODUCT], list[Product]),
        ("text", str),
        (3, int),
        (True, bool),
        (None, type(None)),
        (b"bytes", bytes),
        ({"a"}, set[str]),
        (Status.DRAFT, Status),
        (None, Product | None),
        (3, Annotated[int, {"not": "hashable"}]),
    ],
)
def test_what_is_written_quickly_is_what_the_converter_writes(value: Any, hint: Any) -> None:
    slow = pydantic_data_converter.payload_converter
    quick = QuickJson(slow)
    payload = slow.to_payload(value)
    assert quick.to_payload(value) == payload
    assert quick.from_payload(payload, hint) == slow.from_payload(payload, hint)


def test_another_converter_is_left_to_itself() -> None:
    class Loud(DefaultPayloadConverter):
        def to_payloads(self, values: Any) -> list[Payload]:
            return super().to_payloads([str(value).upper() for value in values])

    assert QuickJson(Loud()).to_payload("a").data == b'"A"'
