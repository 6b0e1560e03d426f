"""The watchdog on a real Temporal server, with a real web server and a real mail server."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sample_runs import free_port
from structlog.testing import capture_logs
from temporalio.client import (
    Client,
    ScheduleActionExecutionStartWorkflow,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from euryale import Euryale, EuryalePlugin
from euryale.errors import ReleaseSuperseded
from euryale.runs.runs import runs_of
from euryale.schedules.apply import Wish, apply
from euryale.schedules.release import Release
from euryale.watchdog.hooks import Hook, HookFailed, LogHook, MailHook, WebhookHook
from euryale.watchdog.watch import Finding
from euryale.watchdog.watchdog import WATCHDOG, WATCHDOG_WORKFLOW, Watchdog, WatchdogSchedule
from euryale.worker import make_worker, serve

JOB = """
from pathlib import Path

from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", {config})


async def handler(container, data):
    if data.get("fail"):
        raise RuntimeError("the lamp is broken")
"""

SELDOM = timedelta(days=1)
"""So that a test's own looks are the only ones."""


class Lamp:
    """A service, since an application has at least one."""


@dataclass
class Memo:
    """A hook that keeps what it is told, or fails as it is bidden."""

    name: str = "memo"
    together: bool = False
    told: list[Finding] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    tries: int = 0

    async def tell(self, findings: Sequence[Finding]) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        self.told += findings

    def kinds(self, job: str) -> list[str]:
        return [
            f"recovered from {each.recovered_from}" if each.recovered_from else each.kind
            for each in self.told
            if each.job == job
        ]


@dataclass
class Watched:
    """An application that is served and watched."""

    client: Client
    name: str

    async def look(self) -> None:
        """Let the watchdog look once, now, and wait until it has."""
        handle = self.client.get_schedule_handle(f"{self.name}/{WATCHDOG}")
        before = await self._looks()
        await handle.trigger()
        await until(lambda: self._more_looks_than(before))
        action = (await handle.describe()).info.recent_actions[-1].action
        assert isinstance(action, ScheduleActionExecutionStartWorkflow)
        await self.client.get_workflow_handle(action.workflow_id).result()

    async def _looks(self) -> int:
        handle = self.client.get_schedule_handle(f"{self.name}/{WATCHDOG}")
        return (await handle.describe()).info.num_actions

    async def _more_looks_than(self, before: int) -> bool:
        return await self._looks() > before

    async def run(self, job: str, *, fail: bool) -> None:
        """Run a job by hand, and wait until Temporal's visibility knows how it ended."""
        known = len(await self._ended(job))
        handle = await self.client.start_workflow(
            job,
            {"fail": fail},
            id=f"{self.name}/{job}/{uuid.uuid4().hex[:8]}",
            task_queue=self.name,
        )
        if fail:
            with pytest.raises(WorkflowFailureError):
                await handle.result()
        else:
            await handle.result()
        await until(lambda: self._more_ended_than(job, known))

    async def _ended(self, job: str) -> Sequence[object]:
        return await runs_of(self.client, self.name, job, statuses=["completed", "failed"])

    async def _more_ended_than(self, job: str, known: int) -> bool:
        return len(await self._ended(job)) > known


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    async with asyncio.timeout(40):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.05)


def write_job(root: Path, app: str, name: str, config: str = "schedule='30 4 * * *'") -> None:
    (root / app).mkdir(exist_ok=True)
    (root / app / f"{name}.py").write_text(JOB.format(name=name, config=config))


def application(name: str, watchdog: Watchdog | None) -> Euryale:
    return Euryale(name=name, services={"lamp": Lamp}, jobs=[name], watchdog=watchdog)


@asynccontextmanager
async def served(
    client: Client, root: Path, name: str, hooks: Sequence[Hook], **more: Any
) -> AsyncIterator[Watched]:
    watchdog = Watchdog(hooks=hooks, **{"every": SELDOM, **more})
    plugin = EuryalePlugin(application(name, watchdog), root=root)
    assert plugin.registry.errors == ()
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(make_worker(client, plugin), stop))
    handle = client.get_schedule_handle(f"{name}/{WATCHDOG}")

    async def applied() -> bool:
        if serving.done():
            serving.result()
        try:
            await handle.describe()
        except RPCError:
            return False
        return True

    try:
        await until(applied)
        yield Watched(client, name)
    finally:
        stop.set()
        await serving


