"""A real mail server that can be told to misbehave."""

import asyncio
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER, PASSWORD = "shop", "hunter2&co"

DROP = "drop"
"""In place of an answer: end the connection without a word."""


class MailServer:
    """Takes mails, and answers as it is told to, by address and once each.

    Attributes:
        port: Where it listens.
        mails: What it took, in the order of arrival: also where it then gave no answer.
        to_sender: Its next answers to `MAIL FROM`.
        to_receiver: Its next answers to `RCPT TO`, by address.
        to_mail: Its next answers to a mail's end, by the address it is for.
        always: Its answers to `RCPT TO` that don't change, by address; `""` stands for all.
        connections: How many clients it saw.
        logins: How many passwords it was told.
        mails_a_connection: After so many it ends a connection.
    """

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.to_sender: list[str] = []
        self.to_receiver: defaultdict[str, list[str]] = defaultdict(list)
        self.to_mail: defaultdict[str, list[str]] = defaultdict(list)
        self.always: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.logins = 0
        self.mails_a_connection = 0
        self.answered = 0
        self._holds: dict[int, asyncio.Event] = {}
        self._changed = asyncio.Event()

    @property
    def receivers(self) -> Counter[str]:
        """How many mails each address got."""
        return Counter(mail["To"] for mail in self.mails)

    def hold(self, number: int) -> asyncio.Event:
        """Leave the mail of that number, counted from 1, unanswered until the event is set."""
        return self._holds.setdefault(number, asyncio.Event())

    async def until(self, mails: int) -> None:
        """Wait for so many mails to have arrived, answered or not."""
        while len(self.mails) < mails:
            self._changed.clear()
            await self._changed.wait()

    async def until_answered(self, mails: int) -> None:
        """Wait for so many mails to have been answered."""
        while self.answered < mails:
            self._changed.clear()
            await self._changed.wait()

    # What aiosmtpd calls.

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, answers: list[str]
    ) -> list[str]:
        self.connections += 1
        cast("Any", session).host_name = hostname
        cast("Any", session).taken = 0
        return answers

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mails_a_connection and session.taken >= self.mails_a_connection:
            return await self._answer(server, "421 4.7.0 too many mails in one connection")
        told = await self._answer(server, self.to_sender.pop(0) if self.to_sender else "250 OK")
        if told.startswith("250"):
            envelope.mail_from = address
        return told

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.asked[address] += 1
        answers = self.to_receiver[address]
        usual = self.always.get(address, self.always.get("", "250 OK"))
        told = await self._answer(server, answers.pop(0) if answers else usual)
        if told.startswith("250"):
            envelope.rcpt_tos.append(address)
        return told

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Envelope) -> str:  # noqa: N802
        (receiver,) = envelope.rcpt_tos
        answers = self.to_mail[receiver]
        answer = answers.pop(0) if answers else "250 OK"
        if answer == DROP or answer.startswith("250"):
            session.taken += 1
            content = cast("bytes", envelope.content)
            self.mails.append(message_from_bytes(content, EmailMessage, policy=policy.default))
            self._changed.set()
            if len(self.mails) in self._holds:
                await self._holds[len(self.mails)].wait()
        self.answered += 1
        self._changed.set()
        return await self._answer(server, answer)

    async def _answer(self, server: Any, answer: str) -> str:
        if answer == DROP:
            server.transport.abort()
        elif answer.startswith("421"):
            # As RFC 5321 has it, the connection ends with this answer.
            await server.push(answer)
            server.transport.close()
        return answer

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any
    ) -> AuthResult:
        self.logins += 1
        right = isinstance(given, LoginPassword) and given == LoginPassword(
            USER.encode(), PASSWORD.encode()
        )
        return AuthResult(success=right, handled=False)


@asynccontextmanager
async def mail_server(
    *,
    tls: ssl.SSLContext | None = None,
    starttls: ssl.SSLContext | None = None,
    login: bool = False,
) -> AsyncIterator[MailServer]:
    """A mail server on a free port.

    Args:
        tls: Encrypts from the first byte on.
        starttls: Encrypts what asks for it, and insists on it.
        login: Whether a password is wanted.
    """
    handler = MailServer()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            handler,
            hostname="mail.shop.example",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=handler.authenticate,
            auth_required=login,
            auth_require_tls=True,
            loop=loop,
        ),
        host="127.0.0.1",
        port=0,
        ssl=tls,
    )
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()
