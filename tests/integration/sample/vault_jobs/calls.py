import asyncio
from typing import Any

from temporalio import workflow
from vault_app import VaultContinued, VaultScript, VaultService

from euryale import Container

config = {"name": "calls", "schedule": "0 0 1 1 *", "data": {"script": []}}


async def handler(container: Container, data: dict[str, Any]) -> None:
    await run_script(container, data["script"])


async def run_script(  # noqa: C901, PLR0912 -- one case for each word of a script
    container: Container, script: list[Any]
) -> None:
    vault = container.resolve(VaultService)
    info = workflow.info()
    for number, operation in enumerate(script):
        match operation:
            case ["set", key, value]:
                await vault.set(key, value)
            case ["set many", count]:
                for each in range(count):
                    await vault.set(f"key {each}", "many")
            case ["drop", key]:
                await vault.drop(key)
            case ["tell", text]:
                await vault.tell(text)
            case ["all", *pairs]:
                await asyncio.gather(*(vault.set(key, value) for key, value in pairs))
            case ["script", *operations]:
                await workflow.execute_child_workflow(
                    VaultScript.run, list(operations), id=f"{info.workflow_id}/script-{number}"
                )
            case ["continued"]:
                await workflow.execute_child_workflow(
                    VaultContinued.run, 1, id=f"{info.workflow_id}/continued"
                )
            case ["beside", *operations]:
                child = workflow.execute_child_workflow(
                    VaultScript.run, list(operations), id=f"{info.workflow_id}/beside"
                )
                await asyncio.gather(child, vault.set("beside", "refuse"))
            case ["get", key]:
                await vault.get(key)
            case ["wait"]:
                await asyncio.sleep(3600)
            case ["fail"]:
                raise ValueError("as told")
