"""The workflow that sends the newsletter, batch by batch."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from pydantic import BaseModel
from temporalio import workflow

from activities.newsletter import Batch, NewsletterActivities
from euryale import Saga
from worker.services.newsletter_mail import Edition

BATCH = 100
"""Mails in one step: few enough to tell often how far it is, and one connection carries them."""

PAUSES = (timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
"""How long those wait for their next try whom the mail server puts off: a mailbox that is full, or
a server that doesn't know the shop yet."""


class SendNewsletterInput(BaseModel):
    """What to send to whom.

    Attributes:
        edition: The newsletter.
        customer_ids: The readers, ten thousand at the most; without those who withdraw meanwhile.
        pauses: How long those wait whom the mail server puts off; after the last one's end they are
            given up.
    """

    edition: Edition
    customer_ids: list[str]
    pauses: tuple[timedelta, ...] = PAUSES


class SendNewsletterResult(BaseModel):
    """How many readers got the mail now, had it before, don't want it any more, don't get it."""

    sent: int = 0
    earlier: int = 0
    withdrawn: int = 0
    failed: int = 0

    @classmethod
    def total(cls, results: Iterable["SendNewsletterResult"]) -> "SendNewsletterResult":
        """The sums of several."""
        counts: Counter[str] = Counter()
        for result in results:
            counts.update(result.model_dump())
        return cls(**counts)


@workflow.defn(name="send-newsletter")
class SendNewsletter:
    """Sends one edition to its readers; who has it already doesn't get it again."""

    @workflow.run
    async def run(self, input: SendNewsletterInput) -> SendNewsletterResult:  # noqa: A002 -- Temporal's name
        """Send the newsletter."""
        counts: Counter[str] = Counter()
        waiting, pauses = input.customer_ids, list(input.pauses)
        async with Saga() as saga:
            again = False
            while waiting:
                deferred: list[str] = []
                for start in range(0, len(waiting), BATCH):
                    batch = Batch(
                        customer_ids=waiting[start : start + BATCH],
                        edition=input.edition,
                        again=again,
                        last_try=not pauses,
                    )
                    result = await saga.step(
                        NewsletterActivities.send,
                        batch,
                        summary=f"{len(batch.customer_ids)} readers of {input.edition.week}",
                    )
                    for outcome in SendNewsletterResult.model_fields:
                        counts[outcome] += len(getattr(result, outcome))
                    deferred += result.deferred
                waiting, again = deferred, True
                if waiting:
                    await workflow.sleep(pauses.pop(0))
        return SendNewsletterResult(**counts)
