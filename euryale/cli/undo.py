"""`euryale undo`: takes a finished run back, or shows what that would do."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from euryale.cli.cancel import RunArgument
from euryale.cli.options import (
    AddressOption,
    AppOption,
    NamespaceOption,
    OperatorOption,
    OutputOption,
)
from euryale.cli.screen import FAILED, Screen, reporting

if TYPE_CHECKING:
    from temporalio.client import Client, WorkflowHandle

    from euryale.project import Project
    from euryale.runs.runs import Run
    from euryale.sagas.undo_report import UndoReport
    from euryale.undo.undo import PlannedUndo, WholePlan


def undo(
    run: RunArgument,
    *,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            envvar="EURYALE_DRY_RUN",
            help="Only show what would be taken back, and in which order.",
        ),
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            envvar="EURYALE_ONLY",
            metavar="STEP",
            help="Take back only steps or calls of this name or id; repeatable.",
        ),
    ] = None,
    note: Annotated[
        str, typer.Option("--note", envvar="EURYALE_NOTE", help="Why, for the record.")
    ] = "",
    operator: OperatorOption = None,
    app: AppOption = None,
    address: AddressOption = None,
    namespace: NamespaceOption = None,
    output: OutputOption = "text",
) -> None:
    """Take a finished run back: its compensations run in reverse, by a worker, once."""
    with reporting(output) as screen:
        from euryale.project import load_project  # noqa: PLC0415 -- slow to import
        from euryale.runs.operators import operator_name  # noqa: PLC0415

        command = _Undo(screen, load_project(app), only or (), dry_run=dry_run)
        command.operator, command.note = operator or operator_name(), note.strip()
        try:
            done = asyncio.run(command.carry_out(run, address=address, namespace=namespace))
        except KeyboardInterrupt:
            if command.started:
                screen.note(f"a worker goes on with it: {command.started}")
            raise
        if not done:
            raise typer.Exit(FAILED)


class _Undo:
    def __init__(
        self, screen: Screen, project: "Project", only: Sequence[str], *, dry_run: bool
    ) -> None:
        self.screen, self.project = screen, project
        self.only, self.dry_run = only, dry_run
        self.operator = self.note = self.started = ""

    async def carry_out(self, text: str, *, address: str | None, namespace: str | None) -> bool:
        from euryale.errors import UndoRefused  # noqa: PLC0415 -- slow to import
        from euryale.runs.runs import find_run  # noqa: PLC0415
        from euryale.server.connection import connect  # noqa: PLC0415
        from euryale.undo.undo import plan_whole, refuse_if_incomplete  # noqa: PLC0415
        from euryale.undo.ways import ways_of  # noqa: PLC0415

        app = self.project.app.name
        client = await connect(address=address, namespace=namespace)
        run = await find_run(client, app, text)
        if run.status == "running":
            raise UndoRefused(
                "the run is still running",
                where=run.workflow_id,
                mend="`euryale cancel` ends it first",
            )
        plan = await plan_whole(client, app, ways_of(self.project.registry), run, self.only)
        if plan.attempts.under_way:
            return await self._join(client, run, plan)
        fields = self._fields(run, plan)
        if self.dry_run:
            self.screen.result(fields, *_plan_lines(plan, run, app))
            return True
        refuse_if_incomplete(plan, run, self.only)
        if not plan.calls:
            told = (
                f"{_name(run, app)} is taken back already; nothing was done"
                if plan.attempts.count
                else f"{_name(run, app)} did nothing that could be taken back"
            )
            self.screen.result(fields | {"report": None}, told)
            return True
        return await self._take_back(client, run, plan)

    async def _take_back(self, client: "Client", run: "Run", plan: "WholePlan") -> bool:
        from temporalio.exceptions import WorkflowAlreadyStartedError  # noqa: PLC0415

        from euryale.cli.run import is_served  # noqa: PLC0415 -- slow to import
        from euryale.undo.undo import start_undo  # noqa: PLC0415

        app = self.project.app
        if not self.screen.as_json:
            for line in _plan_lines(plan, run, app.name):
                self.screen.console.print(line, soft_wrap=True)
        try:
            handle = await start_undo(
                client,
                app.name,
                app.queue,
                run,
                attempt=plan.attempts.count + 1,
                only=self.only,
                operator=self.operator,
                note=self.note,
            )
        except WorkflowAlreadyStartedError:
            return await self._join(client, run, plan, attempt=plan.attempts.count + 1)
        if not await is_served(client, app.queue):
            self.screen.note(
                f"no worker has asked for work on task queue '{app.queue}' in the last minute; "
                "it begins when one does (`euryale worker` or `euryale dev`)"
            )
        return await self._wait(run, plan, handle)

    async def _join(
        self, client: "Client", run: "Run", plan: "WholePlan", *, attempt: int | None = None
    ) -> bool:
        from euryale.sagas.run_undo import undo_workflow_id  # noqa: PLC0415
        from euryale.sagas.undo_report import UndoReport  # noqa: PLC0415

        number = attempt or plan.attempts.count
        undo_id = undo_workflow_id(self.project.app.name, run.run_id, number)
        self.screen.note(f"it is being taken back already: {undo_id}")
        if self.dry_run:
            return True
        handle = client.get_workflow_handle(undo_id, result_type=UndoReport)
        return await self._wait(run, plan, handle)

    async def _wait(
        self,
        run: "Run",
        plan: "WholePlan",
        handle: "WorkflowHandle[Any, UndoReport]",
    ) -> bool:
        self.started = handle.id
        report = await handle.result()
        told = Text(f"{report}", style="green" if not report.left else "red")
        fields = self._fields(run, plan)
        fields |= {"undo_workflow_id": handle.id, "report": report.model_dump(mode="json")}
        self.screen.result(fields, told)
        return not report.left

    def _fields(self, run: "Run", plan: "WholePlan") -> dict[str, Any]:
        return {
            "name": run.job,
            "workflow_id": run.workflow_id,
            "run_id": run.run_id,
            "planned": [_as_dict(each) for each in plan.planned],
            "left": [each.model_dump(mode="json") for each in plan.left],
            "attempts": plan.attempts.count,
        }


def _as_dict(planned: "PlannedUndo") -> dict[str, Any]:
    item = planned.item
    return {
        "kind": item.kind,
        "step": item.step,
        "id": item.id,
        "compensation": item.compensation or None,
        "depth": planned.depth,
        "layer": planned.layer,
    }


def _plan_lines(plan: "WholePlan", run: "Run", app: str) -> Iterator[Text]:
    """What would be taken back, the last first; equal neighbours in one line."""
    if plan.calls:
        what = "1 call" if plan.calls == 1 else f"{plan.calls:,} calls"
        yield Text(f"takes back {what} of {_name(run, app)}, the last first:")
    else:
        yield Text(f"nothing of {_name(run, app)} would be taken back")
    for (depth, step, way), group in groupby(plan.planned, key=_alike):
        count = sum(1 for _ in group)
        times = f" \N{MULTIPLICATION SIGN} {count:,}" if count > 1 else ""
        yield Text.assemble("  " * (depth + 1), (step, "cyan"), times, f"  {way}" if way else "")
    for left in plan.left:
        why = f": {left.reason}" if left.reason else ""
        yield Text.assemble(
            ("  can't be taken back: ", "red"), left.step, f" ({left.outcome}{why})"
        )


def _alike(planned: "PlannedUndo") -> tuple[int, str, str]:
    item = planned.item
    if item.kind == "run":
        return planned.depth, item.step, item.id
    return planned.depth, item.step, f"by {item.compensation}"


def _name(run: "Run", app: str) -> str:
    return run.workflow_id.removeprefix(f"{app}/")
