"""The newsletter's worker, killed between a mail and the note that it was sent."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from shop_support.mail_server import MailServer, mail_server
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle

from euryale.runs.run import start_run
from euryale.server.connection import connect
from tests.chaos.shop_file import ShopFile
from tests.chaos.worker_process import ROOT, WorkerProcess
from worker.app import app
from worker.seed import NEWSLETTER_CUSTOMERS, seed
from worker.services import NotificationService, NotificationStatus
from worker.services.newsletter import UNKNOWN
from worker.store import Store

JOB = "send-weekly-newsletter"
WEEK = "2026-W47"

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

StartWorker = Callable[[], WorkerProcess]


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


@pytest.fixture
async def namespaced(temporal_address: str) -> Client:
    """A client of a namespace that no other worker of the shop asks for work in."""
    namespace = f"newsletter-{uuid.uuid4()}"
    client = await connect(address=temporal_address)
    request = RegisterNamespaceRequest(namespace=namespace)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    await client.workflow_service.register_namespace(request)
    return await connect(address=temporal_address, namespace=namespace, wait=timedelta(seconds=30))


@pytest.fixture
async def start_worker(
    temporal_address: str,
    namespaced: Client,
    server: MailServer,
    database_url: str,
    tmp_path: Path,
) -> AsyncIterator[StartWorker]:
    async with AsyncExitStack() as stack:

        def start() -> WorkerProcess:
            worker = WorkerProcess(
                tmp_path / f"worker-{uuid.uuid4()}.log",
                {
                    "DATABASE_URL": database_url,
                    "TEMPORAL_ADDRESS": temporal_address,
                    "TEMPORAL_NAMESPACE": namespaced.namespace,
                    "SMTP_URL": f"smtp+plain://127.0.0.1:{server.port}",
                    "MAIL_FROM": "The shop <news@shop.example>",
                    "MAILS_PER_SECOND": "1000",
                },
            )
            stack.callback(worker.kill)
            return worker

        yield start


async def start_job(client: Client) -> WorkflowHandle[Any, Any]:
    return await start_run(client, app, app.load(ROOT).job(JOB), {"week": WEEK})


async def test_nobody_gets_it_twice_though_workers_die_while_the_server_thinks_about_a_mail(
    store: Store, namespaced: Client, server: MailServer, start_worker: StartWorker
) -> None:
    await seed(store)
    server.hold(40)
    server.hold(250)
    worker = start_worker()
    run = await start_job(namespaced)
    for mails in (40, 250):
        await server.until(mails)
        worker.kill()
        worker = start_worker()
    result = await run.result()

    # The server has taken the mails that it was thinking about, and the shop never heard of it.
    assert result == {
        "sent": NEWSLETTER_CUSTOMERS - 2,
        "failed": 2,
        "earlier": 0,
        "withdrawn": 0,
    }
    assert len(server.receivers) == NEWSLETTER_CUSTOMERS
    assert set(server.receivers.values()) == {1}
    failures = await NotificationService(store).list(status=NotificationStatus.FAILURE)
    assert {one.to for one in failures} == {server.mails[39]["To"], server.mails[249]["To"]}
    assert all(one.data and one.data["reason"].startswith(UNKNOWN) for one in failures)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_mail_that_was_taken_but_not_yet_noted_is_not_repeated(
    store: Store,
    database_url: str,
    namespaced: Client,
    server: MailServer,
    start_worker: StartWorker,
) -> None:
    await seed(store)
    file = ShopFile(Path(database_url.removeprefix("sqlite:///")))
    worker = start_worker()
    hold = server.hold(30)
    run = await start_job(namespaced)
    await server.until(30)
    # The server's 250 reaches the worker, and nothing can be noted: then the worker dies.
    with file.locked():
        hold.set()
        await server.until_answered(30)
        worker.kill()
    file.close()
    start_worker()
    assert (await run.result())["sent"] == NEWSLETTER_CUSTOMERS - 1
    assert set(server.receivers.values()) == {1}
    (failure,) = await NotificationService(store).list(status=NotificationStatus.FAILURE)
    assert failure.to == server.mails[29]["To"]
