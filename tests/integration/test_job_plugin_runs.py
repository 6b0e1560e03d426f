"""Jobs of plugins on a real server: their options, their services, and what replaces them."""

import asyncio
import importlib
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from installed_packages import install
from temporalio.client import Client

from euryale import Euryale, EuryalePlugin
from euryale.worker import make_worker, serve

KEY = "hunter2-hunter2"

# Modules of their own, as the guide advises.
REVIEWS = {
    "reviews/options.py": """
        from pydantic import BaseModel, SecretStr

        class Options(BaseModel):
            days: int = 14
            tags: list[str] = []
            key: SecretStr = SecretStr("")
    """,
    "reviews/service.py": """
        from euryale import mutation
        from reviews.options import Options

        class Reviews:
            def __init__(self, options: Options) -> None:
                self.options = options

            @mutation
            async def ask(self, days: int) -> str:
                return f"asked after {days}, with a key of {len(self.options.key)}"
    """,
    "reviews/steps.py": """
        from temporalio import activity
        from euryale import StepResponse, step
        from reviews.options import Options

        class ReviewSteps:
            def __init__(self, options: Options) -> None:
                self.options = options

            @activity.defn(name="review.forget")
            async def forget(self, name: str) -> None: ...

            @step("review.ask", compensation=forget)
            async def ask(self, name: str) -> StepResponse[str, str]:
                return StepResponse(output=f"{name} {self.options.days}", undo=name)
    """,
    "reviews/flows.py": """
        from temporalio import workflow
        from euryale import Saga
        from reviews.steps import ReviewSteps

        @workflow.defn(name="ask-one")
        class AskOne:
            @workflow.run
            async def run(self, name: str) -> str:
                async with Saga() as saga:
                    return await saga.step(ReviewSteps.ask, name)
    """,
    "reviews/plugin.py": """
        from euryale import JobPlugin
        from reviews.flows import AskOne
        from reviews.options import Options
        from reviews.service import Reviews
        from reviews.steps import ReviewSteps

        plugin = JobPlugin(
            name="reviews",
            jobs=["reviews.jobs"],
            services={"reviews": Reviews},
            workflows=[AskOne],
            activities=[ReviewSteps],
            options=Options,
        )
    """,
    "reviews/jobs/_shared.py": "SCHEDULE = '0 8 * * *'\n",
    "reviews/jobs/ask.py": """
        from reviews.jobs._shared import SCHEDULE
        from reviews.options import Options
        from reviews.service import Reviews

        config = {"name": "ask", "schedule": SCHEDULE}

        async def handler(container, plugin_options: Options):
            plugin_options.tags.append("asked")
            asked = await container.resolve(Reviews).ask(plugin_options.days)
            return [asked, plugin_options.tags, isinstance(plugin_options, Options)]
    """,
    "reviews/jobs/plain.py": """
        config = {"name": "plain", "schedule": "0 8 * * *"}

        async def handler(plugin_options):
            plugin_options["tags"].append("plain")
            plugin_options["days"] += 1
            return [plugin_options["days"], plugin_options["tags"], sorted(plugin_options)]
    """,
    "reviews/jobs/flow.py": """
        from temporalio import workflow
        from reviews.flows import AskOne

        config = {"name": "flow", "schedule": "0 8 * * *"}

        async def handler():
            return await workflow.execute_child_workflow(AskOne.run, "Ada")
    """,
    "reviews/jobs/replaced.py": """
        config = {"name": "replaced", "schedule": "0 8 * * *"}

        async def handler():
            return "the plugin's"
    """,
}

