from pathlib import Path
from textwrap import dedent, indent

import pytest

from euryale.config import ScheduledJobConfig
from euryale.jobs.durability import check_durability, durable_way, find_not_durable
from euryale.jobs.job import Job, JobSource


def errors_in(source: str) -> list[str]:
    return [str(error) for error in find_not_durable(dedent(source), file="jobs/x.py")]


def errors_in_handler(body: str, *, imports: str = "") -> list[str]:
    return errors_in(
        f"{imports}\nasync def handler(container, data):\n" + indent(dedent(body), "    ")
    )


@pytest.mark.parametrize(
    ("imports", "expression", "way"),
    [
        ("import datetime", "datetime.datetime.now()", "container.now()"),
        ("import datetime as dt", "dt.datetime.now(dt.UTC)", "container.now()"),
        ("from datetime import datetime as d", "d.utcnow()", "container.now()"),
        ("from datetime import date", "date.today()", "container.now()"),
        ("import time", "time.monotonic()", "container.now()"),
        ("from time import time", "time()", "container.now()"),
        ("import time", "time.sleep(1)", "await asyncio.sleep(...)"),
        ("import random", "random.choice([1])", "container.random()"),
        ("from secrets import token_hex", "token_hex()", "container.random()"),
        ("import os", "os.urandom(3)", "container.random()"),
        ("import uuid", "uuid.uuid4()", "container.uuid4()"),
        ("", "open('x')", "container.resolve(...)"),
        ("from pathlib import Path", "Path('x').read_text()", "container.resolve(...)"),
        ("import pathlib", "(pathlib.Path('x') / 'y').exists()", "container.resolve(...)"),
        ("import os", "os.remove('x')", "container.resolve(...)"),
        ("import os", "os.environ['X']", "`data`"),
        ("from os import environ", "environ.get('X')", "`data`"),
        ("import os", "os.getenv('X')", "`data`"),
        ("import os.path", "os.path.join('a', 'b')", "pathlib"),
        ("import subprocess", "subprocess.run(['ls'])", "container.resolve(...)"),
        ("import socket", "socket.socket()", "container.resolve(...)"),
        ("import requests", "requests.get('x')", "container.resolve(...)"),
        ("import httpx", "httpx.AsyncClient()", "container.resolve(...)"),
        ("import urllib.request", "urllib.request.urlopen('x')", "container.resolve(...)"),
        ("import aiohttp", "aiohttp.ClientSession()", "container.resolve(...)"),
        ("import smtplib", "smtplib.SMTP('x')", "container.resolve(...)"),
        ("import sqlite3", "sqlite3.connect('x')", "container.resolve(...)"),
        ("from sqlalchemy import create_engine", "create_engine('x')", "container.resolve(...)"),
        ("import boto3", "boto3.client('s3')", "container.resolve(...)"),
        ("from redis.asyncio import Redis", "Redis()", "container.resolve(...)"),
        ("import threading", "threading.Thread()", "container.resolve(...)"),
        ("import asyncio", "asyncio.to_thread(print)", "container.resolve(...)"),
        ("import asyncio", "asyncio.run(x())", "container.resolve(...)"),
        (
            "import asyncio",
            "asyncio.get_running_loop().run_in_executor(None, f)",
            "container.resolve(...)",
        ),
        ("", "print('x')", 'container.resolve("logger")'),
        ("import logging", "logging.info('x')", 'container.resolve("logger")'),
        ("", "input()", "`data`"),
    ],
)
def test_what_is_not_durable_is_told_with_its_line_and_the_durable_way(
    imports: str, expression: str, way: str
) -> None:
    [error] = errors_in_handler(f"x = {expression}", imports=imports)
    assert error.startswith("jobs/x.py:3: handler() uses `")
    assert way in error


def test_an_import_inside_the_handler_counts_too() -> None:
    [error] = errors_in_handler("import time as t\nt.sleep(1)")
    assert "`t.sleep` (time.sleep)" in error


