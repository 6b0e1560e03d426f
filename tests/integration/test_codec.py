"""An application whose payloads are sealed by a codec: everything works, nothing is in the open."""

import base64
import zlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import together_app
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    PayloadCodec,
)
from temporalio.worker import Replayer
from together_runs import plugin, serving, start

from euryale.runs.runs import find_run
from euryale.sagas.undo_report import UndoReport
from euryale.undo.undo import plan_whole, refuse_if_incomplete, start_undo
from euryale.undo.ways import ways_of

HUSHED = "hush"


class Seal(PayloadCodec):
    """Nobody can read it without the codec; it needs no key."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(
                metadata={"encoding": b"binary/sealed"},
                data=base64.b85encode(zlib.compress(one.SerializeToString())),
            )
            for one in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload.FromString(zlib.decompress(base64.b85decode(one.data)))
            if one.metadata.get("encoding") == b"binary/sealed"
            else one
            for one in payloads
        ]


SEALED: DataConverter = replace(
    pydantic_data_converter,
    payload_codec=Seal(),
    failure_converter_class=DefaultFailureConverterWithEncodedAttributes,
)


@pytest.fixture
def ledger() -> together_app.Ledger:
    together_app.ledger.__init__()  # type: ignore[misc] # the one that the application holds
    return together_app.ledger


@pytest.fixture
async def sealed(temporal_address: str, client: Client) -> AsyncIterator[Client]:
    own = await Client.connect(temporal_address, data_converter=SEALED)
    async with serving(own):
        yield own


async def ran(client: Client, case: str, **given: Any) -> WorkflowHandle[Any, Any]:
    handle = await start(client, case, **given)
    await handle.result()
    return handle


async def checked(handle: WorkflowHandle[Any, Any]) -> None:
    """It can be replayed, and its history tells nothing."""
    history = await handle.fetch_history()
    await Replayer(workflows=[], plugins=[plugin()], data_converter=SEALED).replay_workflow(history)
    assert HUSHED.encode() not in b"".join(each.SerializeToString() for each in history.events)


async def taken_back(client: Client, handle: WorkflowHandle[Any, Any]) -> UndoReport:
    run = await find_run(client, "together", handle.id)
    plan = await plan_whole(client, "together", ways_of(plugin().registry), run)
    refuse_if_incomplete(plan, run, ())
    undo = await start_undo(client, "together", "together", run, attempt=plan.attempts.count + 1)
    report = await undo.result()
    await checked(undo)
    return report


@pytest.mark.parametrize("case", ["gathers", "posts"])
async def test_calls_that_travel_together_are_sealed_and_taken_back(
    sealed: Client, ledger: together_app.Ledger, case: str
) -> None:
    handle = await ran(sealed, case, names=[f"bad {HUSHED}", *(f"{HUSHED}{n}" for n in range(20))])
    result = await handle.result()
    assert result[1:] == [f"{HUSHED}{n}".upper() for n in range(20)]
    assert f"bad {HUSHED} can't be" in result[0]
    await checked(handle)
    assert (await taken_back(sealed, handle)).undone == 20
    assert ledger.values == {}


async def test_local_calls_are_sealed_and_taken_back(
    sealed: Client, ledger: together_app.Ledger
) -> None:
    ledger.failures = {f"{HUSHED}1": 1}
    handle = await ran(sealed, "puts", names=[f"{HUSHED}{n}" for n in range(20)])
    await checked(handle)
    assert (await taken_back(sealed, handle)).undone == 20
    assert ledger.values == {}
