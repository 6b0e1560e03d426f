"""What Medusa's workflow SDK has words for, and Python and Temporal have already."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from euryale import Euryale, EuryalePlugin, Retry, Saga, StepResponse, Unfinished, instance, step

ONCE = Retry(maximum_attempts=1)


@dataclass
class Notebook:
    """What steps write down, in its order."""

    lines: list[str]


class Announcer:
    """What a workflow leaves to the application: a hook."""

    async def created(self, what: str) -> str:
        return f"{what} was created"


class LoudAnnouncer(Announcer):
    """An application's own."""

    async def created(self, what: str) -> str:
        return f"{what.upper()} WAS CREATED"


@dataclass(frozen=True)
class Line:
    """A line of a file, and where the process that writes it dies."""

    file: str
    text: str
    dies: bool = False


def unfinished_note(cut: Unfinished[str]) -> str:
    return f"perhaps {cut.input}"


class Notes:
    def __init__(self, notebook: Notebook, announcer: Announcer) -> None:
        self._lines = notebook.lines
        self._announcer = announcer

    @activity.defn(name="note.strike")
    async def strike(self, text: str) -> None:
        self._lines.append(f"-{text}")

    @step("note.add", compensation=strike, retry=ONCE)
    async def add(self, text: str) -> StepResponse[str, str]:
        self._lines.append(f"+{text}")
        return StepResponse(output=text, undo=text)

    @step("note.add-slowly", compensation=strike, retry=ONCE)
    async def add_slowly(self, text: str) -> StepResponse[str, str]:
        await asyncio.sleep(1)
        return await self.add(text)

    @step("note.add-late", compensation=strike, unfinished=unfinished_note, retry=ONCE)
    async def add_late(self, text: str) -> StepResponse[str, str]:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self._lines.append("stopped")
            raise
        raise AssertionError

    @step("note.refuse", compensation=None, retry=ONCE)
    async def refuse(self, text: str) -> StepResponse[str, None]:
        raise ValueError(f"{text} is refused")

    @step("note.announce", compensation=None)
    async def announce(self, what: str) -> StepResponse[str, None]:
        return StepResponse(await self._announcer.created(what), None)


class Files:
    """Lines in a file, written by workers that are killed."""

    @activity.defn(name="file.strike")
    async def strike(self, line: Line) -> None:
        self._write(line, "-")

    @step("file.write", compensation=strike, timeout=timedelta(seconds=2))
    async def write(self, line: Line) -> StepResponse[str, Line]:
        self._write(line, "+")
        return StepResponse(output=line.text, undo=line)

    def _write(self, line: Line, sign: str) -> None:
        lines = Path(line.file).read_text(encoding="utf-8").split()
        written = f"{sign}{line.text}"
        # Once in each direction: the next attempt finds the mark of the dead one.
        died = f"died{written}"
        if line.dies and died not in lines:
            self._append(line.file, died)
            os.kill(os.getpid(), signal.SIGKILL)
        if written not in lines:
            self._append(line.file, written)

    def _append(self, file: str, text: str) -> None:
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(f"{text}\n")


@workflow.defn(name="ported-kill")
class Killed:
    """Three lines, the second and its compensation over the worker's dead body."""

    @workflow.run
    async def run(self, file: str, fails: bool) -> list[str]:
        async with Saga() as saga:
            written = [
                await saga.step(Files.write, Line(file, text, dies=text == "b")) for text in "abc"
            ]
            if fails:
                raise ApplicationError("in the end")
            return written


@workflow.defn(name="ported-when")
class When:
    """Medusa's `when` and `transform`."""

    @workflow.run
    async def run(self, names: list[str]) -> list[str]:
        async with Saga() as saga:
            added = [await saga.step(Notes.add, name) for name in names if name != "nobody"]
            if not added:
                return ["nothing to do"]
            return [name.title() for name in added]


@workflow.defn(name="ported-skip")
class Skipping:
    """Medusa's `skipOnPermanentFailure`."""

    @workflow.run
    async def run(self) -> str:
        async with Saga() as saga:
            if await saga.step(Notes.refuse, "a", continue_on_failure=True) is None:
                return "skipped the rest"
            return await saga.step(Notes.add, "b")


@workflow.defn(name="ported-timeout")
class TimeLimited:
    """Medusa's workflow timeout."""

    @workflow.run
    async def run(self, seconds: float) -> str:
        async with Saga() as saga:
            await saga.step(Notes.add, "a")
            async with asyncio.timeout(seconds):
                await saga.step(Notes.add_slowly, "b")
                await asyncio.sleep(3600)
            return "in time"


@workflow.defn(name="ported-late-step")
class LateStep:
    """Medusa's step timeout."""

    @workflow.run
    async def run(self) -> str:
        async with Saga() as saga:
            await saga.step(Notes.add, "a")
            return await saga.step(Notes.add_late, "b", timeout=timedelta(seconds=1))


@workflow.defn(name="ported-answer")
class Answered:
    """Medusa's async step, which somebody else sets to success or failure."""

    def __init__(self) -> None:
        self._answer: bool | None = None

    @workflow.run
    async def run(self) -> str:
        async with Saga() as saga:
            await saga.step(Notes.add, "asked")
            await workflow.wait_condition(lambda: self._answer is not None)
            if not self._answer:
                raise ApplicationError("refused", type="Refused")
            return "granted"

    @workflow.signal
    def answer(self, granted: bool) -> None:
        self._answer = granted


@workflow.defn(name="ported-hook")
class Hooked:
    """Medusa's hook."""

    @workflow.run
    async def run(self, what: str) -> str:
        async with Saga() as saga:
            return await saga.step(Notes.announce, what)


notebook = Notebook([])


def ported_plugin(queue: str, announcer: type[Announcer] = Announcer) -> EuryalePlugin:
    """The application, with an announcer of its choice."""
    app = Euryale(
        name="ported",
        task_queue=queue,
        providers=[instance(notebook), instance(announcer(), provides=Announcer)],
        workflows=[Killed, When, Skipping, TimeLimited, LateStep, Answered, Hooked],
        activities=[Notes, Files],
        jobs=[],
    )
    return EuryalePlugin(app, root=Path(__file__).parent, apply_schedules=False)


async def serve(address: str, queue: str) -> None:
    """Serve until a step kills the process, or its standard input ends."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    worker = Worker(
        client,
        task_queue=queue,
        plugins=[ported_plugin(queue)],
        # What it was about to do when it died is soon another's.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
    )
    async with worker:
        await asyncio.to_thread(sys.stdin.read)
