"""Sending the newsletter: once to each reader, as far as mail allows."""

from datetime import timedelta
from typing import get_args

from pydantic import BaseModel, ConfigDict
from temporalio import activity

from euryale import Retry, StepResponse, idempotency_key, step
from worker.services import CustomerService, NotificationService
from worker.services.mail import Mailer, MailServerUnavailable
from worker.services.newsletter import NewsletterRound, Outcome
from worker.services.newsletter_mail import Edition
from worker.settings import Settings

_SERVERS_FAULT = 10
"""So many mails of an attempt refused, and none taken: that isn't the addresses' fault."""


class Batch(BaseModel):
    """Some readers of one edition.

    Attributes:
        customer_ids: The readers; they come first, since a rehearsal counts what comes first.
        edition: What they get.
        again: Whether the mail server put all of them off before.
        last_try: Whether those whom it puts off now are given up.
    """

    model_config = ConfigDict(frozen=True)

    customer_ids: list[str]
    edition: Edition
    again: bool = False
    last_try: bool = False


class BatchResult(BaseModel):
    """What became of the readers of a batch, by their ids.

    Attributes:
        sent: Who got the mail by this step.
        earlier: Who had it before, by another run or under another id.
        withdrawn: Who doesn't want it any more, or is gone.
        failed: Who doesn't get it; their notifications tell why.
        deferred: Whom the mail server puts off: they may get it later.
    """

    model_config = ConfigDict(frozen=True)

    sent: list[str]
    earlier: list[str]
    withdrawn: list[str]
    failed: list[str]
    deferred: list[str]


class NewsletterActivities:
    """Steps of the newsletter; the worker gives each call the shop's services."""

    def __init__(
        self,
        customers: CustomerService,
        notifications: NotificationService,
        mailer: Mailer,
        settings: Settings,
    ) -> None:
        self._customers = customers
        self._notifications = notifications
        self._mailer = mailer
        self._sender = settings.sender

    @activity.defn(name="newsletter.would-send")
    async def would_send(self, batch: Batch) -> BatchResult:
        """Say who would get the newsletter, and send nothing."""
        return _result(batch, await self._round(batch).foreseen(batch.customer_ids))

    # Slow on purpose: a hundred mails at the slowest pace that can be set take a quarter of an
    # hour. A worker that died is noticed much earlier, by its missing heartbeat. And a mail server
    # may be away for hours: sixty attempts are four and a half of them.
    @step(
        "newsletter.send",
        compensation=None,
        preview=would_send,
        timeout=timedelta(hours=1),
        retry=Retry(maximum_attempts=60),
        words="send {} mails",
    )
    async def send(self, batch: Batch) -> StepResponse[BatchResult, None]:
        """Send the edition to those of the batch who don't have it and still want it.

        Nobody gets it twice. SMTP can't be asked whether a mail was taken, so each mail is sent at
        most once: its notification is there, pending, before the mail leaves, and says afterwards
        how that ended. Where a worker died in between, the notification stays pending, and nobody
        knows whether the mail left. The next attempt records it as a failure of unknown outcome and
        doesn't repeat it: a reader without this newsletter is better than one who gets it twice.
        Mails that certainly were not taken are sent again: by the next attempt where the server
        takes none at all, in a later batch where it puts off single ones.

        A mail can't be taken back, so the step has no compensation: the report of an undo names it
        among what is left as it is. Its notifications stay as well. They are what keeps a repeated
        run of the same edition from sending anything again.
        """
        sending = self._round(batch)
        outcomes = await sending.known(batch.customer_ids)
        missing = [one for one in dict.fromkeys(batch.customer_ids) if one not in outcomes]
        if missing:
            async with self._mailer.open() as post:
                for customer_id in missing:
                    await self._mailer.turn()
                    outcomes[customer_id] = await sending.send(customer_id, post)
        if not (batch.again or sending.accepted) and len(sending.refused) >= _SERVERS_FAULT:
            # Recorded as failures, these would never be sent again.
            await sending.forget_refusals()
            raise MailServerUnavailable(
                f"the mail server refused all {len(sending.refused)} mails of this attempt, the "
                f"last one with {sending.refused[-1].code}"
            )
        return StepResponse(output=_result(batch, outcomes), undo=None)

    def _round(self, batch: Batch) -> NewsletterRound:
        return NewsletterRound(
            batch.edition,
            self._customers,
            self._notifications,
            sender=self._sender,
            # Previews are made outside of the step, and record nothing.
            call=idempotency_key(),
            last_try=batch.last_try,
        )


def _result(batch: Batch, outcomes: dict[str, Outcome]) -> BatchResult:
    found: dict[Outcome, list[str]] = {outcome: [] for outcome in get_args(Outcome)}
    for customer_id in dict.fromkeys(batch.customer_ids):
        found[outcomes[customer_id]].append(customer_id)
    return BatchResult(**found)
