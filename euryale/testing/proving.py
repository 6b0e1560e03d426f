"""Proving a saga: its run is disturbed in every way that its undisturbed run suggests."""

import asyncio
import contextlib
import os
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import SystemRandom
from typing import Any

from temporalio.client import Client, WorkflowFailureError, WorkflowHandle

from euryale.app import project_root
from euryale.runs.failures import told
from euryale.sagas.compensation_record import UNDO_MEMO
from euryale.sagas.undo_report import StepUndo, UndoReport
from euryale.server.connection import connect
from euryale.server.server import DevServer
from euryale.server.server_address import free_port
from euryale.testing.case_worker import Assignment
from euryale.testing.case_workers import CaseWorker, CaseWorkers
from euryale.testing.cases import (
    Case,
    faults_of_calls,
    faults_of_compensations,
    kills,
    ways_to_fail,
)
from euryale.testing.difference import Ends
from euryale.testing.event_log import Record
from euryale.testing.fault import Plan
from euryale.testing.injection import TASK_TIMEOUT
from euryale.testing.judgement import Leaves, Observation, judge
from euryale.testing.proof import Proof, ProofFailed, Verdict
from euryale.testing.world import OpenWorld

PATIENCE = timedelta(seconds=120)
"""How long one case may take; on a machine with nothing else to do it takes a second or three."""

_APART = 1.1
"""Seconds between two undisturbed runs, so that also whole seconds that they stamp differ."""

_KILLED = -9


async def prove(
    workflow: str | Callable[..., Any],
    *given: Any,
    world: OpenWorld,
    leaves: Leaves | None = None,
    app: str | None = None,
    root: Path | None = None,
    address: str | None = None,
    at_once: int | None = None,
    patience: timedelta = PATIENCE,
) -> Proof:
    """Prove that a workflow does all of its work or leaves nothing, whatever disturbs it.

    An undisturbed run shows what can be disturbed. Then each of its calls fails before and after
    its effect, hangs until its time is over, and sees the run cancelled; each compensation fails
    once and for good; and a worker is killed at each of its events, on the way there and on the way
    back. A run that completes must leave what an undisturbed one leaves, and any other run nothing,
    save what its own report says and `leaves` allows. Ids that are drawn and times that are stamped
    may differ where they do between two undisturbed runs.

    Args:
        workflow: The workflow's run method, or the name of a workflow or job.
        given: What it is given.
        world: Makes the state that a case begins with, and tells what became of it.
        leaves: By step, the parts of the snapshot (its first keys, such as tables) that the step
            may leave changed where it can't be taken back. A failed run must also name the step in
            its `UndoReport`.
        app: Where the application is, as `module:attribute`; by default what the project's
            `pyproject.toml` names. Workers import it in processes of their own.
        root: The project's root; by default that of the working directory.
        address: A Temporal server for development; by default one is started.
        at_once: How many cases run side by side; by default four for each processor.
        patience: How long one case may take.

    Returns:
        What was found; as text, a line with the number of cases.

    Raises:
        ProofFailed: Some case doesn't hold; the message says which, and what differs.

    Example:
        A test of a workflow on an SQLite file::

            async def test_carts_are_deleted_or_not_touched() -> None:
                shop = sqlite_file(Path("tests/shop.db"))
                print(await prove(DeleteCarts.run, carts, world=shop))
    """
    began = time.monotonic()
    root = (root or project_root()).resolve()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="euryale-proof-")))
        address = address or await stack.enter_async_context(_server(folder))
        client = await connect(address=address, wait=timedelta(seconds=30))
        workers = await stack.enter_async_context(CaseWorkers.open(root, app))
        bench = _Bench(client, workers, folder, root, app, world, workflow, given, patience)
        verdicts = await _prove(bench, leaves or {}, at_once or 4 * (os.cpu_count() or 1))
    proof = Proof(bench.names[0], tuple(verdicts), time.monotonic() - began)
    if proof.failed:
        raise ProofFailed(proof)
    return proof


async def _prove(bench: "_Bench", leaves: Leaves, at_once: int) -> list[Verdict]:
    first = asyncio.ensure_future(bench.run(Case()))
    await asyncio.sleep(_APART)
    second = asyncio.ensure_future(bench.run(Case()))
    (one, record), (other, _) = await asyncio.gather(first, second)
    for seen in (one, other):
        if not seen.completed:
            raise AssertionError(f"the undisturbed run should complete, but it {seen.ending}")
    if not one.changed:
        raise AssertionError(
            "the undisturbed run changed nothing that the snapshot shows: does the worker use the "
            "world that `environment` names?"
        )
    ends = Ends(one.changed, other.changed)
    if ends.unequal:
        raise AssertionError(
            "two undisturbed runs end differently: " + "; ".join(map(str, ends.unequal[:5]))
        )
    cases = [*faults_of_calls(record), *kills(record, (), "completes")]
    for faults in ways_to_fail(record):
        failing, way_back = await bench.run(Case(faults))
        if not failing.completed:
            cases += faults_of_compensations(way_back, faults)
            cases += kills(way_back, faults, "fails")
            break
    turns = asyncio.Semaphore(at_once)

    async def decide(case: Case) -> Verdict:
        async with turns:
            try:
                seen, _ = await bench.run(case)
            except CaseBroken as error:
                return Verdict(case, "never ended", (str(error),))
        return judge(case, seen, ends, leaves)

    return list(await asyncio.gather(*map(decide, cases)))


