"""A vault of values, changed by steps and calls that fail in every way; scripts say how."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

from euryale import (
    ChangedSince,
    Euryale,
    PermanentFailure,
    Retry,
    Saga,
    StepResponse,
    Unfinished,
    idempotency_key,
    instance,
    mutation,
    read,
    record_undo,
    step,
)

Mode = Literal[
    "",
    "refuse",
    "refuse after",
    "give up",
    "give up clean",
    "hang after",
    "stuck",
    "fail once",
    "slow",
    "late",
]
Operation = Sequence[Any]

ONCE_MORE = Retry(maximum_attempts=2, initial_interval=timedelta(milliseconds=10))


@dataclass
class Vault:
    """The values, what happened to them in its order, and under which keys."""

    values: dict[str, str] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    stopped: int = 0

    def clear(self) -> None:
        self.values.clear()
        self.log.clear()
        self.keys.clear()
        self.busy = self.busiest = self.stopped = 0

    def set(self, key: str, value: str | None) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        self.log.append(f"{key}={value}")

    def restore(self, change: "Change") -> None:
        now = self.values.get(change.key)
        if now == change.before:
            self.log.append(f"{change.key} as before")
        elif now == change.after:
            self.set(change.key, change.before)
        else:
            raise ChangedSince(f"{change.key} is {now}, not {change.after}")


class Change(BaseModel):
    key: str
    before: str | None
    after: str


class Put(BaseModel):
    key: str
    value: str
    mode: Mode = ""


def unfinished_put(cut: Unfinished[Put]) -> Change:
    if cut.input.key == "untold":
        raise LookupError("nobody knows")
    return Change(key=cut.input.key, before=None, after=cut.input.value)


class VaultActivities:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @activity.defn(name="vault.restore")
    async def restore(self, change: Change) -> None:
        self._vault.busy += 1
        self._vault.busiest = max(self._vault.busiest, self._vault.busy)
        await asyncio.sleep(0.02)
        self._vault.busy -= 1
        if change.after == "stuck":
            raise ValueError("it is stuck")
        if change.after == "stuck once" and activity.info().attempt == 1:
            raise ValueError("not yet")
        self._vault.restore(change)

    @step("vault.put", compensation=restore, retry=ONCE_MORE, compensation_retry=ONCE_MORE)
    async def put(self, given: Put) -> StepResponse[str, Change]:
        return await self._put(given)

    @step(
        "vault.put-sure",
        compensation=restore,
        unfinished=unfinished_put,
        retry=ONCE_MORE,
        compensation_retry=ONCE_MORE,
    )
    async def put_sure(self, given: Put) -> StepResponse[str, Change]:
        return await self._put(given)

    @step("vault.say", compensation=None)
    async def tell(self, text: str) -> StepResponse[str, None]:
        self._vault.log.append(f"told {text}")
        return StepResponse(output=text, undo=None)

    async def _put(self, given: Put) -> StepResponse[str, Change]:
        vault = self._vault
        vault.keys.append(idempotency_key())
        change = Change(key=given.key, before=vault.values.get(given.key), after=given.value)
        if given.mode == "refuse":
            raise ValueError(f"{given.key} is refused")
        if given.mode == "give up clean":
            raise PermanentFailure(f"{given.key} is given up")
        if given.mode == "fail once" and activity.info().attempt == 1:
            raise OSError("not yet")
        if given.mode == "late":
            try:
                await asyncio.sleep(3)
            except asyncio.CancelledError:
                vault.stopped += 1
                raise
        if given.mode == "slow":
            await asyncio.sleep(0.3)
        vault.set(given.key, given.value)
        if given.mode == "refuse after":
            raise ValueError(f"{given.key} is refused")
        if given.mode == "give up":
            raise PermanentFailure(f"{given.key} is given up", undo=change, type="VaultLocked")
        if given.mode == "hang after":
            try:
                await asyncio.sleep(3600)
            finally:
                vault.stopped += 1
        return StepResponse(output=given.value, undo=change)


class VaultService:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @read
    async def get(self, key: str) -> str | None:
        return self._vault.values.get(key)

    @mutation(undo="reset")
    async def set(self, key: str, value: str) -> str:
        before = self._vault.values.get(key)
        if value == "refuse":
            raise ValueError(f"{key} is refused")
        if value == "slow":
            await asyncio.sleep(0.3)
        self._vault.set(key, value)
        record_undo({"key": key, "before": before, "after": value})
        return value

    @mutation
    async def reset(self, undo: Change) -> None:
        if undo.after == "stuck" and "unstick" not in self._vault.values:
            raise PermanentFailure("it is stuck")
        self._vault.restore(undo)

    @mutation(undo="bring")
    async def drop(self, key: str) -> None:
        self._vault.set(key, None)

    @mutation
    async def bring(self, key: str, idempotency_key: str) -> None:
        self._vault.keys.append(idempotency_key)
        self._vault.set(key, "brought")

    @mutation
    async def tell(self, text: str) -> None:
        self._vault.log.append(f"told {text}")


@workflow.defn(name="vault-script")
class VaultScript:
    """Does what a script says, in one saga."""

    @workflow.run
    async def run(self, script: list[Operation]) -> list[Any]:
        async with Saga() as saga:
            return [await self.do(saga, operation) for operation in script]

    async def do(  # noqa: C901, PLR0911, PLR0912 -- one case for each word of a script
        self, saga: Saga, operation: Operation
    ) -> Any:
        match operation:
            case ["put" | "put sure" as kind, key, value, *rest]:
                method = VaultActivities.put if kind == "put" else VaultActivities.put_sure
                mode = rest[0] if rest else ""
                timeout = timedelta(seconds=1) if mode in ("hang after", "late") else None
                return await saga.step(
                    method, Put(key=key, value=value, mode=mode), timeout=timeout
                )
            case ["try", key, mode]:
                put = Put(key=key, value="tried", mode=mode)
                return await saga.step(VaultActivities.put_sure, put, continue_on_failure=True)
            case ["keep", key, value]:
                put = Put(key=key, value=value)
                return await saga.step(VaultActivities.put, put, compensate=False)
            case ["tell", text]:
                return await saga.step(VaultActivities.tell, text)
            case ["all", *operations]:
                return await asyncio.gather(*(self.do(saga, one) for one in operations))
            case ["child", *operations]:
                return await saga.child(VaultScript.run, list(operations))
            case ["again", times, *operations]:
                return [await self.do(saga, one) for _ in range(times) for one in operations]
            case ["saga", *operations]:
                async with Saga() as inner:
                    return [await self.do(inner, one) for one in operations]
            case ["in turn", *operations]:
                return [await self.do(saga, one) for one in operations]
            case ["continued"]:
                return await saga.child(VaultContinued.run, 1)
            case ["locked", key, *operations]:
                async with saga.lock(key):
                    return [await self.do(saga, one) for one in operations]
            case ["wait"]:
                return await asyncio.sleep(3600)
            case ["fail"]:
                raise ApplicationError("as told", type="AsTold")
            case ["break"]:
                raise KeyError("as told")
            case _:
                raise ApplicationError(f"what is {operation}?")


@workflow.defn(name="vault-continued")
class VaultContinued:
    """Puts its number, and goes on as another run until there are three."""

    @workflow.run
    async def run(self, number: int) -> int:
        async with Saga() as saga:
            await saga.step(VaultActivities.put, Put(key=f"run {number}", value=str(number)))
        if number < 3:
            workflow.continue_as_new(number + 1)
        return number


vault = Vault()

app = Euryale(
    name="vault",
    services={"vault": VaultService},
    providers=[instance(vault)],
    workflows=[VaultScript, VaultContinued],
    activities=[VaultActivities],
    jobs=["vault_jobs"],
)
