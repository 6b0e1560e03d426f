"""A project of a few jobs, and the commands that operators call in it."""

import asyncio
import json
import os
import sys
from contextlib import chdir
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from temporalio.client import Client
from typer.testing import CliRunner, Result

from euryale.app import Euryale
from euryale.cli import cli
from euryale.registry import Registry
from euryale.schedules.pauses import PauseState
from euryale.schedules.schedule import desired_schedule

APP = """
from euryale import Euryale


class Lamp: ...


app = Euryale(name="{name}", services={{"lamp": Lamp}}, jobs=["{name}"])
"""

JOB = """
from datetime import datetime, timedelta

from euryale import ScheduledJobConfig

config = ScheduledJobConfig(name="{name}", schedule="{schedule}", {more})


async def handler(container, scheduled_for):
    {body}
"""

_OPERATOR = "ana@host"


class Lamp:
    """A service, since an application has at least one."""


@dataclass(frozen=True)
class OperatedProject:
    """A project in a folder of its own, whose schedules are on a real server."""

    root: Path
    name: str
    client: Client
    address: str

    def add(self, job: str, schedule: str = "0 0 1 1 *", more: str = "", body: str = "...") -> None:
        text = JOB.format(name=job, schedule=schedule, more=more, body=body)
        (self.root / self.name / f"{job.replace('-', '_')}.py").write_text(text)

    def remove(self, job: str) -> None:
        (self.root / self.name / f"{job.replace('-', '_')}.py").unlink()

    @property
    def app(self) -> Euryale:
        return Euryale(name=self.name, services={"lamp": Lamp}, jobs=[self.name])

    @property
    def registry(self) -> Registry:
        registry = self.app.load(self.root)
        assert registry.errors == ()
        return registry

    async def hold(self, *jobs: str, since: datetime | None = None) -> None:
        """Let Temporal hold the schedules of some jobs, as if made so at a time."""
        registry = self.registry
        for job in jobs:
            desired = desired_schedule(self.name, registry.jobs[job], self.name, since=since)
            await self.client.create_schedule(desired.id, desired.schedule())

    async def state(self, job: str) -> PauseState:
        handle = self.client.get_schedule_handle(f"{self.name}/{job}")
        state = (await handle.describe()).schedule.state
        return PauseState(state.paused, state.note or "")

    async def call(self, *arguments: str, code: int = 0) -> Result:
        """Call a command as an operator does."""
        return await asyncio.to_thread(self._call, arguments, code)

    async def answer(self, *arguments: str, code: int = 0) -> Any:
        """What a command answers to programs."""
        return json.loads((await self.call(*arguments, "-o", "json", code=code)).stdout)

    def _call(self, arguments: tuple[str, ...], code: int) -> Result:
        others = [name for name in os.environ if name.startswith(("TEMPORAL_", "EURYALE_"))]
        env: dict[str, str | None] = dict.fromkeys([*others, "COLUMNS"])
        env |= {"TEMPORAL_ADDRESS": self.address, "EURYALE_OPERATOR": _OPERATOR}
        path, modules = list(sys.path), set(sys.modules)
        try:
            with chdir(self.root):
                done = CliRunner().invoke(cli, list(arguments), env=env)
        finally:
            sys.path[:] = path
            for name in set(sys.modules) - modules:
                if name.partition(".")[0] in {"lamps", self.name}:
                    del sys.modules[name]
        assert done.exit_code == code, f"{done.exit_code}\n{done.output}\n{done.exception!r}"
        return done


def make_operated_project(root: Path, name: str, client: Client, address: str) -> OperatedProject:
    (root / "pyproject.toml").write_text('[tool.euryale]\napp = "lamps.app:app"\n')
    for folder in ("lamps", name):
        (root / folder).mkdir()
    (root / "lamps" / "__init__.py").touch()
    (root / "lamps" / "app.py").write_text(APP.format(name=name))
    return OperatedProject(root, name, client, address)
