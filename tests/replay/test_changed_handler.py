"""A release that changes a handler under a run: the run waits, and goes on once it is mended."""

import asyncio
import dataclasses
import socket
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import WorkflowTaskFailedEventAttributes
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from euryale import Euryale, EuryalePlugin, instance, mutation
from euryale.server.server import DevServer
from euryale.worker import make_worker

HOST = "127.0.0.1"

JOB = """\
from euryale import Container, Retry

config = {
    "name": "pack",
    "schedule": "0 0 * * *",
    "retry": Retry(maximum_attempts=0, initial_interval=0.05, backoff_coefficient=1),
}


async def handler(container: Container) -> str:
    packing = container.resolve("packing")
    first = await packing.open("a box")
    second = await packing.fill()
    return first + second
"""

FIRST = '    first = await packing.open("a box")\n'
SECOND = "    second = await packing.fill()\n"

CAUGHT = """\
    try:
        second = await packing.fill()
    except BaseException:
        raise ValueError("swallowed") from None
"""


@dataclasses.dataclass
class Goods:
    """What the second call waits for, and whether it has begun to."""

    asked_for: bool = False
    there: bool = False


class Packing:
    def __init__(self, goods: Goods) -> None:
        self._goods = goods

    @mutation
    async def open(self, what: str) -> str:
        return f"opened {what}, "

    # A task that is handed to a worker which is just stopping is lost for this time.
    @mutation(timeout=timedelta(seconds=1))
    async def fill(self) -> str:
        self._goods.asked_for = True
        if not self._goods.there:
            raise OSError("the goods are not there yet")
        return "filled it"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    with socket.socket() as first, socket.socket() as second:
        first.bind((HOST, 0))
        second.bind((HOST, 0))
        port, ui_port = first.getsockname()[1], second.getsockname()[1]
    async with DevServer.start(
        f"{HOST}:{port}",
        ui_port=ui_port,
        state_dir=tmp_path_factory.mktemp("temporal"),
        namespace="default",
    ) as server:
        yield server.address


@pytest.fixture
async def client(address: str) -> Client:
    return await Client.connect(address, data_converter=pydantic_data_converter)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that job files can be imported from, and are forgotten with."""
    monkeypatch.syspath_prepend(tmp_path)
    loaded = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - loaded:
        if name.startswith("jobs_"):
            del sys.modules[name]


def release(folder: Path, name: str, source: str, goods: Goods) -> EuryalePlugin:
    jobs = folder / f"jobs_{name}"
    jobs.mkdir()
    (jobs / "pack.py").write_text(source, encoding="utf-8")
    app = Euryale(
        name="packing",
        services={"packing": Packing},
        providers=[instance(goods)],
        jobs=[jobs.name],
    )
    plugin = EuryalePlugin(app, root=folder, apply_schedules=False)
    assert plugin.registry.errors == ()
    return plugin


async def failed_task(run: WorkflowHandle[object, object]) -> WorkflowTaskFailedEventAttributes:
    """The first workflow task of the run that fails."""
    async for event in run.fetch_history_events(wait_new_event=True):
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
            return event.workflow_task_failed_event_attributes
    pytest.fail("the run ended without a failed workflow task")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(
            f"{FIRST}{SECOND}",
            f"{CAUGHT}{FIRST}",
            id="two calls swapped, and every exception caught",
        ),
        pytest.param(FIRST, f"{FIRST}    await packing.open(first)\n", id="one more call"),
        pytest.param(FIRST, f'{FIRST}    raise ValueError("no")\n', id="an exception"),
        pytest.param(FIRST, f"{FIRST}    return first\n", id="an early return"),
    ],
)
async def test_a_run_under_a_changed_handler_waits_and_ends_well_once_the_old_one_is_back(
    client: Client, folder: Path, old: str, new: str
) -> None:
    assert JOB.count(old) == 1
    goods = Goods()
    before = release(folder, "before", JOB, goods)
    changed = release(folder, "changed", JOB.replace(old, new), goods)

    async with make_worker(client, before):
        run = await client.start_workflow(
            "pack",
            {},
            id=f"packing/{uuid.uuid4()}",
            task_queue=before.app.queue,
            # A worker reports only the first failure of a task; those after it must time out.
            task_timeout=timedelta(seconds=1),
        )
        while not goods.asked_for:
            await asyncio.sleep(0.01)

    async with make_worker(client, changed):
        goods.there = True
        failed = await failed_task(run)
        assert (await run.describe()).status == WorkflowExecutionStatus.RUNNING
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    assert failed.cause == cause
    assert "Nondeterminism" in failed.failure.message

    async with make_worker(client, before):
        assert await run.result() == "opened a box, filled it"
