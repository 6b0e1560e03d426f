"""Locks between runs, on a real Temporal server."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import locking
import pytest
from locking import Contradict, Hold, Visit, worker_of
from sample_runs import connected, free_port
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    DescribeWorkflowInput,
    Interceptor,
    OutboundInterceptor,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Replayer

from euryale import Euryale, EuryalePlugin, instance, mutation
from euryale.runs.runs import belongs
from euryale.sagas.lock_workflow import (
    LOCK_WORKFLOW,
    LockWorkflow,
    Waiter,
    Waiting,
    lock_id,
    look_for_lock,
)
from euryale.server.dynamic_config import dynamic_config_arguments
from euryale.undo.undo_plan import plan_undo
from euryale.undo.ways import ways_of
from euryale.worker import make_worker

Run = WorkflowHandle[Any, Any]

# Many workers and workflows, on a machine that may be busy.
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def key() -> str:
    return f"a key / {uuid.uuid4()}"


@pytest.fixture
def queue() -> str:
    return f"locks-{uuid.uuid4()}"


async def hold(client: Client, queue: str, key: str, **options: Any) -> Run:
    """A run that asks for a lock and holds it until it is told to end."""
    timeout = options.pop("timeout", None)
    return await client.start_workflow(
        Hold.run, args=[key, timeout], id=f"hold-{uuid.uuid4()}", task_queue=queue, **options
    )


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(150):
        while not await condition():
            await asyncio.sleep(0.02)


async def holder_of(client: Client, key: str) -> str | None:
    """The run id of the run that holds the lock; None if it is free."""
    try:
        lock = await client.get_workflow_handle(lock_id(key)).describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return None
    return lock.parent_run_id if lock.status == WorkflowExecutionStatus.RUNNING else None


async def until_held_by(client: Client, key: str, run: Run) -> None:
    async def held() -> bool:
        return await holder_of(client, key) == run.first_execution_run_id

    await until(held)


async def until_free(client: Client, key: str) -> None:
    async def free() -> bool:
        return await holder_of(client, key) is None

    await until(free)


async def shown(client: Client, key: str) -> str:
    """What the Web UI shows of a lock."""
    metadata: Any = await client.get_workflow_handle(lock_id(key)).query(
        "__temporal_workflow_metadata"
    )
    details: str = metadata.current_details
    return details


async def until_waiting(client: Client, key: str, *runs: Run) -> None:
    async def listed() -> bool:
        details = await shown(client, key)
        return all(f"- `{run.id}`" in details for run in runs)

    await until(listed)


async def end(run: Run, how: str = "success") -> None:
    await run.signal(Hold.end, how)


async def failure_of(run: Run) -> ApplicationError:
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert isinstance(caught.value.cause, ApplicationError)
    return caught.value.cause


async def events_of(run: Run) -> list[str]:
    history = await run.fetch_history()
    return [EventType.Name(each.event_type).removeprefix("EVENT_TYPE_") for each in history.events]


async def replayed(run: Run) -> None:
    """Replay a run's history under the code that made it."""
    replayer = Replayer(
        workflows=[*locking.WORKFLOWS, LockWorkflow],
        workflow_runner=locking.RUNNER,
        build_id="replay",
    )
    await replayer.replay_workflow(await run.fetch_history())


def signatures(book: Path) -> list[tuple[str, str]]:
    """Who signed a book, in pairs: each of somebody once nobody came in between."""
    names = book.read_text(encoding="utf-8").split()
    return list(zip(names[::2], names[1::2], strict=True))


@pytest.mark.parametrize("locked", [True, False], ids=["with a lock", "without"])
async def test_of_twenty_runs_on_two_workers_one_at_a_time_goes_on(
    temporal_address: str, queue: str, key: str, tmp_path: Path, locked: bool
) -> None:
    book = tmp_path / "book"
    client, other = await connected(temporal_address), await connected(temporal_address)
    async with worker_of(client, queue), worker_of(other, queue):
        await asyncio.gather(
            *(
                client.execute_workflow(
                    Visit.run,
                    args=[str(book), key if locked else ""],
                    id=f"visit-{n}-{uuid.uuid4()}",
                    task_queue=queue,
                )
                for n in range(20)
            )
        )
    visits = signatures(book)
    assert len(visits) == 20
    # Without the lock they meet: else this test would prove nothing.
    assert all(one == other for one, other in visits) is locked