class CaseBroken(Exception):
    """A case didn't come to its end."""


@dataclass(frozen=True)
class _Bench:
    """Where cases are run."""

    client: Client
    workers: CaseWorkers
    folder: Path
    root: Path
    app: str | None
    world: OpenWorld
    workflow: str | Callable[..., Any]
    given: tuple[Any, ...]
    patience: timedelta
    names: list[str] = field(default_factory=list)
    """The workflow's name, once it has run."""

    async def run(self, case: Case) -> tuple[Observation, Record]:
        """Run one case in a world of its own.

        Raises:
            CaseBroken: The run didn't end in time, or a worker ended that nobody killed.
        """
        id_ = f"proof-{uuid.uuid4()}"
        folder = self.folder / id_
        folder.mkdir()
        async with self.world(folder) as world:
            before = await world.snapshot()
            handle = await self.client.start_workflow(
                self.workflow,
                args=self.given,
                id=id_,
                task_queue=id_,
                task_timeout=TASK_TIMEOUT,
            )
            try:
                ending, deaths = await self._serve(case, handle, world.environment, folder)
            except BaseException:
                with contextlib.suppress(Exception):
                    await handle.terminate("the proof is over")
                raise
            after = await world.snapshot()
        record = Record.read(folder / "events")
        reached = bool(deaths) if case.kill_at is not None else record.faults >= len(case.faults)
        undo = await self._undo(record, id_)
        return Observation(before, after, ending, undo, reached), record

    async def _serve(
        self,
        case: Case,
        handle: WorkflowHandle[Any, Any],
        environment: Mapping[str, str],
        folder: Path,
    ) -> tuple[str, int]:
        """Serve the run to its end, with a new worker in the place of the one that was killed."""
        ending: asyncio.Future[Any] = asyncio.ensure_future(_ending(handle))
        plan, deaths = Plan(case.faults, case.kill_at), 0
        worker = self._start(plan, 1, handle.id, environment, folder)
        try:
            async with asyncio.timeout(self.patience.total_seconds()):
                while True:
                    await asyncio.wait({ending, worker.ended}, return_when=asyncio.FIRST_COMPLETED)
                    if ending.done():
                        return ending.result(), deaths
                    if worker.ended.result() != _KILLED or deaths:
                        raise CaseBroken(f"its worker ended: {worker.last_words()}")
                    deaths = 1
                    worker = self._start(Plan(case.faults), 2, handle.id, environment, folder)
        except TimeoutError:
            raise CaseBroken(
                f"the run hadn't ended after {self.patience.total_seconds():g} s; "
                f"{await _where_it_is(handle)}; its worker's last lines: {worker.last_words()}"
            ) from None
        finally:
            ending.cancel()
            await worker.kill()

    def _start(
        self, plan: Plan, number: int, id_: str, environment: Mapping[str, str], folder: Path
    ) -> CaseWorker:
        config = self.client.service_client.config
        assignment = Assignment(
            root=str(self.root),
            app=self.app,
            address=config.target_host,
            namespace=self.client.namespace,
            workflow_id=id_,
            log=str(folder / "events"),
            number=number,
            plan=plan.as_json(),
        )
        return self.workers.start(assignment, environment, folder / "worker.log")

    async def _undo(self, record: Record, id_: str) -> tuple[StepUndo, ...]:
        """What the run and its children say of their steps."""
        told: list[StepUndo] = []
        for workflow_id in dict.fromkeys((id_, *record.workflows)):
            description = await self.client.get_workflow_handle(workflow_id).describe()
            self.names.append(description.workflow_type)
            report = await description.memo_value(UNDO_MEMO, None)
            if report is not None:
                told += UndoReport.model_validate(report).steps
        return tuple(told)


async def _ending(handle: WorkflowHandle[Any, Any]) -> str:
    try:
        await handle.result()
    except WorkflowFailureError as error:
        return f"failed: {told(error.cause or error)}"
    return "completed"


async def _where_it_is(handle: WorkflowHandle[Any, Any]) -> str:
    description = await handle.describe()
    pending = [
        f"{each.activity_type.name}, attempt {each.attempt}, {each.last_failure.message}"
        for each in description.raw_description.pending_activities
    ]
    return "it waits for " + ("; ".join(pending) or "no activity")


@contextlib.asynccontextmanager
async def _server(folder: Path) -> AsyncIterator[str]:
    port = free_port("127.0.0.1", SystemRandom().randrange(15_000, 30_000))
    address = f"127.0.0.1:{port}"
    async with DevServer.start(address, state_dir=folder / "temporal") as server:
        yield server.address
