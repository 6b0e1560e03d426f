"""Sends the newsletter to those who agreed to it, as the v2 guide of Medusa does."""

import asyncio
from datetime import datetime

from pydantic import BaseModel, Field
from temporalio import workflow

from euryale import Container, ScheduledJobConfig
from worker.services import QueryService
from worker.services.newsletter_mail import Edition, Offer, week_of
from workflows.send_newsletter import SendNewsletter, SendNewsletterInput, SendNewsletterResult

PAGE = 10_000
"""Readers of one child workflow, so that its history and its input stay small."""

OFFERS = 3

config = ScheduledJobConfig(
    name="send-weekly-newsletter",
    schedule="0 9 * * 1",
    time_zone="Europe/Berlin",
    description="Sends the newsletter, once a week to each reader.",
)


class Data(BaseModel):
    """Which edition: an ISO week; by default the one that the run was due in.

    A run that is started by hand goes on with an earlier edition by it: those who have that one
    don't get it again.
    """

    week: str | None = Field(default=None, pattern=r"^\d{4}-W\d{2}$")


async def handler(
    container: Container, data: Data, scheduled_for: datetime
) -> SendNewsletterResult:
    logger = container.resolve("logger")
    query = container.resolve(QueryService)

    newest = await query.graph(
        entity="product",
        fields=["title", "description"],
        filters={"status": "published"},
        pagination={"take": OFFERS, "order": {"created_at": "DESC"}},
    )
    edition = Edition(
        week=data.week or week_of(scheduled_for, str(config.time_zone)),
        offers=tuple(Offer.model_validate(product) for product in newest.data),
    )

    sending: list[workflow.ChildWorkflowHandle[SendNewsletter, SendNewsletterResult]] = []
    last: str | None = ""
    while last is not None:
        page = await query.graph(
            entity="customer",
            fields=["id"],
            filters={"metadata": {"newsletter": True}, "id": {"$gt": last}},
            pagination={"take": PAGE},
        )
        readers = [customer["id"] for customer in page.data]
        logger.info("found readers", readers=len(readers), edition=edition.week)
        sending.append(
            await workflow.start_child_workflow(
                SendNewsletter.run,
                SendNewsletterInput(edition=edition, customer_ids=readers),
                id=f"{workflow.info().workflow_id}/send-newsletter-{len(sending) + 1}",
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            )
        )
        last = readers[-1] if len(readers) == PAGE else None

    results = await asyncio.gather(*sending)
    total = SendNewsletterResult.total(results)
    logger.info("sent the newsletter", edition=edition.week, **total.model_dump())
    return total
