"""The workflows that took a run back, or tried to.

Each has an id of its own, numbered, so that two who ask at once can't both begin, and who asks
again knows from their histories what is done. They are found by their ids, since Temporal's lists
lag behind.
"""

from dataclasses import dataclass, replace

from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.service import RPCError, RPCStatusCode

from euryale.sagas.run_undo import undo_workflow_id
from euryale.services.call_outcome import end_of
from euryale.services.payload_bundle import unpack
from euryale.undo.recorded import Record, record_of


@dataclass(frozen=True, slots=True)
class Attempts:
    """What was done so far to take a run back.

    Attributes:
        count: How many workflows were started for it.
        undone: The ids of the calls that they took back.
        under_way: Whether the last of them goes on.
    """

    count: int = 0
    undone: frozenset[str] = frozenset()
    under_way: bool = False


async def read_record(client: Client, workflow_id: str, run_id: str | None) -> Record | None:
    """What a run did; None where its history has been deleted.

    Args:
        client: A connected client.
        workflow_id: The run's workflow id.
        run_id: Its run id; None means the last run of that workflow id.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    handle = client.get_workflow_handle(workflow_id, run_id=run_id)
    try:
        record = record_of([event async for event in handle.fetch_history_events()])
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    undone = set(record.undone)
    for ids, payload in record.undone_together:
        (bundle,) = await client.data_converter.decode([payload], [RawValue])
        ends = map(end_of, unpack(bundle.payload))
        undone |= {each for each, end in zip(ids, ends, strict=False) if end == "done"}
    return replace(record, undone=frozenset(undone - {""}))


async def attempts_at(client: Client, app: str, run_id: str) -> Attempts:
    """What was done so far to take a run back.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    attempts = Attempts()
    while True:
        workflow_id = undo_workflow_id(app, run_id, attempts.count + 1)
        record = await read_record(client, workflow_id, None)
        if record is None:
            return attempts
        under_way, undone = record.open, record.undone
        while record is not None and record.continued_from:
            record = await read_record(client, workflow_id, record.continued_from)
            undone |= record.undone if record else frozenset()
        attempts = Attempts(attempts.count + 1, attempts.undone | undone, under_way)
