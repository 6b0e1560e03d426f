"""A bank to be proved: transfers that are taken back, and some that are wrong on purpose.

Its file is named when the module is imported, as many applications do it. Tests copy it into a
project of its own.
"""

import asyncio
import os
import sqlite3
from contextlib import closing

from pydantic import BaseModel
from temporalio import activity, workflow

from euryale import Euryale, Saga, StepResponse, Unfinished, mutation, read, step

FILE = os.environ.get("BANK_FILE", "")

TABLES = """
CREATE TABLE account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL);
CREATE TABLE booking (key TEXT PRIMARY KEY, account TEXT, amount INTEGER, at TEXT);
CREATE TABLE letter (text TEXT);
INSERT INTO account VALUES ('anna', 100), ('bert', 0), ('bank', 0);
"""


class Booking(BaseModel):
    """An amount that an account gets or, below zero, gives; its key is its own."""

    account: str
    amount: int
    key: str


def _of(unfinished: Unfinished[Booking]) -> Booking:
    return unfinished.input


class BookingActivities:
    """Steps on accounts."""

    @activity.defn(name="booking.remove")
    async def remove(self, booking: Booking) -> None:
        with closing(sqlite3.connect(FILE)) as bank, bank:
            if bank.execute("DELETE FROM booking WHERE key = ?", (booking.key,)).rowcount:
                _add(bank, booking.account, -booking.amount)

    @activity.defn(name="booking.forget")
    async def forget(self, booking: Booking) -> None:
        """Takes a booking back, and forgets the account's balance."""
        with closing(sqlite3.connect(FILE)) as bank, bank:
            bank.execute("DELETE FROM booking WHERE key = ?", (booking.key,))

    @step("booking.make", compensation=remove, unfinished=_of)
    async def make(self, booking: Booking) -> StepResponse[str, Booking]:
        with closing(sqlite3.connect(FILE)) as bank, bank:
            _book(bank, booking)
        return StepResponse(output=booking.key, undo=booking)

    @step("booking.make-forgetfully", compensation=forget, unfinished=_of)
    async def make_forgetfully(self, booking: Booking) -> StepResponse[str, Booking]:
        return await self.make(booking)

    @step("booking.make-blindly", compensation=remove)
    async def make_blindly(self, booking: Booking) -> StepResponse[str, Booking]:
        """Doesn't say what is left when it is cut off."""
        return await self.make(booking)

    @step("booking.make-again", compensation=remove, unfinished=_of)
    async def make_again(self, booking: Booking) -> StepResponse[str, Booking]:
        """Moves the balance at each attempt."""
        with closing(sqlite3.connect(FILE)) as bank, bank:
            bank.execute("DELETE FROM booking WHERE key = ?", (booking.key,))
            _book(bank, booking)
        return StepResponse(output=booking.key, undo=booking)

    @step("letter.send", compensation=None)
    async def send_letter(self, text: str) -> StepResponse[str, None]:
        """Can't be taken back."""
        with closing(sqlite3.connect(FILE)) as bank, bank:
            if not bank.execute("SELECT 1 FROM letter WHERE text = ?", (text,)).fetchone():
                bank.execute("INSERT INTO letter VALUES (?)", (text,))
        return StepResponse(output=text, undo=None)


class AccountService:
    """A service, whose calls handlers make."""

    @read
    async def balance(self, account: str) -> int:
        with closing(sqlite3.connect(FILE)) as bank:
            (balance,) = bank.execute(
                "SELECT balance FROM account WHERE id = ?", (account,)
            ).fetchone()
        return int(balance)

    @mutation
    async def close(self, account: str) -> None:
        with closing(sqlite3.connect(FILE)) as bank, bank:
            bank.execute("DELETE FROM account WHERE id = ?", (account,))


@workflow.defn(name="transfer")
class Transfer:
    """Moves money from Anna to Bert, with a fee beside it."""

    @workflow.run
    async def run(self, amount: int) -> None:
        async with Saga() as saga:
            await saga.step(BookingActivities.make, _booking("anna", -amount - 1))
            await asyncio.gather(
                saga.step(BookingActivities.make, _booking("bert", amount)),
                saga.step(BookingActivities.make, _booking("bank", 1)),
            )


@workflow.defn(name="forgetful")
class Forgetful:
    """Its compensation restores half of what its step did."""

    @workflow.run
    async def run(self, amount: int) -> None:
        async with Saga() as saga:
            await saga.step(BookingActivities.make_forgetfully, _booking("bert", amount))


@workflow.defn(name="blind")
class Blind:
    """Its step doesn't say what is left when it is cut off."""

    @workflow.run
    async def run(self, amount: int) -> None:
        async with Saga() as saga:
            await saga.step(BookingActivities.make_blindly, _booking("bert", amount))


@workflow.defn(name="repeating")
class Repeating:
    """Its step moves the balance at each attempt."""

    @workflow.run
    async def run(self, amount: int) -> None:
        async with Saga() as saga:
            await saga.step(BookingActivities.make_again, _booking("bert", amount))


@workflow.defn(name="hiding")
class Hiding:
    """Completes though its step failed."""

    @workflow.run
    async def run(self, amount: int) -> None:
        try:
            async with Saga() as saga:
                await saga.step(BookingActivities.make, _booking("bert", amount))
        except Exception:  # noqa: BLE001, S110 -- what it does wrong on purpose
            pass


@workflow.defn(name="announce")
class Announce:
    """Books, then writes a letter, which can't be taken back."""

    @workflow.run
    async def run(self, amount: int) -> None:
        async with Saga() as saga:
            await saga.step(BookingActivities.make, _booking("bert", amount))
            await saga.step(BookingActivities.send_letter, f"{amount} for Bert")


def _booking(account: str, amount: int) -> Booking:
    key = f"{workflow.info().workflow_id}/{account}"
    return Booking(account=account, amount=amount, key=key)


def _book(bank: sqlite3.Connection, booking: Booking) -> None:
    row = (booking.key, booking.account, booking.amount)
    booked = bank.execute(
        "INSERT OR IGNORE INTO booking VALUES (?, ?, ?, strftime('%Y-%m-%d %H:%M:%f'))", row
    )
    if booked.rowcount:
        _add(bank, booking.account, booking.amount)


def _add(bank: sqlite3.Connection, account: str, amount: int) -> None:
    bank.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (amount, account))


app = Euryale(
    name="bank",
    services={"account": AccountService},
    workflows=[Transfer, Forgetful, Blind, Repeating, Hiding, Announce],
    activities=[BookingActivities],
)
