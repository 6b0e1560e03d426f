from typing import Any

from vault_jobs.calls import run_script

from euryale import Container

config = {
    "name": "careful",
    "schedule": "0 0 1 1 *",
    "data": {"script": []},
    "on_failure": "undo",
}


async def handler(container: Container, data: dict[str, Any]) -> None:
    await run_script(container, data["script"])
