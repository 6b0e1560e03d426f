"""The weekly newsletter: the real job on a real server, a real worker and a real mail server."""

import asyncio
import dataclasses
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from pydantic import SecretStr
from shop_support.mail_server import DROP, MailServer, mail_server
from sqlalchemy import insert, select, update
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.newsletter import Batch, BatchResult, NewsletterActivities
from euryale import EuryalePlugin, instance
from euryale.runs.run import start_run
from euryale.worker import make_worker
from worker.app import app
from worker.seed import NEWSLETTER_CUSTOMERS, seed
from worker.services import CustomerService, NotificationService
from worker.services.mailer import make_mailer
from worker.services.newsletter import UNKNOWN, NewsletterRound
from worker.services.newsletter_mail import Edition, Offer, week_of
from worker.settings import Settings
from worker.store import Store
from worker.store.tables import CustomerRow, NotificationRow, ProductRow
from workflows.send_newsletter import (
    SendNewsletter,
    SendNewsletterInput,
    SendNewsletterResult,
)

ROOT = Path(__file__).parents[3]
JOB = "send-weekly-newsletter"
WEEK = "2026-W47"
EDITION = Edition(week=WEEK, offers=(Offer(title="Olive Hemp Cap", description="A cap."),))

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as server:
        yield server


class Shop:
    """The shop with a worker, whose mails go to a server of the test's."""

    def __init__(self, client: Client, plugin: EuryalePlugin, store: Store) -> None:
        self._client, self._plugin, self._store = client, plugin, store
        self.notifications = NotificationService(store)

    async def run_job(self, **data: object) -> SendNewsletterResult:
        """Run the job to its end."""
        job = self._plugin.registry.job(JOB)
        run = await start_run(self._client, self._plugin.app, job, data)
        return SendNewsletterResult.model_validate(await run.result())

    async def send(self, customer_ids: list[str], *pauses: timedelta) -> SendNewsletterResult:
        """Run the workflow alone."""
        return await self._client.execute_workflow(
            SendNewsletter.run,
            SendNewsletterInput(edition=EDITION, customer_ids=customer_ids, pauses=pauses),
            id=f"newsletter-{uuid.uuid4()}",
            task_queue=self._plugin.app.queue,
        )

    async def add(self, *emails: str | None, newsletter: bool = True) -> list[str]:
        """Customers of these addresses."""
        rows = [
            {
                "id": f"cus_{number:03d}",
                "email": email,
                "first_name": "Ada",
                "has_account": bool(number % 2),
                "metadata": {"newsletter": newsletter},
            }
            for number, email in enumerate(emails)
        ]
        async with self._store.begin() as session:
            await session.execute(insert(CustomerRow.__table__), rows)  # type: ignore[arg-type]
        return [str(row["id"]) for row in rows]

    async def change(self, customer_id: str, **values: object) -> None:
        async with self._store.begin() as session:
            await session.execute(
                update(CustomerRow).where(CustomerRow.id == customer_id).values(**values)
            )

    async def told(self) -> dict[str, tuple[str, str]]:
        """By address: how its notification ended, and why."""
        found = await self.notifications.list()
        assert len({one.idempotency_key for one in found}) == len(found)
        return {
            one.to: (one.status.value, str((one.data or {}).get("reason", ""))) for one in found
        }


def settings_for(server: MailServer, database_url: str = "sqlite:///unused.db") -> Settings:
    return Settings(
        database_url=SecretStr(database_url),
        smtp_url=SecretStr(f"smtp+plain://127.0.0.1:{server.port}"),
        mail_from="The shop <news@shop.example>",
        mails_per_second=1_000,
    )


OpenShop = Callable[[MailServer], Awaitable[Shop]]


@pytest.fixture
async def open_shop(client: Client, database_url: str, store: Store) -> AsyncIterator[OpenShop]:
    async with AsyncExitStack() as stack:

        async def open_shop(server: MailServer) -> Shop:
            settings = settings_for(server, database_url)
            ours = dataclasses.replace(
                app,
                task_queue=f"shop-{uuid.uuid4()}",
                providers=[
                    instance(settings),
                    *(each for each in app.providers if each.provides is not Settings),
                ],
            )
            plugin = EuryalePlugin(ours, root=ROOT, apply_schedules=False)
            await stack.enter_async_context(make_worker(client, plugin))
            return Shop(client, plugin, store)

        yield open_shop


