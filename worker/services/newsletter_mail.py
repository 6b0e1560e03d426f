"""The newsletter as a mail: its text, its HTML, and the headers that a newsletter has."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from html import escape
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from worker.services.mail import MAIL_POLICY


class Offer(BaseModel):
    """A product that the newsletter shows."""

    model_config = ConfigDict(frozen=True)

    title: str
    description: str | None = None


class Edition(BaseModel):
    """One newsletter, the same for all its readers.

    Attributes:
        week: The ISO week that it is for, such as `2026-W47`.
        offers: The products that it shows.
    """

    model_config = ConfigDict(frozen=True)

    week: str
    offers: tuple[Offer, ...] = ()


def week_of(moment: datetime, time_zone: str) -> str:
    """The ISO week of a time where the clocks show that zone's.

    Example:
        >>> from datetime import UTC
        >>> week_of(datetime(2026, 11, 15, 23, 30, tzinfo=UTC), "Europe/Berlin")
        '2026-W47'
    """
    year, week, _ = moment.astimezone(ZoneInfo(time_zone)).isocalendar()
    return f"{year}-W{week:02d}"


def newsletter_key(week: str, address: Address) -> str:
    """The idempotency key of one week's edition to one address.

    The address counts and not the customer: who bought as a guest and has an account is two
    customers, and one reader. It is hashed, since keys get into logs.

    Example:
        >>> newsletter_key("2026-W47", Address(addr_spec="Ada@shop.example"))
        'newsletter/2026-W47/a4c14f1b068bf2c602e289b5dfcd8908'
    """
    digest = hashlib.sha256(address.addr_spec.casefold().encode()).hexdigest()
    return f"newsletter/{week}/{digest[:32]}"


def message_id(key: str, sender: Address) -> str:
    """The Message-ID of the mail of that key: the same however often it is made.

    A receiver's mail server may know by it that it has the mail already, and the shop's own finds
    it in its log.
    """
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.domain}>"


def newsletter_mail(
    edition: Edition,
    *,
    sender: Address,
    receiver: Address,
    first_name: str | None,
    date: datetime,
) -> EmailMessage:
    """One edition for one reader, as plain text and as HTML.

    Args:
        edition: What is new in the shop.
        sender: Who the mail is from.
        receiver: Who it is for.
        first_name: How the reader is greeted, if that is known.
        date: When it is sent.
    """
    name, subject = _one_line(first_name) or "and welcome", f"New in the shop: {edition.week}"
    farewell = f"You get this because you agreed to it. To get no more, write to {sender.addr_spec}"
    mail = EmailMessage(policy=MAIL_POLICY)
    mail["From"], mail["To"], mail["Subject"] = sender, receiver, subject
    mail["Date"] = date
    mail["Message-ID"] = message_id(newsletter_key(edition.week, receiver), sender)
    mail["List-Unsubscribe"] = f"<{_unsubscribe(sender)}>"
    # RFC 3834: nobody's absence note answers this.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(name, edition.offers, farewell))
    mail.add_alternative(
        _html(subject, name, edition.offers, farewell, _unsubscribe(sender)), subtype="html"
    )
    return mail


def _unsubscribe(sender: Address) -> str:
    return f"mailto:{quote(sender.addr_spec, safe='@')}?subject=unsubscribe"


def _text(name: str, offers: Sequence[Offer], farewell: str) -> str:
    lines = [f"Hello {name},", "", "new in the shop:", ""]
    lines += [f"- {_described(offer)}" for offer in offers] or ["- nothing this week"]
    return "\n".join([*lines, "", "-- ", f"{farewell}.", ""])


def _html(subject: str, name: str, offers: Sequence[Offer], farewell: str, unsubscribe: str) -> str:
    items = "\n".join(f"<li>{escape(_described(offer))}</li>" for offer in offers)
    return f"""\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{escape(subject)}</title></head>
<body>
<p>Hello {escape(name)},</p>
<p>new in the shop:</p>
<ul>
{items or "<li>nothing this week</li>"}
</ul>
<p><small>{escape(farewell)}, or <a href="{escape(unsubscribe)}">unsubscribe</a>.</small></p>
</body>
</html>
"""


def _described(offer: Offer) -> str:
    parts = (_one_line(offer.title), _one_line(offer.description))
    return ": ".join(part for part in parts if part)


def _one_line(text: str | None) -> str:
    """What a customer or an editor wrote, without line breaks and control characters."""
    printable = (character if character.isprintable() else " " for character in text or "")
    return " ".join("".join(printable).split())