@pytest.fixture
def app_name() -> str:
    """An application of its own for each test, so that none meets another's schedules."""
    return f"watched_{free_port()}"


# --- A web server and a mail server -----------------------------------------------------------


@dataclass
class Web:
    """What a web server got, and what it answers."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    status: int = 200
    on_request: Callable[[], None] = lambda: None

    def posted(self) -> list[tuple[dict[str, str], Any]]:
        return [(headers, body) for method, _, headers, body in self.requests if method == "POST"]

    def pings(self) -> int:
        return sum(method == "GET" for method, *_ in self.requests)


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            web.requests.append((self.command, self.path, dict(self.headers), body))
            web.on_request()
            self.send_response(web.status)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 -- the base class's own name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its own name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield web
    server.shutdown()
    thread.join(10)
    server.server_close()


class Mailbox:
    """What a mail server got."""

    def __init__(self) -> None:
        self.mails: list[str] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's own name
        self.mails.append(envelope.content.decode())
        return "250 OK"


@pytest.fixture
def mail_server() -> Iterator[tuple[int, Mailbox]]:
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller.port, mailbox
    controller.stop()


# --- The tests --------------------------------------------------------------------------------


async def test_failures_are_told_once_to_each_hook_and_so_is_their_end(
    client: Client,
    tmp_path: Path,
    app_name: str,
    web: Web,
    mail_server: tuple[int, Mailbox],
) -> None:
    port, mailbox = mail_server
    write_job(tmp_path, app_name, "nightly")
    hooks: list[Hook] = [
        LogHook(),
        WebhookHook(f"{web.url}/hook?token=s3cret", headers={"Authorization": "Bearer s3cret"}),
        MailHook("127.0.0.1", port, "ops@example.com", ["ada@example.com"], encryption="none"),
    ]
    with capture_logs() as logs:
        async with served(client, tmp_path, app_name, hooks, ping=f"{web.url}/ping") as watched:
            await watched.run("nightly", fail=True)
            await watched.run("nightly", fail=True)
            await watched.look()
            assert web.posted() == []
            await watched.run("nightly", fail=True)
            await watched.look()
            await watched.look()
            assert len(web.posted()) == 1
            await watched.run("nightly", fail=False)
            await watched.look()
            await watched.look()
            looks = [
                each async for each in client.list_workflows(f"WorkflowType='{WATCHDOG_WORKFLOW}'")
            ]
            histories = [
                await client.get_workflow_handle(each.id).fetch_history()
                for each in looks
                if each.id.startswith(f"{WATCHDOG_WORKFLOW}/{app_name}-")
            ]

    (failing_headers, failing), (recovered_headers, recovered) = web.posted()
    assert (failing["app"], failing["job"], failing["kind"]) == (app_name, "nightly", "failing")
    assert failing["message"].startswith("its last 3 runs failed")
    assert (recovered["kind"], recovered["recovered_from"]) == ("recovered", "failing")
    assert failing_headers["Authorization"] == "Bearer s3cret"
    assert failing_headers["Idempotency-Key"] == failing["key"]
    assert recovered_headers["Idempotency-Key"] != failing["key"]
    assert web.pings() == 5

    first, second = mailbox.mails
    assert f"Subject: [{app_name}] nightly: failing" in first
    assert f"Subject: [{app_name}] nightly: recovered from failing" in second

    lines = [line for line in logs if str(line.get("action", "")).startswith("watchdog_")]
    assert [(line["action"], line["log_level"]) for line in lines] == [
        ("watchdog_failing", "warning"),
        ("watchdog_recovered", "info"),
    ]
    assert histories
    assert not any("s3cret" in history.to_json() for history in histories)
    assert "s3cret" not in str(logs)
    assert "s3cret" not in repr(hooks)


async def test_a_hook_that_fails_keeps_nothing_from_the_others_and_is_told_later(
    client: Client, tmp_path: Path, app_name: str, web: Web
) -> None:
    write_job(tmp_path, app_name, "nightly")
    good = Memo("good")
    away = Memo("away", failures=[OSError("no route for token=s3cret")] * 3)
    refusing = Memo("refusing", failures=[HookFailed("the server answered 404", for_good=True)])
    hooks = [away, refusing, good]
    with capture_logs() as logs:
        async with served(
            client, tmp_path, app_name, hooks, failures=1, ping=f"{web.url}/ping"
        ) as watched:
            await watched.run("nightly", fail=True)
            await watched.look()
            assert good.kinds("nightly") == ["failing"]
            assert (away.told, refusing.told) == ([], [])
            # Whoever watches the watchdog hears nothing, since two hooks told nobody.
            assert web.pings() == 0
            await watched.run("nightly", fail=False)
            await watched.look()
            assert web.pings() == 1
    assert away.kinds("nightly") == ["failing", "recovered from failing"]
    assert good.kinds("nightly") == ["failing", "recovered from failing"]
    assert refusing.kinds("nightly") == ["recovered from failing"]
    assert refusing.tries == 2
    failed = {line["hook"]: line for line in logs if line.get("action") == "watchdog_hook_failed"}
    assert failed["away"]["error"] == "the hook failed: OSError"
    assert failed["refusing"]["error"] == "the server answered 404"


@pytest.mark.parametrize("status", [301, 404, 503])
async def test_what_a_web_server_refuses_is_told_without_its_url(web: Web, status: int) -> None:
    web.status = status
    hook = WebhookHook(f"{web.url}/s3cret")
    with pytest.raises(HookFailed) as caught:
        await hook.tell([finding()])
    assert str(caught.value) == f"the server answered {status}"
    assert caught.value.for_good is (status < 500)


async def test_what_cannot_be_reached_is_told_without_its_url() -> None:
    port = free_port()
    with pytest.raises(HookFailed) as caught:
        await WebhookHook(f"http://127.0.0.1:{port}/s3cret").tell([finding()])
    assert str(caught.value) == "the server was not reached: ConnectError"
    assert not caught.value.for_good
    hook = MailHook("127.0.0.1", port, "a@example.com", ["b@example.com"], password="s3cret")  # noqa: S106
    with pytest.raises(HookFailed, match="the mail was not sent: SMTPConnectError"):
        await hook.tell([finding()])


async def test_the_requests_of_a_hook_are_not_logged_and_those_of_others_are(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    import httpx  # noqa: PLC0415

    caplog.set_level("DEBUG")
    await WebhookHook(f"{web.url}/s3cret").tell([finding()])
    assert "s3cret" not in caplog.text
    async with httpx.AsyncClient() as other:
        await other.get(f"{web.url}/other")
    assert "/other" in caplog.text


def finding() -> Finding:
    noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
    return Finding("shop", "nightly", "missing", "no run started", noon, noon, "x")


@pytest.fixture
async def virtual() -> AsyncIterator[WorkflowEnvironment]:
    """A real server whose time can be moved forward."""
    async with await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(sys.executable).parent / "temporal"),
        dev_server_log_level="never",
        dev_server_extra_args=[
            "--dynamic-config-value",
            "frontend.WorkflowTimeSkippingEnabled=true",
        ],
        data_converter=pydantic_data_converter,
    ) as environment:
        yield environment


async def test_days_without_a_run_are_told_once_and_their_end_once(
    virtual: WorkflowEnvironment, tmp_path: Path, app_name: str
) -> None:
    # Looks come every 12 hours. What is due in the first hours of a day that passes is so before
    # that day's last look, whatever the time of day it is now.
    two, three, six = ((datetime.now(UTC).hour + hours) % 24 for hours in (2, 3, 6))
    write_job(tmp_path, app_name, "scheduled", f"schedule='0 {two} * * *'")
    write_job(
        tmp_path,
        app_name,
        "expected",
        f"schedule='0 {three} * * *', expect='every day by {six:02}:30'",
    )
    write_job(
        tmp_path,
        app_name,
        "failing",
        f"schedule='0 {two} * * *', timeout=60, data={{'fail': True}}",
    )
    write_job(tmp_path, app_name, "paused", f"schedule='0 {two} * * *', paused=True")
    hook = Memo()
    async with served(
        virtual.client, tmp_path, app_name, [hook], every=timedelta(hours=12)
    ) as watched:

        async def forward(**days: int) -> None:
            """Let so many days pass for each of the jobs."""
            schedulers = {
                virtual.client.get_workflow_handle(
                    f"temporal-sys-scheduler:{watched.name}/{job}"
                ): passing
                for job, passing in days.items()
            }
            await asyncio.gather(
                *(
                    virtual.fast_forward(scheduler, timedelta(days=passing))
                    for scheduler, passing in schedulers.items()
                )
            )

        async def looked() -> bool:
            handle = virtual.client.get_schedule_handle(f"{watched.name}/{WATCHDOG}")
            return not (await handle.describe()).info.running_actions

        await forward(scheduled=1, expected=1, failing=1)
        await forward(**{WATCHDOG: 1})
        await until(looked)
        assert hook.told == []

        # The clock of the one that failed goes on, that of the other two stands still: no firings.
        await forward(failing=2)
        await forward(**{WATCHDOG: 2})
        await until(looked)
        assert hook.kinds("scheduled") == ["missing"]
        assert hook.kinds("expected") == ["missing"]
        assert hook.kinds("failing") == ["failing"]
        assert hook.kinds("paused") == []

        await forward(scheduled=3, expected=3, failing=1)
        await forward(**{WATCHDOG: 1})
        await until(looked)
        assert hook.kinds("scheduled") == ["missing", "recovered from missing"]
        assert hook.kinds("expected") == ["missing", "recovered from missing"]
        assert hook.kinds("failing") == ["failing"]
        assert hook.kinds("paused") == []


async def test_the_watchdogs_schedule_is_made_kept_and_removed(
    client: Client, app_name: str
) -> None:
    async def applied(watchdog: Watchdog | None, release: str) -> list[str]:
        desired = [WatchdogSchedule(app_name, watchdog, app_name)] if watchdog else []
        wish = Wish(app_name, desired, Release(release), prune=True)
        return [one.outcome for one in (await apply(client, wish)).applied]

    handle = client.get_schedule_handle(f"{app_name}/{WATCHDOG}")
    assert await applied(Watchdog(), "a") == ["created"]
    assert await applied(Watchdog(failures=5), "a") == ["unchanged"]
    await handle.pause(note="inventory")
    assert await applied(Watchdog(every=SELDOM), "b") == ["updated"]
    held = (await handle.describe()).schedule
    assert held.spec.intervals[0].every == SELDOM
    assert (held.state.paused, held.state.note) == (True, "inventory")
    with pytest.raises(ReleaseSuperseded):
        await applied(None, "a")
    assert await applied(None, "c") == ["removed"]
    assert await applied(None, "c") == []
    with pytest.raises(RPCError, match="not found"):
        await handle.describe()


WORKER = """
import asyncio
from datetime import timedelta
from pathlib import Path

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from euryale import Euryale, EuryalePlugin, Watchdog, WebhookHook
from euryale.worker import make_worker