@pytest.fixture
async def shop(open_shop: OpenShop, server: MailServer) -> Shop:
    return await open_shop(server)


# --- The whole job ----------------------------------------------------------------------------


async def test_every_subscriber_gets_the_newsletter_once_however_often_the_job_runs(
    shop: Shop, server: MailServer, store: Store
) -> None:
    await seed(store)
    assert await shop.run_job(week=WEEK) == SendNewsletterResult(sent=NEWSLETTER_CUSTOMERS)
    assert len(server.receivers) == NEWSLETTER_CUSTOMERS
    assert set(server.receivers.values()) == {1}
    async with store.session() as session:
        agreed = await session.scalars(
            select(CustomerRow.email).where(
                CustomerRow.metadata_["newsletter"].as_boolean().is_(True)
            )
        )
        assert set(server.receivers) == set(agreed)
    told = await shop.told()
    assert Counter(told.values()) == {("success", ""): NEWSLETTER_CUSTOMERS}
    # One connection carries a batch.
    assert server.connections == 5

    assert await shop.run_job(week=WEEK) == SendNewsletterResult(earlier=NEWSLETTER_CUSTOMERS)
    assert len(server.mails) == NEWSLETTER_CUSTOMERS
    assert await shop.told() == told


async def test_a_mail_shows_the_newest_products_and_how_to_get_no_more(
    shop: Shop, server: MailServer, store: Store
) -> None:
    await shop.add("ada@example.com", "bob@example.com")
    async with store.begin() as session:
        for day in range(1, 6):
            status = "draft" if day == 5 else "published"
            made = datetime(2026, 11, day, tzinfo=UTC)
            title = f"Cap {day}"
            values = {"title": title, "handle": title, "status": status, "created_at": made}
            await session.execute(insert(ProductRow).values(values))
    await shop.run_job(week=WEEK)
    # Another edition is another newsletter.
    await shop.run_job(week="2026-W48")
    mail = server.mails[0]
    (notification,) = [
        one for one in await shop.notifications.list(resource_id=WEEK) if one.to == mail["To"]
    ]
    assert mail["From"] == "The shop <news@shop.example>"
    assert mail["Subject"] == f"New in the shop: {WEEK}"
    assert mail["Message-ID"] == notification.external_id
    assert mail["List-Unsubscribe"] == "<mailto:news@shop.example?subject=unsubscribe>"
    text, html = (
        part.get_content() for part in mail.iter_parts() if isinstance(part, EmailMessage)
    )
    assert [line for line in text.splitlines() if line.startswith("- ")] == [
        "- Cap 4",
        "- Cap 3",
        "- Cap 2",
    ]
    assert html.count("<li>") == 3
    assert "write to news@shop.example" in text
    assert len({mail["Message-ID"] for mail in server.mails}) == 4


async def test_without_data_the_edition_is_the_week_of_the_run(
    shop: Shop, server: MailServer
) -> None:
    await shop.add("ada@example.com")
    # Around midnight on a Sunday it may be either.
    weeks = {week_of(datetime.now(UTC), "Europe/Berlin")}
    assert (await shop.run_job()).sent == 1
    weeks.add(week_of(datetime.now(UTC), "Europe/Berlin"))
    assert server.mails[0]["Subject"].removeprefix("New in the shop: ") in weeks


def test_the_edition_is_the_week_that_the_run_was_due_in_where_the_job_is() -> None:
    # In Berlin it is Monday already.
    assert week_of(datetime(2026, 11, 15, 23, 30, tzinfo=UTC), "Europe/Berlin") == "2026-W47"
    assert week_of(datetime(2026, 11, 15, 22, 30, tzinfo=UTC), "Europe/Berlin") == "2026-W46"
    assert week_of(datetime(2027, 1, 3, 12, tzinfo=UTC), "Europe/Berlin") == "2026-W53"