def test_an_object_that_is_made_at_module_level_is_known_by_its_methods() -> None:
    errors = errors_in(
        """
        import logging
        from pathlib import Path

        import httpx

        log = logging.getLogger(__name__)
        client = httpx.AsyncClient()
        TEMPLATE = Path(__file__).parent / "mail.html"

        async def handler(container):
            log.info("x")
            await client.get("x")
            TEMPLATE.read_text()
        """
    )
    assert [error.partition(": ")[0] for error in errors] == [
        "jobs/x.py:12",
        "jobs/x.py:13",
        "jobs/x.py:14",
    ]


@pytest.mark.parametrize(
    ("imports", "body"),
    [
        ("import random", "for random in data: random.choice()"),
        ("import random", "rng = random.Random(3)\nrng.choice([1])"),
        ("import random", "def inner(random): random.choice()\ninner(1)"),
        ("import random", "[random.choice() for random in data]"),
        ("import random", "f = lambda random: random.choice()"),
        ("from time import time", "time = container.now\ntime()"),
        ("", "open = container.resolve('file').open\nawait open()"),
        ("", "rng: random.Random = container.random()\nrng.choice([1])"),
        ("import requests", "try: pass\nexcept requests.HTTPError: pass"),
        ("import datetime", "datetime.datetime(2026, 1, 1)\ndatetime.timedelta(1)"),
        ("import datetime", "datetime.datetime.fromtimestamp(0, datetime.UTC)"),
        ("import uuid", "uuid.UUID('x')\nuuid.uuid5(uuid.NAMESPACE_URL, 'x')"),
        ("from pathlib import Path", "Path('x').suffix\nPath('x').with_suffix('.y')"),
        ("import httpx", "httpx.URL('x')"),
        ("import asyncio", "await asyncio.sleep(3)\nawait asyncio.gather()"),
        ("from sqlalchemy import select", "select(1)"),
        ("import time", "container.resolve('product').time()"),
        ("", "container.resolve('logger').info('x')\ncontainer.now()"),
        ("", "data.open()\ndata.print()"),
        (
            "from temporalio import workflow",
            "workflow.now()\nworkflow.random().choice([1])\nworkflow.uuid4()",
        ),
    ],
)
def test_ordinary_code_is_left_alone(imports: str, body: str) -> None:
    assert errors_in_handler(body, imports=imports) == []


def test_functions_and_methods_that_the_handler_reaches_are_checked() -> None:
    errors = errors_in(
        """
        import os
        import time

        class Report:
            def __init__(self):
                self.started = time.time()

            def write(self):
                self.flush()

            def flush(self):
                open("x")

            def unused(self):
                open("y")

        def load():
            return nested()

        def nested():
            return os.listdir(".")

        def unreached():
            time.sleep(1)

        async def handler(container):
            report = Report()
            report.write()
            for one in map(str, load()):
                pass
        """
    )
    assert [error.partition(", which")[0] for error in errors] == [
        "jobs/x.py:7: Report.__init__() uses `time.time`",
        "jobs/x.py:13: Report.flush() uses `open`",
        "jobs/x.py:22: nested() uses `os.listdir`",
    ]


def test_functions_that_call_each_other_end_the_check() -> None:
    errors = errors_in(
        """
        def a(): b()
        def b(): a()
        async def handler(): a()
        """
    )
    assert errors == []


def test_what_runs_on_the_worker_may_do_everything() -> None:
    errors = errors_in(
        """
        import time
        from temporalio import activity, workflow
        from euryale import mutation
        from euryale.sagas.step import step

        class Products:
            @mutation
            async def update(self): time.sleep(1)
            async def list(self): time.sleep(1)

        class Carts:
            @step(compensation=None)
            @activity.defn
            async def delete(self): time.sleep(1)

        @activity.defn(name="send")
        async def send(): time.sleep(1)

        async def handler(container):
            await workflow.execute_activity(send)
            await workflow.execute_activity_method(Carts.delete)
            await container.resolve(Products).list()
        """
    )
    assert errors == []


def test_a_handler_that_is_made_by_a_call_is_followed() -> None:
    errors = errors_in(
        """
        import time

        async def publish(container): time.sleep(1)

        handler = logged(publish)
        """
    )
    assert [error.partition(" uses")[0] for error in errors] == ["jobs/x.py:4: publish()"]