class Lamp:
    pass


app = Euryale(
    name="{name}",
    services={{"lamp": Lamp}},
    jobs=["{name}"],
    watchdog=Watchdog(hooks=[WebhookHook("{url}")], every=timedelta(days=1), failures=1),
)


async def main():
    client = await Client.connect("{address}", data_converter=pydantic_data_converter)
    await make_worker(client, EuryalePlugin(app, root=Path.cwd())).run()


asyncio.run(main())
"""


async def test_a_worker_that_is_killed_while_it_tells_makes_another_tell_it_under_the_same_key(
    client: Client, temporal_address: str, tmp_path: Path, app_name: str, web: Web
) -> None:
    write_job(tmp_path, app_name, "nightly")
    script = tmp_path / "lamp_worker.py"
    script.write_text(WORKER.format(name=app_name, url=web.url, address=temporal_address))
    workers: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        command = [sys.executable, str(script)]
        workers.append(subprocess.Popen(command, cwd=tmp_path))

    def kill() -> None:
        """End the first worker before it gets an answer, and put another in its place."""
        if len(workers) == 1:
            os.kill(workers[0].pid, signal.SIGKILL)
            workers[0].wait(10)
            start()

    web.on_request = kill
    watched = Watched(client, app_name)

    async def applied() -> bool:
        try:
            await client.get_schedule_handle(f"{app_name}/{WATCHDOG}").describe()
        except RPCError:
            return False
        return True

    try:
        start()
        await until(applied)
        await watched.run("nightly", fail=True)
        await watched.look()
        await watched.look()
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(20)
    (first, _), (second, _) = web.posted()
    assert first["Idempotency-Key"] == second["Idempotency-Key"]
    looks = [each async for each in client.list_workflows(f"WorkflowType='{WATCHDOG_WORKFLOW}'")]
    mine = [each for each in looks if each.id.startswith(f"{WATCHDOG_WORKFLOW}/{app_name}-")]
    assert {each.status for each in mine} == {WorkflowExecutionStatus.COMPLETED}
