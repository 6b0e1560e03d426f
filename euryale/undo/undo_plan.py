"""What taking a run back would do: which compensations with which input, in which order."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from euryale.config import Retry
from euryale.sagas.reverse_order import Span, reversed_layers
from euryale.sagas.step import STEP_RETRY, Unfinished, activity_name
from euryale.sagas.undo_report import Outcome, StepUndo
from euryale.sagas.way_back import NOTHING_SAID, UNDO_LOST, is_undo_lost, undo_said
from euryale.services.call_outcome import end_of, told_by, untouched
from euryale.services.idempotency import key_of
from euryale.services.payload_bundle import is_bundle, unpack
from euryale.services.undo_record import given_of, undo_of
from euryale.sweeps.declaration import SweepMark
from euryale.sweeps.messages import TAKE_BACK
from euryale.undo.attempts import attempts_at, read_record
from euryale.undo.recorded import Record, RecordedCall, RecordedChild, State
from euryale.undo.ways import MutationWay, StepWay, Ways

_HISTORY_DELETED = "its history has been deleted"
_MOST_ITEMS = 5_000
_SLAB_TIMEOUT = timedelta(hours=1)
_MOST_BYTES = 1024 * 1024


class UndoItem(BaseModel):
    """Something to take back.

    Attributes:
        kind: A call of the run, or a run: of a child workflow, or the one that it went on from.
        step: The call's activity, or the workflow's type.
        id: The call's id, or the workflow's id.
        compensation: The activity that takes a call back.
        argument: What that gets.
        timeout: How long one attempt of it may take.
        retry: How it is tried again.
        run_id: The id of a run.
        first_run_id: The id of the run from which it went on, as its parent knows it.
        attempt: The number of the workflow that is to take a run back, from 1.
        together: Whether an activity of the compensation carries several such calls.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["call", "run"] = "call"
    step: str
    id: str
    compensation: str = ""
    argument: Any = None
    timeout: timedelta = timedelta(0)
    retry: Retry = STEP_RETRY
    run_id: str = ""
    first_run_id: str = ""
    attempt: int = 1
    together: bool = False


class UndoPlan(BaseModel):
    """What taking a run back would do.

    Attributes:
        layers: What is taken back one after the other, and in each what is taken back together.
        left: What can't be taken back, and why.
        more: Whether there is more than this plan holds.
    """

    model_config = ConfigDict(frozen=True)

    layers: tuple[tuple[UndoItem, ...], ...] = ()
    left: tuple[StepUndo, ...] = ()
    more: bool = False


async def plan_undo(
    client: Client,
    app: str,
    ways: Ways,
    workflow_id: str,
    run_id: str,
    *,
    only: Collection[str] = (),
    settled: Collection[str] = (),
    limit: bool = True,
) -> UndoPlan:
    """What taking a run back would do.

    Args:
        client: A connected client.
        app: The application's name.
        ways: What the activities of the application are.
        workflow_id: The run's workflow id.
        run_id: Its run id.
        only: Steps by their names or ids; none given means all.
        settled: Ids of what is taken back already, or could not be.
        limit: Whether the plan stops where it would be too large for a payload.

    Raises:
        RPCError: The server can't be reached or refuses.
    """
    record = await read_record(client, workflow_id, run_id)
    if record is None:
        gone = StepUndo(step=workflow_id, id=run_id, outcome="unknown", reason=_HISTORY_DELETED)
        return UndoPlan(left=(gone,))
    planner = _Planner(client, app, ways, workflow_id, run_id)
    spans: list[Span[UndoItem]] = []
    left: list[StepUndo] = []
    for span in _wanted(record, {*settled, *record.undone}, only):
        one = await planner.item_or_reason(span.work)
        if isinstance(one, UndoItem):
            spans.append(Span(span.begun, span.ended, one))
        elif one is not None:
            left.append(one)
    layers = reversed_layers(spans)
    if record.continued_from and record.continued_from not in settled:
        # The run before has ended before this one began.
        earlier = await planner.run("an earlier run", workflow_id, record.continued_from)
        if isinstance(earlier, UndoItem):
            layers.append([earlier])
        else:
            left.append(earlier)
    if not limit:
        return UndoPlan(layers=tuple(map(tuple, layers)), left=tuple(left))
    page, more = _first_page(layers)
    return UndoPlan(layers=page, left=tuple(left), more=more)


def _wanted(
    record: Record, settled: Collection[str], only: Collection[str]
) -> Iterable[Span[RecordedCall | RecordedChild]]:
    for span in record.work:
        work = span.work
        if isinstance(work, RecordedCall):
            if work.id not in settled and (not only or {work.name, work.id} & set(only)):
                yield span
        elif work.run_id not in settled:
            yield span


