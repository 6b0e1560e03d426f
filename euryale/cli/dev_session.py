"""What `euryale dev` does and tells between the start of the server and its end."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.text import Text
from temporalio.client import Client

from euryale.cli.child import WorkerKeeper
from euryale.cli.figures import Figures, changed_figures, figures_text, read_figures
from euryale.cli.job_table import job_lines, job_table, with_held
from euryale.cli.progress import StartedRun, follow_runs
from euryale.cli.run import run_link
from euryale.cli.screen import Screen
from euryale.errors import EuryaleError
from euryale.jobs.job import Job
from euryale.logs import render
from euryale.project import Project
from euryale.runs.run import start_run
from euryale.server.server import DevServer
from euryale.server.server_address import is_local


class DevSession:
    """One `euryale dev`: what its parts do, and what is told of them.

    Args:
        screen: Where it is told.
        project: The application, as it was when the command began.
        jobs: The jobs to run at once.
        log_level: The lowest level of the worker's lines that are shown.
    """

    def __init__(
        self, screen: Screen, project: Project, jobs: Sequence[Job], *, log_level: str
    ) -> None:
        self.screen = screen
        self.project = project
        self._jobs = jobs
        self._log_level = log_level
        self._served_before = False

    def tell_server(self, server: DevServer) -> None:
        """Say which server is used, and what is not where it was asked to be."""
        if server.started:
            text = f"Temporal's dev server started at {server.address}, its state is in .euryale"
        else:
            text = f"using the Temporal server that answers at {server.address}; none was started"
        self.screen.event(
            "server",
            text,
            address=server.address,
            web_ui=server.ui_address,
            started=server.started,
            moved_from=server.moved_from,
        )
        for wanted, got in (
            (server.moved_from, server.address),
            (server.ui_moved_from, server.ui_address),
        ):
            if wanted is not None:
                self.screen.note(f"{wanted} is taken by something else, so {got} is used instead")
        if server.moved_from is not None:
            self.screen.note(f"in other terminals, set TEMPORAL_ADDRESS={server.address}")

    def worker_keeper(self, address: str, namespace: str) -> WorkerKeeper:
        """What keeps the worker of this session."""
        arguments = ["--app", self.project.reference, "--address", address]
        arguments += ["--namespace", namespace, "--log-level", self._log_level, "-o", "json"]
        if is_local(address):
            # What lies on this machine is right, also when it is what it was before.
            arguments.append("--rollback")
        else:
            # What others share must not change with each file that is saved here.
            arguments.append("--no-apply")
            self.screen.note(
                f"the schedules are not applied to the server at {address}, which is not on this "
                "machine; `euryale apply` does that"
            )
        keeper = WorkerKeeper(
            arguments,
            on_line=lambda line: self._show_line(line, keeper),
            tell=lambda text: self.screen.event("worker", Text(text, style="yellow"), text=text),
        )
        return keeper

    async def keep_server(self, server: DevServer) -> None:
        """Start the server again whenever it ends by itself."""
        while True:
            code = await server.wait_stopped()
            text = f"Temporal's server ended ({code}); it starts again with the same state"
            self.screen.event("server_ended", Text(text, style="yellow"), code=code)
            await server.restart()
            text = f"Temporal's server answers again at {server.address}"
            self.screen.event("server_restarted", text, address=server.address)

    async def watch(self, keeper: WorkerKeeper) -> None:
        """Replace the worker whenever a source file changes."""
        try:
            from euryale.cli.sources import watch_sources  # noqa: PLC0415 -- an extra package
        except ModuleNotFoundError:
            self.screen.note(
                "changed files are not noticed, since the package watchfiles is missing "
                '(pip install "euryale[dev]")'
            )
            return
        await watch_sources(self.project.root, keeper.replace)

    async def carry_out(
        self, client: Client, server: DevServer, keeper: WorkerKeeper, *, once: bool
    ) -> bool:
        """Show the jobs once the worker serves, and run those that were asked for.

        Returns:
            Whether all runs succeeded; without `once` it never returns.
        """
        if once:
            await _either(keeper.ready, keeper.failed)
            if not keeper.ready.is_set():
                return False
        await keeper.ready.wait()
        await self._tell_jobs(client, server)
        succeeded = await self._run_jobs(client, server) if self._jobs else True
        if not once:
            self.screen.event("serving", Text("serving until Ctrl-C", style="dim"))
            await asyncio.Event().wait()
        return succeeded

    async def _tell_jobs(self, client: Client, server: DevServer) -> None:
        lines = job_lines(self.project.registry, datetime.now(UTC))
        lines = await with_held(lines, client, self.project)
        if self.screen.as_json:
            self.screen.event("jobs", jobs=[line.as_dict() for line in lines])
            return
        self.screen.console.print()
        self.screen.console.print(job_table(lines) if lines else "there are no jobs")
        self.screen.console.print()
        if server.ui_address is not None:
            self.screen.event("web_ui", Text.assemble("Web UI  ", (server.ui_address, "blue")))
            self.screen.console.print()

    async def _run_jobs(self, client: Client, server: DevServer) -> bool:
        before = await self._figures()
        runs = []
        for job in self._jobs:
            handle = await start_run(client, self.project.app, job)
            link = server.ui_address and run_link(server.ui_address, client.namespace, handle)
            self.screen.event(
                "run_started",
                Text.assemble("running ", (job.name, "bold"), (f"  {link or handle.id}", "dim")),
                name=job.name,
                workflow_id=handle.id,
                run_id=handle.first_execution_run_id,
                web_ui=link,
            )
            runs.append(StartedRun(job.name, handle))
        ended = await follow_runs(self.screen, client, runs)
        for one in ended:
            self.screen.event("run_ended", one.report(), **one.as_dict())
        after = await self._figures()
        if before is not None and after is not None and self.project.app.figures is not None:
            changed = changed_figures(before, after)
            text = Text("what changed\n").append(figures_text(changed))
            self.screen.event("figures", text, changed=changed)
        return all(one.outcome.succeeded for one in ended)

    async def _figures(self) -> Figures | None:
        try:
            return await read_figures(self.project.app)
        except Exception as error:  # noqa: BLE001 -- the figures are the application's own code
            self.screen.note(f"the figures can't be read: {type(error).__name__}: {error}")
            return None

    def _show_line(self, line: str, keeper: WorkerKeeper) -> None:
        event = _parse(line)
        action = event.get("action")
        if action == "worker_ready":
            keeper.ready.set()
        if self.screen.as_json:
            self.screen.event("output", line=line) if not event else self.screen.log_line(line)
        elif not event:
            self.screen.log_line(line)
        elif action == "worker_ready":
            # The first time the table of the jobs tells it.
            if self._served_before:
                jobs = ", ".join(event.get("jobs", ())) or "no job"
                self.screen.event("worker", Text(f"the worker serves again: {jobs}", style="green"))
            self._served_before = True
        elif action == "job_left_out":
            self.screen.event("job_left_out", _refusal("left out", event))
        elif action == "schedule_failed":
            self.screen.event("schedule_failed", _refusal("error", event))
        elif "error" in event:
            self.screen.event("worker_error", _refusal("error", event["error"]))
        elif not (action == "schedule_applied" and event.get("outcome") == "unchanged"):
            self.screen.log_line(render(event, colors=self.screen.console.is_terminal))


def _parse(line: str) -> dict[str, Any]:
    """A line of the worker's own; empty if it is something else, such as what a handler printed."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) and event.keys() & {"event", "error"} else {}


def _refusal(label: str, error: Mapping[str, str]) -> Text:
    """What the worker says of an `EuryaleError`, as the commands print one."""
    told = EuryaleError(error["what"], where=error["where"], mend=error["mend"])
    sentence = str(told).replace(told.code, error["code"])
    return Text.assemble((f"{label}: ", "bold red"), sentence)


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
