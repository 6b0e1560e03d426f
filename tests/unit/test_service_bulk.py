"""What the declaration of a bulk method refuses, before any call is made."""

from collections.abc import Sequence

import pytest

from euryale import BulkCall, mutation
from euryale.errors import ServiceInvalid
from euryale.services.method import define_service


async def _label_all(self: object, calls: Sequence[BulkCall]) -> list[str | Exception]:
    return [call.idempotency_key for call in calls]


def test_a_bulk_method_that_is_mistyped_is_named() -> None:
    class Shelves:
        @mutation(bulk="lable_all")
        async def label(self, sku: str) -> str:
            return sku

        label_all = _label_all

    with pytest.raises(ServiceInvalid, match="names 'lable_all' as its bulk method"):
        define_service("shelves", Shelves)


def test_a_bulk_method_is_no_durable_method_itself() -> None:
    class Shelves:
        @mutation(bulk="label_all")
        async def label(self, sku: str) -> str:
            return sku

        label_all = _label_all

    assert set(define_service("shelves", Shelves).methods) == {"label"}