# All in the package around the jobs, which the sandbox makes anew for each run.
BACKUPS = {
    "backups/__init__.py": """
        from pydantic import BaseModel
        from pydantic_settings import BaseSettings
        from euryale import JobPlugin, read

        class Place(BaseModel):
            path: str

        class Options(BaseSettings):
            model_config = {"env_prefix": "BACKUPS_"}
            key: str
            place: Place

        class Backups:
            def __init__(self, options: Options) -> None:
                self.options = options

            @read
            async def where(self) -> str:
                return self.options.place.path

        plugin = JobPlugin(
            name="backups",
            jobs=["backups.jobs"],
            services={"backups": Backups},
            options=Options,
        )
    """,
    "backups/jobs/back_up.py": """
        from backups import Backups, Options

        config = {"name": "back-up", "schedule": "0 8 * * *"}

        async def handler(container, plugin_options: Options):
            where = await container.resolve(Backups).where()
            return [where, plugin_options.place.path, len(plugin_options.key)]
    """,
}


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project beside two installed plugins; its modules and path are forgotten at its end."""
    path, modules = list(sys.path), set(sys.modules)
    site = tmp_path / "site-packages"
    sys.path.insert(0, str(site))
    install(site, "euryale-reviews", REVIEWS, plugins={"reviews": "reviews.plugin:plugin"})
    install(site, "euryale-backups", BACKUPS, plugins={"backups": "backups:plugin"})
    importlib.invalidate_caches()
    jobs = tmp_path / "plugged_jobs"
    jobs.mkdir()
    (jobs / "ours.py").write_text(
        "config = {'name': 'replaced', 'schedule': '0 9 * * *'}\n\n"
        "async def handler(plugin_options):\n    return ['ours', plugin_options]\n"
    )
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Euryale:
    monkeypatch.setenv("BACKUPS_KEY", KEY)
    return Euryale(
        name=f"plugged-{uuid.uuid4().hex[:8]}",
        services={},
        jobs=["plugged_jobs"],
        plugins={
            "reviews": {"days": 3, "tags": ["new"], "key": KEY},
            "backups": {"place": {"path": "/srv"}},
        },
    )


@asynccontextmanager
async def served(client: Client, app: Euryale, root: Path, **how: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    plugin = EuryalePlugin(app, root=root, **how)
    assert plugin.registry.errors == ()
    serving = asyncio.create_task(serve(make_worker(client, plugin), stop))
    try:
        yield
    finally:
        stop.set()
        await serving


async def run(client: Client, app: Euryale, job: str) -> Any:
    return await client.execute_workflow(
        job, {}, id=f"{app.name}/{job}/{uuid.uuid4().hex[:8]}", task_queue=app.queue
    )


async def test_jobs_of_plugins_run_with_their_options_services_and_workflows(
    client: Client, app: Euryale, root: Path
) -> None:
    async with served(client, app, root, apply_schedules=False):
        asked = ["asked after 3, with a key of 15", ["new", "asked"], True]
        assert await run(client, app, "ask") == asked
        # What a run does to its options is gone with it.
        assert await run(client, app, "ask") == asked
        assert await run(client, app, "plain") == [4, ["new", "plain"], ["days", "key", "tags"]]
        assert await run(client, app, "flow") == "Ada 3"
        assert await run(client, app, "back-up") == ["/srv", "/srv", 15]
        assert await run(client, app, "replaced") == ["ours", {}]


async def test_options_are_in_no_schedule_and_no_history(
    client: Client, app: Euryale, root: Path
) -> None:
    applied = asyncio.Event()

    async def tell(outcomes: Sequence[object]) -> None:
        assert len(outcomes) == 5
        applied.set()

    async with served(client, app, root, on_applied=tell):
        async with asyncio.timeout(30):
            await applied.wait()
        ids = [f"{app.name}/{job}" for job in ("ask", "plain", "flow", "back-up", "replaced")]
        handle = await client.start_workflow(
            "ask", {}, id=f"{app.name}/ask/secret", task_queue=app.queue
        )
        await handle.result()
        events = (await handle.fetch_history()).events
        told = b"".join(event.SerializeToString() for event in events)
        for schedule_id in ids:
            schedule = client.get_schedule_handle(schedule_id)
            told += (await schedule.describe()).raw_description.SerializeToString()
            await schedule.delete()
    assert b"asked after 3" in told
    assert KEY.encode() not in told