class _Planner:
    """Works out how each call and child workflow of one run is taken back."""

    def __init__(self, client: Client, app: str, ways: Ways, workflow_id: str, run_id: str) -> None:
        self._client, self._app = client, app
        self._converter = client.data_converter
        self._ways = ways
        self._workflow_id, self._run_id = workflow_id, run_id
        self._bundles: dict[int, tuple[Payload, tuple[Payload, ...]]] = {}

    async def item_or_reason(
        self, work: RecordedCall | RecordedChild
    ) -> UndoItem | StepUndo | None:
        """As `item`; what can't be read, such as after a release, stops none of the others."""
        try:
            return await self.item(work)
        except RPCError:
            raise
        except Exception as error:  # noqa: BLE001 -- an application's own types and functions
            name, known = (work.name, work.id if isinstance(work, RecordedCall) else work.run_id)
            reason = f"what was recorded can't be used: {error}"
            return StepUndo(step=name, id=known, outcome="unknown", reason=reason)

    async def item(  # noqa: PLR0911 -- one for each kind of work
        self, work: RecordedCall | RecordedChild
    ) -> UndoItem | StepUndo | None:
        """How something is taken back, why it can't be, or None where there is nothing to do."""
        if isinstance(work, RecordedChild):
            return await self._child(work)
        if work.name in self._ways.harmless:
            return None
        step = self._ways.steps.get(work.name)
        if step is not None:
            return await self._step(step, work)
        sweep = self._ways.sweeps.get(work.name)
        if sweep is not None:
            return await self._slab(sweep, work)
        mutation = self._ways.mutations.get(work.name)
        if mutation is not None:
            alone = await self._alone(work)
            return None if alone is None else await self._mutation(mutation, alone)
        if work.state == "failed":
            return None
        reason = (
            "it is no step, and not marked as a read"
            if work.name in self._ways.served
            else "this application has no such activity"
        )
        return StepUndo(step=work.name, id=work.id, outcome="no compensation", reason=reason)

    async def _step(self, way: StepWay, call: RecordedCall) -> UndoItem | StepUndo | None:
        mark = way.mark
        if call.state == "completed":
            if mark.compensation is None:
                return _left(call, "no compensation")
            response = await self._decoded(call.result, way.response_type)
            return self._compensated(way, call, response.undo)
        raised = call.failure and await self._converter.decode_failure(call.failure)
        if isinstance(raised, ApplicationError) and (said := undo_said(raised)) is not None:
            return None if said["undo"] is None else self._compensated(way, call, said["undo"])
        if isinstance(raised, ApplicationError) and is_undo_lost(raised):
            return _left(call, "unknown", UNDO_LOST)
        if mark.unfinished is not None and mark.compensation is not None:
            given = await self._decoded(call.given, way.input_type)
            undo = mark.unfinished(Unfinished(given, self._key(call)))
            return self._compensated(way, call, undo)
        return None if call.state == "failed" else _left(call, "unknown", NOTHING_SAID)

    async def _slab(self, sweep: SweepMark, call: RecordedCall) -> UndoItem | StepUndo:
        """However it ended: the store knows what was done in it."""
        if sweep.undo is None:
            return _left(call, "no compensation", f"{call.name} names no undo")
        slab = await self._decoded(call.given, dict)
        return UndoItem(
            step=call.name, id=call.id, compensation=TAKE_BACK, argument=slab, timeout=_SLAB_TIMEOUT
        )

    def _compensated(self, way: StepWay, call: RecordedCall, undo: Any) -> UndoItem:
        compensation = way.mark.compensation
        assert compensation is not None  # noqa: S101 -- for the type checker
        return UndoItem(
            step=call.name,
            id=call.id,
            compensation=activity_name(compensation),
            argument=self._as_json(undo),
            timeout=way.mark.timeout,
            retry=way.mark.compensation_retry,
        )

    async def _alone(self, call: RecordedCall) -> RecordedCall | None:
        """A call with its own payloads, decoded; None if nobody began it."""
        if call.part is None:
            result = call.result and await self._raw(call.result)
            # A local activity's record has what it was given in its result.
            given = await self._raw(call.given) if call.given else result and given_of(result)
            return replace(call, given=given, result=result)
        given = (await self._parts(call.given))[call.part]
        ends = await self._parts(call.result)
        result = ends[call.part] if call.part < len(ends) else untouched()
        end = end_of(result)
        if call.state != "completed" and end not in ("done", "failed"):
            return replace(call, given=given, result=None)
        if end == "untouched":
            return None
        state: State = "completed" if end == "done" else "failed"
        return replace(call, given=given, result=result, state=state)

    async def _parts(self, payload: Payload | None) -> tuple[Payload, ...]:
        """What each of the calls that travelled together was given or returned."""
        if payload is None:
            return ()
        known = self._bundles.get(id(payload))
        if known is None:
            # Kept with the payload itself, since another object might get its id.
            raw = await self._raw(payload)
            # A heartbeat carries its bundle as bytes.
            is_beat = raw.metadata.get("encoding") == b"binary/plain"
            bundle = told_by(raw.data) if is_beat else raw
            parts = unpack(bundle) if bundle and is_bundle(bundle) else ()
            known = self._bundles[id(payload)] = (payload, parts)
        return known[1]

    async def _mutation(self, way: MutationWay, call: RecordedCall) -> UndoItem | StepUndo | None:
        """As `item`, for a call as `_alone` gives it."""
        undo = way.undo
        if undo is None:
            if call.state == "failed":
                return None
            return _left(call, "no compensation", f"{call.name} names no undo")
        wanted = undo.signature.parameters
        known: dict[str, Any] = {"idempotency_key": self._key(call)}
        convert = self._converter.payload_converter.from_payload
        if call.state == "completed" and call.result and {"result", "undo"} & wanted.keys():
            recorded = undo_of(call.result)
            known |= {"result": convert(call.result)}
            known |= {} if recorded is None else {"undo": convert(recorded)}
        if call.given is not None:
            known |= convert(call.given, dict)
        argument = {name: known[name] for name in wanted if name in known}
        missing = [
            name
            for name, parameter in wanted.items()
            if parameter.default is parameter.empty
            and parameter.kind is not parameter.VAR_KEYWORD
            and name not in argument
        ]
        if missing and call.state == "failed":
            return None
        if missing and call.state == "completed":
            return _left(call, "no compensation", "the call recorded nothing for its undo")
        if missing:
            return _left(call, "unknown", f"it was cut off, and its undo needs its '{missing[0]}'")
        return UndoItem(
            step=call.name,
            id=call.id,
            compensation=undo.activity,
            argument=argument,
            timeout=undo.mark.timeout,
            together=call.id.startswith(f"{call.name}/"),
        )

    async def _child(self, child: RecordedChild) -> UndoItem | StepUndo:
        run_id = child.run_id
        while True:
            record = await read_record(self._client, child.workflow_id, run_id)
            if record is None or record.open:
                reason = _HISTORY_DELETED if record is None else "it is still running"
                return StepUndo(
                    step=child.name, id=child.workflow_id, outcome="unknown", reason=reason
                )
            if not record.continued_in:
                found = await self.run(child.name, child.workflow_id, run_id)
                if isinstance(found, UndoItem):
                    return found.model_copy(update={"first_run_id": child.run_id})
                return found
            run_id = record.continued_in

    async def run(self, name: str, workflow_id: str, run_id: str) -> UndoItem | StepUndo:
        """How a whole run is taken back: by a workflow of its own."""
        attempts = await attempts_at(self._client, self._app, run_id)
        if attempts.under_way:
            reason = "it is being taken back already"
            return StepUndo(step=name, id=workflow_id, outcome="unknown", reason=reason)
        return UndoItem(
            kind="run", step=name, id=workflow_id, run_id=run_id, attempt=attempts.count + 1
        )

    def _key(self, call: RecordedCall) -> str:
        return key_of(self._workflow_id, self._run_id, call.id)

    def _as_json(self, value: Any) -> Any:
        converter = self._converter.payload_converter
        return converter.from_payload(converter.to_payload(value))

    async def _decoded(self, payload: Payload | None, hint: Any) -> Any:
        if payload is None:
            return {} if hint is dict else None
        (value,) = await self._converter.decode([payload], [hint])
        return value

    async def _raw(self, payload: Payload | None) -> Payload:
        (value,) = await self._converter.decode([payload or Payload()], [RawValue])
        raw: Payload = value.payload
        return raw


def _left(call: RecordedCall, outcome: Outcome, reason: str = "") -> StepUndo:
    return StepUndo(step=call.name, id=call.id, outcome=outcome, reason=reason)


def _first_page(
    layers: Iterable[Iterable[UndoItem]],
) -> tuple[tuple[tuple[UndoItem, ...], ...], bool]:
    """As much as one payload holds; what was done side by side may be taken back in parts."""
    page: list[tuple[UndoItem, ...]] = []
    count = size = 0
    for layer in layers:
        part: list[UndoItem] = []
        for item in layer:
            weight = len(item.model_dump_json())
            if count and (count >= _MOST_ITEMS or size + weight > _MOST_BYTES):
                return (*page, *([tuple(part)] if part else [])), True
            part.append(item)
            count, size = count + 1, size + weight
        page.append(tuple(part))
    return tuple(page), False