def test_a_handlers_decorator_is_followed() -> None:
    errors = errors_in(
        """
        import time

        def timed(function):
            async def wrapper(container):
                started = time.perf_counter()
                await function(container)
            return wrapper

        @timed
        async def handler(container): ...
        """
    )
    assert [error.partition(" uses")[0] for error in errors] == ["jobs/x.py:6: timed()"]


def test_a_comment_exempts_its_line_and_a_string_does_not() -> None:
    errors = errors_in_handler(
        """\
        print("a")  # euryale: durable
        print("# euryale: durable")
        print(
            "b",  # euryale: durable, as nobody reads it
        )
        """
    )
    assert [error.partition(": ")[0] for error in errors] == ["jobs/x.py:4"]


def test_what_asks_workflow_unsafe_is_exempt() -> None:
    errors = errors_in_handler(
        """\
        with workflow.unsafe.sandbox_unrestricted():
            open("x")
        if not workflow.unsafe.is_replaying():
            print("x")
        """,
        imports="from temporalio import workflow",
    )
    assert errors == []


def test_an_endless_loop_that_never_awaits_is_told() -> None:
    [error] = errors_in_handler("while True:\n    x = 1")
    assert "jobs/x.py:3: handler() uses `while True`, which never awaits" in error


@pytest.mark.parametrize(
    "body",
    [
        "await f()",
        "if f(): break",
        "return",
        "async for x in f(): pass",
        "async with f(): pass",
        "raise f()",
        "x = [y async for y in f()]",
    ],
)
def test_an_endless_loop_that_awaits_or_ends_is_left_alone(body: str) -> None:
    assert errors_in_handler(f"while True:\n    {body}") == []


def test_what_a_file_asks_the_machine_while_it_is_imported_is_told() -> None:
    errors = errors_in(
        """
        import os
        from datetime import datetime
        from typing import TYPE_CHECKING

        LIMIT = os.environ["LIMIT"]

        class Report:
            started = datetime.now()
            make = lambda: datetime.now()

        async def handler(container, scheduled_for=datetime.now()): ...

        if __name__ == "__main__":
            print(open("x"))
        """
    )
    assert [error.partition(": ")[0] for error in errors] == [
        "jobs/x.py:6",
        "jobs/x.py:9",
        "jobs/x.py:12",
    ]
    assert "the import of the file, which each run repeats, uses `os.environ`" in errors[0]


def test_a_module_of_which_nothing_is_a_handler_is_left_alone() -> None:
    assert errors_in("import time\nfrom jobs._shared import handler\n") == []


def test_a_jobs_own_file_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "nap.py"
    file.write_text("\ufeffimport time\nasync def handler():\n    time.sleep(1)\n", "utf-8")

    async def handler() -> None: ...

    job = Job(
        config=ScheduledJobConfig(name="nap", schedule="0 0 * * *"),
        handler=handler,
        module="jobs.nap",
        file=file,
        line=2,
        parameters=(),
        data_type=None,
        source=JobSource(path=tmp_path),
    )
    assert [error.where for error in check_durability(job)] == ["jobs/nap.py:3"]


@pytest.mark.parametrize(
    ("qualified_name", "way"),
    [
        ("datetime.datetime.now.__call__", "container.now()"),
        ("random.random.__call__", "container.random()"),
        ("uuid.uuid4.__call__", "container.uuid4()"),
        ("time.sleep.__call__", "asyncio.sleep"),
        ("__builtins__.open", "container.resolve(...)"),
        ("__builtins__.input", "`data`"),
        ("os.environ.PATH", "`data`"),
        ("os.path", "pathlib"),
        ("pathlib.Path.read_text.__call__", "container.resolve(...)"),
        ("something.unheard_of", "container.resolve(...)"),
    ],
)
def test_each_name_that_the_sandbox_refuses_has_a_durable_way(
    qualified_name: str, way: str
) -> None:
    assert way in durable_way(qualified_name)