# --- Readers who don't get it -----------------------------------------------------------------


async def test_bad_addresses_are_recorded_and_skipped(shop: Shop, server: MailServer) -> None:
    bad = ["ada.example.com", "ada@example.com\r\nBcc: eve@example.com", "ä@example.com", None]
    ids = await shop.add("ada@example.com", *bad, "gone@example.com", "bob@example.com")
    server.always["gone@example.com"] = "550 5.1.1 no such user gone@example.com"
    assert await shop.send(ids) == SendNewsletterResult(sent=2, failed=5)
    assert server.receivers == {"ada@example.com": 1, "bob@example.com": 1}
    told = await shop.told()
    assert told["gone@example.com"] == ("failure", "550 5.1.1 no such user gone@example.com")
    for address in bad:
        status, reason = told[address or ""]
        assert status == "failure"
        assert "address" in reason
    # They aren't asked for again.
    assert await shop.send(ids) == SendNewsletterResult(earlier=2, failed=5)
    assert server.asked["gone@example.com"] == 1


async def test_who_withdraws_before_the_mail_leaves_gets_none(
    shop: Shop, server: MailServer
) -> None:
    ids = await shop.add("ada@example.com", "bob@example.com", "eve@example.com")
    await shop.change(ids[0], metadata_={"newsletter": False})
    await shop.change(ids[1], deleted_at=datetime.now(UTC))
    assert await shop.send(ids) == SendNewsletterResult(sent=1, withdrawn=2)
    assert server.receivers == {"eve@example.com": 1}
    assert set(await shop.told()) == {"eve@example.com"}


async def test_a_reader_with_two_customer_records_gets_one_mail(
    shop: Shop, server: MailServer
) -> None:
    ids = await shop.add("ada@example.com", "Ada@Example.com")
    assert await shop.send(ids) == SendNewsletterResult(sent=1, earlier=1)
    assert len(server.mails) == 1


# --- A mail server that misbehaves ------------------------------------------------------------


async def test_readers_that_the_server_puts_off_get_it_later_and_hold_up_nobody(
    shop: Shop, server: MailServer
) -> None:
    ids = await shop.add("ada@example.com", "full@example.com", "bob@example.com")
    server.to_receiver["ada@example.com"] = ["451 4.7.1 greylisted", "451 4.7.1 greylisted"]
    server.always["full@example.com"] = "452 4.2.2 mailbox full"
    pause = timedelta(milliseconds=50)
    assert await shop.send(ids, pause, pause) == SendNewsletterResult(sent=2, failed=1)
    assert [mail["To"] for mail in server.mails] == ["bob@example.com", "ada@example.com"]
    assert server.asked["full@example.com"] == 3
    assert await shop.told() == {
        "ada@example.com": ("success", ""),
        "bob@example.com": ("success", ""),
        "full@example.com": ("failure", "452 4.2.2 mailbox full"),
    }


@pytest.mark.parametrize("trouble", ["421 4.3.2 shutting down", DROP, "550 5.7.1 who are you"])
async def test_a_server_that_takes_no_mail_for_a_while_is_asked_again(
    shop: Shop, server: MailServer, trouble: str
) -> None:
    ids = await shop.add("ada@example.com", "bob@example.com", "eve@example.com")
    server.to_sender = ["250 OK", trouble, trouble]
    assert await shop.send(ids) == SendNewsletterResult(sent=3)
    assert server.receivers == dict.fromkeys(await shop.told(), 1)
    assert not server.to_sender


async def test_a_connection_that_ends_before_the_mail_is_handed_over_costs_nobody_the_mail(
    shop: Shop, server: MailServer
) -> None:
    ids = await shop.add("ada@example.com", "bob@example.com")
    server.to_receiver["ada@example.com"] = [DROP]
    server.to_receiver["bob@example.com"] = [DROP, DROP]
    assert await shop.send(ids) == SendNewsletterResult(sent=2)
    assert server.receivers == {"ada@example.com": 1, "bob@example.com": 1}