@asynccontextmanager
async def worker_process(
    address: str, queue: str, folder: Path
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A worker in a process of its own, killed in the end."""
    ready = folder / f"ready-{uuid.uuid4()}"
    code = "import asyncio, sys, locking; asyncio.run(locking.serve(*sys.argv[1:]))"
    process = subprocess.Popen(  # noqa: ASYNC220 -- to be killed from anywhere
        [sys.executable, "-c", code, address, queue, str(ready)],
        stdin=subprocess.PIPE,
        cwd=Path(locking.__file__).parent,
    )
    try:

        async def serves() -> bool:
            assert process.poll() is None
            return ready.exists()

        await until(serves)
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdin
        process.stdin.close()


async def test_a_run_whose_worker_is_killed_keeps_its_lock_and_goes_on_with_it(
    client: Client, temporal_address: str, queue: str, key: str, tmp_path: Path
) -> None:
    elsewhere = f"{queue}-elsewhere"
    async with worker_process(temporal_address, queue, tmp_path) as process:
        # So that the next worker needn't wait for the dead one's tasks.
        holder = await hold(client, queue, key, task_timeout=timedelta(seconds=1))
        await until_held_by(client, key, holder)
        process.kill()
    async with worker_of(client, elsewhere):
        refused = await hold(client, elsewhere, key, timeout=0)
        assert (await failure_of(refused)).type == "LockTimeout"
        waiter = await hold(client, elsewhere, key)
        await until_looking(waiter)
        async with worker_of(client, queue):
            await end(holder)
            assert await holder.result() == "success"
            await end(waiter)
            assert await waiter.result() == "success"


async def until_looking(run: Run, *, looks: int = 1) -> None:
    """Wait until a run has looked for a lock, and found it held."""

    async def looked() -> bool:
        pending = (await run.describe()).raw_description.pending_activities
        return any(each.attempt > looks for each in pending)

    await until(looked)


async def test_a_terminated_run_loses_its_lock_also_while_no_worker_is_there(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
    await holder.terminate()
    await until_free(client, key)
    lock = await client.get_workflow_handle(lock_id(key)).describe()
    assert lock.status == WorkflowExecutionStatus.TERMINATED


async def test_whoever_waits_for_a_terminated_run_finds_out_by_itself(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        waiter = await hold(client, queue, key)
        await until_waiting(client, key, waiter)
        await holder.terminate()
        await until_held_by(client, key, waiter)
        await end(waiter)
        assert await waiter.result() == "success"
        await replayed(waiter)


@pytest.mark.parametrize("how", ["success", "failure", "continue as new", "cancel", "time out"])
async def test_a_lock_is_free_once_its_run_leaves_the_block(
    client: Client, queue: str, key: str, how: str
) -> None:
    options = {"run_timeout": timedelta(seconds=8)} if how == "time out" else {}
    async with worker_of(client, queue):
        holder = await hold(client, queue, key, **options)
        await until_held_by(client, key, holder)
        waiter = await hold(client, queue, key)
        await until_waiting(client, key, waiter)
        if how == "cancel":
            await holder.cancel()
        elif how != "time out":
            await end(holder, how)
        if how == "continue as new":
            # It asks again, as anybody does, and may be quicker.
            await describe_first(client, holder)
            await end(client.get_workflow_handle(holder.id))
        await until_held_by(client, key, waiter)
        assert (await describe_first(client, holder)).status != WorkflowExecutionStatus.RUNNING
        await end(waiter)
        assert await waiter.result() == "success"
        if how == "continue as new":
            assert await client.get_workflow_handle(holder.id).result() == "success"
        await replayed(client.get_workflow_handle(holder.id, run_id=holder.first_execution_run_id))


async def describe_first(client: Client, run: Run) -> Any:
    first = client.get_workflow_handle(run.id, run_id=run.first_execution_run_id)
    await until_closed(first)
    return await first.describe()


async def until_closed(run: Run) -> None:
    async def closed() -> bool:
        return (await run.describe()).status != WorkflowExecutionStatus.RUNNING

    await until(closed)


@pytest.mark.parametrize("how", ["retry", "timeout and retry"])
async def test_a_run_that_temporal_starts_again_can_take_the_lock_that_it_held(
    client: Client, queue: str, key: str, how: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(
            client,
            queue,
            key,
            run_timeout=timedelta(seconds=8) if how == "timeout and retry" else None,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=10), maximum_attempts=2
            ),
        )
        await until_held_by(client, key, holder)
        if how == "retry":
            await end(holder, "failure")
        await until_closed(client.get_workflow_handle(holder.id, run_id=holder.result_run_id))
        again = client.get_workflow_handle(holder.id)

        async def held_again() -> bool:
            found = await holder_of(client, key)
            return found not in (None, holder.result_run_id)

        await until(held_again)
        await end(again)
        assert await again.result() == "success"


async def reset(client: Client, run: Run, *, before_the_lock: bool) -> Run:
    """Let a run begin anew from a workflow task: the first, or that in which it got the lock."""

    async def has_it() -> bool:
        return (await events_of(run))[-2:] == ["WORKFLOW_TASK_STARTED", "WORKFLOW_TASK_COMPLETED"]

    await until(has_it)
    ends = [
        at
        for at, event in enumerate(await events_of(run), start=1)
        if event == "WORKFLOW_TASK_COMPLETED"
    ]
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(
                workflow_id=run.id, run_id=run.first_execution_run_id or ""
            ),
            workflow_task_finish_event_id=ends[0] if before_the_lock else ends[-1],
            request_id=str(uuid.uuid4()),
            reason="an operator's",
        )
    )
    return client.get_workflow_handle(run.id)


@pytest.mark.parametrize("before_the_lock", [True, False])
async def test_a_run_that_is_reset_has_its_lock_and_releases_it(
    client: Client, queue: str, key: str, before_the_lock: bool
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        again = await reset(client, holder, before_the_lock=before_the_lock)
        await until_in_the_block(again)
        refused = await hold(client, queue, key, timeout=0)
        assert (await failure_of(refused)).type == "LockTimeout"
        waiter = await hold(client, queue, key)
        await until_waiting(client, key, waiter)
        await until_looking(waiter, looks=2)
        await end(again)
        assert await again.result(rpc_timeout=timedelta(seconds=20)) == "success"
        await until_held_by(client, key, waiter)
        await waiter.terminate()


async def until_in_the_block(run: Run) -> None:
    async def started() -> bool:
        return "CHILD_WORKFLOW_EXECUTION_STARTED" in await events_of(run)

    await until(started)


async def test_a_run_that_is_terminated_after_a_reset_loses_its_lock_to_who_waits(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        again = await reset(client, holder, before_the_lock=False)
        waiter = await hold(client, queue, key)
        await until_waiting(client, key, waiter)
        await again.terminate()
        await until_held_by(client, key, waiter)
        await waiter.terminate()


class Meanwhile(Interceptor):
    """Lets something happen before a client's question about a workflow is answered, once."""

    def __init__(self, workflow_id: str, happens: Callable[[], Awaitable[object]]) -> None:
        self.workflow_id = workflow_id
        self.happens: Callable[[], Awaitable[object]] | None = happens

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        meanwhile = self

        class Outbound(OutboundInterceptor):
            async def describe_workflow(
                self,
                input: DescribeWorkflowInput,  # noqa: A002 -- as the SDK has it
            ) -> WorkflowExecutionDescription:
                if input.id == meanwhile.workflow_id and meanwhile.happens:
                    happens, meanwhile.happens = meanwhile.happens, None
                    await happens()
                return await super().describe_workflow(input)

        return Outbound(next)


async def test_a_look_ends_no_lock_that_goes_to_the_next_while_it_asks_for_the_holder(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        next_one = await hold(client, queue, key)
        await until_waiting(client, key, next_one)

        async def hand_over() -> None:
            await end(holder)
            await holder.result()
            await until_held_by(client, key, next_one)

        config = client.config()
        config["interceptors"] = [Meanwhile(holder.id, hand_over)]
        late = Waiter("late", str(uuid.uuid4()), 0.0)
        looking = ActivityEnvironment(client=Client(**config))
        await looking.run(look_for_lock, Waiting(key, late))
        assert await holder_of(client, key) == next_one.first_execution_run_id
        await end(next_one)
        assert await next_one.result() == "success"


async def test_locks_are_given_in_the_order_in_which_runs_asked(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        runs = [await hold(client, queue, key)]
        await until_held_by(client, key, runs[0])
        for _ in range(4):
            runs.append(await hold(client, queue, key))
            await until_waiting(client, key, *runs[1:])
        for run in runs:
            await until_held_by(client, key, run)
            await end(run)
            assert await run.result() == "success"


async def test_a_waiter_that_died_is_passed_over(client: Client, queue: str, key: str) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        dead = await hold(client, queue, key)
        await until_waiting(client, key, dead)
        alive = await hold(client, queue, key)
        await until_waiting(client, key, alive)
        await dead.terminate()
        await end(holder)
        await holder.result()
        await until_held_by(client, key, alive)
        await alive.terminate()
        assert "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED" in await events_of(holder)
        await replayed(holder)


async def test_a_run_that_is_cancelled_while_it_waits_leaves_nothing_behind(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        waiter = await hold(client, queue, key)
        await until_waiting(client, key, waiter)
        await waiter.cancel()
        await until_closed(waiter)
        assert (await waiter.describe()).status == WorkflowExecutionStatus.CANCELED
        assert await shown(client, key) == f"Held by `{holder.id}`."
        assert await holder_of(client, key) == holder.first_execution_run_id
        await end(holder)
        assert await holder.result() == "success"
        assert await holder_of(client, key) is None
        await replayed(waiter)


async def test_a_run_that_is_cancelled_while_it_takes_a_lock_gives_it_back(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        run = await contradict(client, queue, key, "cancelled in between")
        assert await run.result() == "cancelled"
        assert "CHILD_WORKFLOW_EXECUTION_COMPLETED" in await events_of(run)
        assert await holder_of(client, key) is None
        await replayed(run)


async def contradict(client: Client, queue: str, key: str, how: str) -> Run:
    return await client.start_workflow(
        Contradict.run, args=[key, how], id=f"contradict-{uuid.uuid4()}", task_queue=queue
    )


async def test_a_run_that_waits_for_too_long_fails_and_is_on_nobodys_list(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        waiter = await hold(client, queue, key, timeout=0.5)
        failure = await failure_of(waiter)
        assert failure.type == "LockTimeout"
        assert failure.message == (
            f"the lock '{key}' didn't become free within 0.5 seconds; its holder is the parent of "
            f"the workflow {lock_id(key)}"
        )
        assert await shown(client, key) == f"Held by `{holder.id}`."
        await end(holder)
        await replayed(waiter)


@pytest.mark.parametrize("how", ["nested", "side by side"])
async def test_a_run_that_asks_for_what_it_holds_is_refused_and_waits_for_nothing(
    client: Client, queue: str, key: str, how: str
) -> None:
    async with worker_of(client, queue):
        run = await contradict(client, queue, key, how)
        assert (await failure_of(run)).type == "LockHeldAlready"
        await until_free(client, key)
        await replayed(run)


async def test_a_run_may_hold_a_lock_again_once_it_has_released_it(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        run = await contradict(client, queue, key, "one after the other")
        assert await run.result() == "held thrice"
        await replayed(run)


@pytest.mark.parametrize("bad", ["\n", "a\x00b", "x" * 201])
async def test_what_is_no_key_fails_the_run(client: Client, queue: str, key: str, bad: str) -> None:
    async with worker_of(client, queue):
        failure = await failure_of(await contradict(client, queue, key, bad))
    assert failure.type == "LockKeyInvalid"


async def test_the_longest_key_is_one(client: Client, queue: str) -> None:
    async with worker_of(client, queue):
        run = await contradict(client, queue, "ü" * 200, "one after the other")
        assert await run.result() == "held thrice"


async def test_a_run_learns_that_somebody_took_its_lock_away(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        await client.get_workflow_handle(lock_id(key)).terminate()
        await end(holder)
        assert (await failure_of(holder)).type == "LockLost"
        await replayed(holder)


async def test_a_failure_in_the_block_comes_before_that_of_the_lock(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        await client.get_workflow_handle(lock_id(key)).terminate()
        await end(holder, "failure")
        assert (await failure_of(holder)).message == "told to fail"


async def test_waiting_costs_no_more_events_however_long_it_takes(
    client: Client, queue: str, key: str
) -> None:
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        waiter = await hold(client, queue, key)
        await until_looking(waiter)
        before = await events_of(waiter)
        await until_looking(waiter, looks=3)
        assert await events_of(waiter) == before
        pending = (await waiter.describe()).raw_description.pending_activities[0]
        assert f"'{key}' has been held by {holder.id} since" in pending.last_failure.message
        await end(holder)
        await until_held_by(client, key, waiter)
        await end(waiter)
        await waiter.result()
        taking = [each for each in await events_of(waiter) if not each.startswith("WORKFLOW_TASK")]
        assert len(taking) <= 15, taking


@pytest.fixture(scope="module")
def impatient_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that soon finds a history long."""
    port = free_port()
    binary = str(Path(sys.executable).parent / "temporal")
    command = [binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    command += ["--port", str(port), "--log-level", "never"]
    command += dynamic_config_arguments("limit.historyCount.suggestContinueAsNew=100")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


async def test_a_lock_that_many_waited_for_stays_held_while_its_history_begins_anew(
    impatient_address: str, queue: str, key: str
) -> None:
    client = await connected(impatient_address)
    async with worker_of(client, queue):
        holder = await hold(client, queue, key)
        await until_held_by(client, key, holder)
        lock = client.get_workflow_handle(lock_id(key))
        first = (await lock.describe()).run_id
        waiter = await hold(client, queue, key)
        await until_waiting(client, key, waiter)
        gone = Waiter("nobody", str(uuid.uuid4()), 0.0)
        while (await lock.describe()).run_id == first:
            await lock.signal(LockWorkflow.wait, [gone])
            await lock.signal(LockWorkflow.leave, gone)
            assert await holder_of(client, key) == holder.first_execution_run_id
        assert f"- `{waiter.id}`" in await shown(client, key)
        await end(holder)
        assert await holder.result() == "success"
        await until_held_by(client, key, waiter)
        await end(waiter)
        assert await waiter.result() == "success"
        await replayed(client.get_workflow_handle(lock_id(key), run_id=first))
        await replayed(holder)


JOB = """\
from euryale.sagas.lock import Lock

config = {"name": "careful", "schedule": "0 0 * * *"}


async def handler(container, data) -> None:
    diary = container.resolve("diary")
    async with Lock("diary"):
        await diary.write(data["who"])
        await diary.write(data["who"])
"""


@dataclass
class Paper:
    lines: list[str] = field(default_factory=list)


class Diary:
    def __init__(self, paper: Paper) -> None:
        self._paper = paper

    @mutation
    async def write(self, line: str) -> None:
        self._paper.lines.append(line)


async def test_jobs_that_the_plugin_serves_may_hold_locks(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "jobs_careful").mkdir()
    (tmp_path / "jobs_careful" / "careful.py").write_text(JOB, encoding="utf-8")
    paper = Paper()
    name = f"careful-{uuid.uuid4()}"
    app = Euryale(
        name=name, services={"diary": Diary}, providers=[instance(paper)], jobs=["jobs_careful"]
    )
    plugin = EuryalePlugin(app, root=tmp_path, apply_schedules=False)
    async with make_worker(client, plugin):
        runs = [
            await client.start_workflow(
                "careful", {"who": f"{n}"}, id=f"{name}/careful/{n}", task_queue=app.queue
            )
            for n in range(5)
        ]
        for run in runs:
            await run.result()
            await Replayer(workflows=[], plugins=[plugin], build_id="replay").replay_workflow(
                await run.fetch_history()
            )
    lines = paper.lines
    assert sorted(lines[::2]) == ["0", "1", "2", "3", "4"]
    assert lines[::2] == lines[1::2]
    waited = [
        run for run in runs if "START_CHILD_WORKFLOW_EXECUTION_FAILED" in await events_of(run)
    ]
    assert waited
    for run in waited:
        undo = await plan_undo(
            client, name, ways_of(plugin.registry), run.id, run.first_execution_run_id or ""
        )
        # Neither the lock nor the waiting is something to take back.
        assert {each.step for each in undo.left} == {"diary.write"}
        assert not undo.layers


@pytest.mark.parametrize("app", ["shop", LOCK_WORKFLOW])
def test_a_lock_is_no_run_of_a_job_whatever_the_application_is_called(app: str) -> None:
    assert not belongs(app, LOCK_WORKFLOW, lock_id("products"))
