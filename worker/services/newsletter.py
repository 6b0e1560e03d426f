"""One edition on its way to some readers, each of whom gets it at most once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from typing import Any, Literal, TypeVar

from worker.mail_address import AddressInvalid, parse_address
from worker.services.customer import CustomerService
from worker.services.entities import Customer, NewNotification, Notification, NotificationStatus
from worker.services.mail import MailRefused, MailServerUnavailable, MailUncertain, Post
from worker.services.newsletter_mail import Edition, message_id, newsletter_key, newsletter_mail
from worker.services.notification import NotificationService
from worker.store import StoreUnavailable

T = TypeVar("T")

Outcome = Literal["sent", "earlier", "withdrawn", "failed", "deferred"]
"""What became of a reader: got the mail by this call, had it by another one, doesn't want it any
more, doesn't get it, may get it later."""

RESOURCE = "newsletter"
"""The `resource_type` of its notifications; their `resource_id` is the edition's week."""

UNKNOWN = "nobody knows whether the mail was sent, so it was not repeated: "
"""How the reason of a failure begins that may be none."""

_SETTLE_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries to write down what became of a mail."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A mail that the server didn't take, with the code of its answer."""

    notification_id: str | None
    code: int


class NewsletterRound:
    """One attempt to bring an edition to some readers.

    Args:
        edition: What they get.
        customers: Who they are.
        notifications: What is known of their mails.
        sender: Who the mails are from.
        call: The key of the call that this is an attempt of, the same over all its attempts.
        last_try: Whether those whom the mail server puts off are given up.

    Attributes:
        accepted: How many mails the server took.
        refused: Those that it didn't take.
    """

    def __init__(
        self,
        edition: Edition,
        customers: CustomerService,
        notifications: NotificationService,
        *,
        sender: Address,
        call: str,
        last_try: bool,
    ) -> None:
        self._edition = edition
        self._customers = customers
        self._notifications = notifications
        self._sender = sender
        self._call = call
        self._last_try = last_try
        self.accepted = 0
        self.refused: list[Refused] = []

    async def known(self, customer_ids: list[str]) -> dict[str, Outcome]:
        """What became of those for whom a mail was sent or about to be, by this call or another.

        A mail that is still about to be sent is nobody's any more, since this attempt begins after
        the end of the one before. It is recorded as a failure here. Should its sender live all the
        same, cut off from Temporal, then what that one records later overwrites this.
        """
        outcomes: dict[str, Outcome] = {}
        for notification in await self._told(customer_ids):
            if notification.status == NotificationStatus.PENDING:
                reason = f"{UNKNOWN}its worker died before it could say"
                await self._settle(notification.id, NotificationStatus.FAILURE, reason)
            outcomes[str(notification.receiver_id)] = self._outcome(notification)
        return outcomes

    async def foreseen(self, customer_ids: list[str]) -> dict[str, Outcome]:
        """What would become of the readers, if the mail server took every mail."""
        told = await self._told(customer_ids)
        outcomes = {str(one.receiver_id): self._outcome(one) for one in told}
        keys = {one.idempotency_key for one in told}
        customers = {one.id: one for one in await self._customers.list(ids=customer_ids)}
        for customer_id in customer_ids:
            if customer_id in outcomes:
                continue
            customer = customers.get(customer_id)
            if customer is None or not _agrees(customer):
                outcomes[customer_id] = "withdrawn"
                continue
            try:
                key = newsletter_key(self._edition.week, parse_address(customer.email))
            except AddressInvalid:
                outcomes[customer_id] = "failed"
                continue
            outcomes[customer_id] = "earlier" if key in keys else "sent"
            keys.add(key)
        return outcomes

    async def send(self, customer_id: str, post: Post) -> Outcome:
        """Send the mail to one reader, if that one still wants it.

        Cancelled, it still brings to its end what has begun, and writes down how that ended.

        Raises:
            MailServerUnavailable: The server takes no mail now. This reader's may be sent again,
                unless its notification says that its outcome is unknown.
        """
        found = await self._customers.list(ids=[customer_id])
        if not found or not _agrees(found[0]):
            return "withdrawn"
        return await _to_its_end(self._send_to(found[0], post))

    async def forget_refusals(self) -> None:
        """Let the mails that the server refused in this attempt be sent again."""
        ids = [each.notification_id for each in self.refused if each.notification_id is not None]
        await self._written(
            lambda: self._notifications.release(
                ids, data=self._data("the mail server refused every mail")
            )
        )

    async def _send_to(self, customer: Customer, post: Post) -> Outcome:
        try:
            receiver = parse_address(customer.email)
        except AddressInvalid as error:
            return await self._give_up(customer, str(error))
        mail = newsletter_mail(
            self._edition,
            sender=self._sender,
            receiver=receiver,
            first_name=customer.first_name,
            date=datetime.now(UTC),
        )
        key = newsletter_key(self._edition.week, receiver)
        notification_id = await self._claim(
            customer, key, receiver.addr_spec, message_id(key, self._sender)
        )
        if notification_id is None:
            return "earlier"
        try:
            await post.send(mail)
        except MailRefused as error:
            return await self._refuse(notification_id, error)
        except MailServerUnavailable as error:
            await self._release(notification_id, str(error))
            raise
        except MailUncertain as error:
            reason = f"{UNKNOWN}the mail server didn't say whether it took it"
            await self._settle(notification_id, NotificationStatus.FAILURE, reason)
            raise MailServerUnavailable(
                f"the mail server got a mail and didn't say whether it takes it: {error}"
            ) from None
        self.accepted += 1
        await self._settle(notification_id, NotificationStatus.SUCCESS)
        return "sent"

    async def _refuse(self, notification_id: str, error: MailRefused) -> Outcome:
        if error.for_good or self._last_try:
            self.refused.append(Refused(notification_id, error.code))
            await self._settle(notification_id, NotificationStatus.FAILURE, error.reason)
            return "failed"
        self.refused.append(Refused(None, error.code))
        await self._release(notification_id, error.reason)
        return "deferred"

    async def _give_up(self, customer: Customer, reason: str) -> Outcome:
        """Record that a customer has no address that a mail could be sent to."""
        key = f"newsletter/{self._edition.week}/{customer.id}"
        notification_id = await self._claim(customer, key, customer.email or "", None)
        if notification_id is not None:
            await self._settle(notification_id, NotificationStatus.FAILURE, reason)
        return "failed"

    async def _told(self, customer_ids: list[str]) -> list[Notification]:
        return await self._notifications.retrieve_for(
            customer_ids, resource_type=RESOURCE, resource_id=self._edition.week
        )

    def _outcome(self, notification: Notification) -> Outcome:
        if notification.status != NotificationStatus.SUCCESS:
            return "failed"
        return "sent" if (notification.data or {}).get("call") == self._call else "earlier"

    async def _claim(
        self, customer: Customer, key: str, to: str, external_id: str | None
    ) -> str | None:
        return await self._notifications.claim(
            NewNotification(
                to=to,
                channel="email",
                template="weekly-newsletter",
                data=self._data(),
                resource_type=RESOURCE,
                resource_id=self._edition.week,
                receiver_id=customer.id,
                idempotency_key=key,
                external_id=external_id,
            )
        )

    async def _settle(
        self,
        notification_id: str,
        status: Literal[NotificationStatus.SUCCESS, NotificationStatus.FAILURE],
        reason: str | None = None,
    ) -> None:
        data = self._data(reason)
        await self._written(lambda: self._notifications.settle(notification_id, status, data=data))

    async def _release(self, notification_id: str, reason: str) -> None:
        data = self._data(reason)
        await self._written(lambda: self._notifications.release([notification_id], data=data))

    async def _written(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write down what became of a mail, patiently: what isn't written is known to nobody."""
        for pause in _SETTLE_PAUSES:
            try:
                return await write()
            except StoreUnavailable:
                await asyncio.sleep(pause)
        return await write()

    def _data(self, reason: str | None = None) -> dict[str, Any]:
        return {"call": self._call} | ({"reason": reason} if reason else {})


def _agrees(customer: Customer) -> bool:
    return (customer.metadata or {}).get("newsletter") is True


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Wait for the work; cancelled meanwhile, wait all the same, and only then leave."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen, so that nobody complains; the cancellation goes first
        raise