async def test_a_server_that_takes_few_mails_a_connection_gets_more_connections(
    shop: Shop, server: MailServer
) -> None:
    server.mails_a_connection = 2
    ids = await shop.add(*(f"reader{number}@example.com" for number in range(7)))
    assert await shop.send(ids) == SendNewsletterResult(sent=7)
    assert server.connections == 4
    assert set(server.receivers.values()) == {1}


async def test_a_mail_that_may_have_been_taken_is_not_repeated(
    shop: Shop, server: MailServer
) -> None:
    ids = await shop.add("ada@example.com", "bob@example.com", "eve@example.com")
    server.to_mail["bob@example.com"] = [DROP]
    assert await shop.send(ids) == SendNewsletterResult(sent=2, failed=1)
    # This one was taken indeed; the shop can't know.
    assert server.receivers == {f"{name}@example.com": 1 for name in ("ada", "bob", "eve")}
    status, reason = (await shop.told())["bob@example.com"]
    assert status == "failure"
    assert reason.startswith(UNKNOWN)


async def test_a_server_that_refuses_everybody_costs_nobody_the_newsletter(
    shop: Shop, server: MailServer
) -> None:
    addresses = [f"reader{number}@example.com" for number in range(12)]
    ids = await shop.add(*addresses)
    for address in addresses:
        server.to_receiver[address] = ["554 relay access denied"]
    assert await shop.send(ids) == SendNewsletterResult(sent=12)
    assert set(server.receivers.values()) == {1}
    assert set((await shop.told()).values()) == {("success", "")}


# --- Attempts that died -----------------------------------------------------------------------


async def test_what_a_dead_worker_was_about_to_send_is_recorded_and_not_repeated(
    shop: Shop, server: MailServer, store: Store
) -> None:
    ids = await shop.add("ada@example.com", "bob@example.com")
    await shop.send(ids[:1])
    async with store.begin() as session:
        # As the row looks between its making and the answer of the mail server.
        await session.execute(update(NotificationRow).values(status="pending"))
    assert await shop.send(ids) == SendNewsletterResult(sent=1, failed=1)
    assert server.receivers == {"ada@example.com": 1, "bob@example.com": 1}
    status, reason = (await shop.told())["ada@example.com"]
    assert status == "failure"
    assert reason.startswith(UNKNOWN)


async def test_who_is_stopped_while_a_mail_is_on_its_way_still_writes_down_how_that_ended(
    shop: Shop, server: MailServer, store: Store
) -> None:
    (customer_id,) = await shop.add("ada@example.com")
    hold = server.hold(1)
    settings = settings_for(server)
    sending = NewsletterRound(
        EDITION,
        CustomerService(store),
        shop.notifications,
        sender=settings.sender,
        call="a-call",
        last_try=False,
    )
    async with make_mailer(settings).open() as post:
        task = asyncio.ensure_future(sending.send(customer_id, post))
        await server.until(1)
        task.cancel()
        await asyncio.sleep(0)
        assert (await shop.told())["ada@example.com"] == ("pending", "")
        hold.set()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await shop.told())["ada@example.com"] == ("success", "")


async def test_a_rehearsal_foresees_what_the_step_then_does_and_sends_nothing(
    shop: Shop, server: MailServer, store: Store
) -> None:
    emails = ("ada@example.com", "ADA@example.com", "bad", "bob@example.com", "eve@example.com")
    ids = await shop.add(*emails)
    await shop.change(ids[3], metadata_=None)
    await shop.send(ids[4:])
    settings = settings_for(server)
    activities = NewsletterActivities(
        CustomerService(store), shop.notifications, make_mailer(settings), settings
    )
    batch = Batch(edition=EDITION, customer_ids=ids)
    foreseen = await ActivityEnvironment().run(activities.would_send, batch)
    assert (len(server.mails), len(await shop.told())) == (1, 1)
    assert foreseen == BatchResult(
        sent=[ids[0]], earlier=[ids[1], ids[4]], failed=[ids[2]], withdrawn=[ids[3]], deferred=[]
    )
    done = await ActivityEnvironment().run(activities.send, batch)
    assert done.output == foreseen
