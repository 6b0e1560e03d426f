"""An application whose calls are made many at a time, and what its service has seen of them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity

from euryale import (
    BulkCall,
    ChangedSince,
    Euryale,
    call_attempt,
    idempotency_key,
    instance,
    mutation,
    read,
    record_undo,
)


class FlakyError(Exception):
    """An error that may heal."""


@dataclass
class Ledger:
    """What was written, and by which calls."""

    values: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    bulks: list[int] = field(default_factory=list)
    activities: set[str] = field(default_factory=set)
    failures: dict[str, int] = field(default_factory=dict)
    most_at_once: int = 0
    at_once: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)

    def fail_sometimes(self, name: str) -> None:
        if self.failures.get(name, 0):
            self.failures[name] -= 1
            raise FlakyError(f"{name} flickers")

    def keys(self, name: str) -> list[str]:
        return [key for each, key, _ in self.calls if each == name]


class LedgerService:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @mutation(undo="take_back", timeout=timedelta(seconds=5))
    async def write(self, name: str, value: str = "") -> str:
        """Write a value; some names don't let themselves be written."""
        ledger = self._ledger
        ledger.calls.append((name, idempotency_key(), call_attempt()))
        ledger.at_once += 1
        ledger.most_at_once = max(ledger.most_at_once, ledger.at_once)
        try:
            if name.startswith("held"):
                await ledger.held.wait()
            while name.startswith("until cancelled") and not activity.is_cancelled():
                await asyncio.sleep(0.01)
            if name.startswith("slow"):
                await asyncio.sleep(0.3)
            await asyncio.sleep(0)
            if name.startswith("bad"):
                raise ValueError(f"{name} can't be written")
            ledger.fail_sometimes(name)
            record_undo({"before": ledger.values.get(name)})
            ledger.values[name] = value or name
        finally:
            ledger.at_once -= 1
        return ledger.values[name].upper()

    @mutation(bulk="write_all", undo="take_back")
    async def post(self, name: str) -> str:
        """As `write`, with a way to do many at once."""
        self._ledger.calls.append((name, idempotency_key(), call_attempt()))
        if name.startswith("bad"):
            raise ValueError(f"{name} can't be posted")
        self._ledger.fail_sometimes(name)
        record_undo({"before": self._ledger.values.get(name)})
        self._ledger.values[name] = name
        return name.upper()

    async def write_all(self, calls: Sequence[BulkCall]) -> list[Any]:
        self._ledger.bulks.append(len(calls))
        names = [call.arguments["name"] for call in calls]
        if "forgetful" in names:
            return []
        if any(name.startswith("worst") for name in names):
            raise ValueError("one of them is the worst")
        ends: list[Any] = []
        for call, name in zip(calls, names, strict=True):
            if name.startswith("bad"):
                ends.append(ValueError(f"{name} can't be posted"))
                continue
            self._ledger.calls.append((name, call.idempotency_key, call.attempt))
            call.record_undo({"before": self._ledger.values.get(name)})
            self._ledger.values[name] = name
            ends.append(object() if name.startswith("odd") else name.upper())
        return ends

    @mutation
    async def take_back(self, name: str, undo: dict[str, str | None]) -> None:
        self._ledger.calls.append((f"undo {name}", idempotency_key(), call_attempt()))
        if name.startswith("changed"):
            raise ChangedSince(f"{name} was changed")
        if undo["before"] is None:
            self._ledger.values.pop(name, None)
        else:
            self._ledger.values[name] = undo["before"]

    @mutation(idempotent=True, undo="take_back")
    async def put(self, name: str) -> str:
        """As `write`, and harmless when it is repeated."""
        self._ledger.calls.append((name, idempotency_key(), call_attempt()))
        self._ledger.fail_sometimes(name)
        if name.startswith("long"):
            await asyncio.sleep(2.5)
        record_undo({"before": self._ledger.values.get(name)})
        self._ledger.values[name] = name
        return name.upper()

    @mutation(timeout=timedelta(seconds=3), undo="take_back")
    async def crash(self, name: str) -> str:
        """Takes its worker along, as a process that is out of memory does."""
        if name.startswith("deadly"):
            # Longer than the server waits for a heartbeat, and not so long that the next attempt,
            # which a dead worker would not get, times out as well.
            time.sleep(4.2)  # noqa: ASYNC251 -- the worker is silent
            await asyncio.sleep(2)
        if name.startswith("bad"):
            raise ValueError(f"{name} can't be written")
        self._ledger.calls.append((name, idempotency_key(), call_attempt()))
        record_undo({"before": self._ledger.values.get(name)})
        self._ledger.values[name] = name
        return name.upper()

    @mutation(timeout=timedelta(seconds=0.2))
    async def dash(self, name: str) -> None:
        """Takes half of its time."""
        self._ledger.calls.append((name, idempotency_key(), call_attempt()))
        await asyncio.sleep(0.1)

    @mutation
    async def refuse(self, size: int) -> None:
        raise ValueError("x" * size)

    @mutation(idempotent=True, undo="take_back_half")
    async def half(self, name: str) -> None:
        """Writes, and fails then."""
        self._ledger.values[name] = name
        raise ValueError(f"{name} is half done")

    @mutation
    async def take_back_half(self, name: str) -> None:
        self._ledger.values.pop(name)

    @read
    async def look(self, name: str) -> str | None:
        self._ledger.calls.append((f"look {name}", idempotency_key(), call_attempt()))
        self._ledger.fail_sometimes(f"look {name}")
        return self._ledger.values.get(name)

    @read
    async def large(self, size: int) -> str:
        return "x" * size

    @mutation
    async def nothing(self, number: int) -> None: ...


ledger = Ledger()

app = Euryale(
    name="together",
    services={"ledger": LedgerService},
    providers=[instance(ledger)],
    jobs=["together_jobs"],
)
