"""Mails over SMTP, one connection for several of them."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable
from email.message import EmailMessage
from typing import TypeVar

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)
from aiosmtplib.response import SMTPResponse

from worker.services.mail import (
    Mailer,
    MailRefused,
    MailServerUnavailable,
    MailUncertain,
    wire_bytes,
)
from worker.settings import Settings
from worker.smtp_server import SmtpServer

T = TypeVar("T")

_COMMAND_SECONDS = 30.0
"""How long a server may take for an answer, but the one to a mail's end."""

_ACCEPT_SECONDS = 300.0
"""How long it may think about a mail that it has got: a filter reads it meanwhile. Whoever gives up
here doesn't know what became of the mail, so it is long; RFC 5321 asks for ten minutes."""

_GO_ON = 354
_CLOSING = 421
_FAILED_FOR_GOOD = 500
_LOGIN_WANTED = (530, 534, 535, 538)

_POLICY = "5.7."
"""Enhanced codes (RFC 3463) of a refusal by policy: as a rule the sender lacks a permission, and
nothing is wrong with the address."""


class _Lost(Exception):
    """The connection ended before the mail was handed over."""


class SmtpMailer(Mailer):
    """Sends mails to a mail server."""

    def __init__(self, settings: Settings, server: SmtpServer) -> None:
        super().__init__(settings)
        self._server = server
        # Made once: it reads the certificates that this machine trusts.
        self._tls = ssl.create_default_context()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["SmtpPost"]:
        """A connection, logged in where the server's URL names a user."""
        post = SmtpPost(self._server, self._tls)
        try:
            await post.connect()
            yield post
        finally:
            await post.close()


class SmtpPost:
    """A connection that is made anew where the server ends it between two mails."""

    def __init__(self, server: SmtpServer, tls: ssl.SSLContext) -> None:
        self._server = server
        self._client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            use_tls=server.encryption == "tls",
            start_tls=server.encryption == "starttls",
            tls_context=None if server.encryption == "none" else tls,
            timeout=_COMMAND_SECONDS,
        )
        self._used = False

    async def connect(self) -> None:
        """Connect and log in.

        Raises:
            MailServerUnavailable: The server isn't there, can't prove who it is, or lets nobody in.
        """
        try:
            await self._client.connect()
        except SMTPResponseException as error:
            # Its words could repeat the user's name.
            raise self._unavailable(f"answers {error.code} to who wants to send") from None
        except (SMTPException, OSError) as error:
            raise self._unavailable(_trouble(error)) from None
        self._used = False

    async def send(self, mail: EmailMessage) -> None:
        """See `Post`."""
        # Many servers end a connection after some number of mails; with a new one all is well.
        if self._used:
            try:
                await self._offer(mail)
            except _Lost:
                self._client.close()
            else:
                return await self._hand_over(mail)
        if not self._client.is_connected:
            await self.connect()
        try:
            await self._offer(mail)
        except _Lost as error:
            raise self._unavailable(f"ended the connection: {error}") from None
        return await self._hand_over(mail)

    async def close(self) -> None:
        """Take leave of the server; whatever it answers."""
        with contextlib.suppress(SMTPException, OSError):
            if self._client.is_connected:
                await self._client.quit()
        self._client.close()

    async def _offer(self, mail: EmailMessage) -> None:
        """Everything before the mail itself; what ends here was not delivered.

        Raises:
            _Lost: The connection ended, or the server is about to end it.
            MailRefused: The receiver or the mail is refused.
            MailServerUnavailable: The sender is.
        """
        client, sender = self._client, mail["From"].addresses[0].addr_spec
        (receiver,) = mail["To"].addresses
        if self._used:
            await self._answer(client.rset())
        self._used = True
        try:
            await self._answer(client.mail(sender))
        except MailRefused as error:
            raise self._unavailable(f"answers {error.code} to the sender {sender}") from None
        await self._answer(client.rcpt(receiver.addr_spec))
        response = await self._answer(client.execute_command(b"DATA"))
        if response.code == _CLOSING:
            raise _Lost(f"{_CLOSING}")
        self._refuse_unless(_GO_ON, response)

    async def _answer(self, command: Awaitable[T]) -> T:
        try:
            return await command
        except SMTPResponseException as error:
            if error.code == _CLOSING:
                raise _Lost(f"{_CLOSING}") from None
            raise self._refusal(error.code, error.message) from None
        except (SMTPServerDisconnected, SMTPTimeoutError, OSError) as error:
            raise _Lost(_kind(error)) from None

    async def _hand_over(self, mail: EmailMessage) -> None:
        """The mail itself.

        aiosmtplib's own `data` doesn't tell whether a connection ended before the mail's end or
        after it, on which all depends: so its two halves are apart here.

        Raises:
            MailRefused: The server doesn't take it.
            MailUncertain: It doesn't say.
        """
        protocol = self._client.protocol
        if protocol is None:
            raise self._unavailable("ended the connection")
        try:
            protocol.write(_with_end(wire_bytes(mail)))
            response = await protocol.read_response(timeout=_ACCEPT_SECONDS)
        except SMTPResponseException as error:
            # No answer that SMTP knows.
            self._client.close()
            raise MailUncertain(f"it answered {error.code}") from None
        except (SMTPException, OSError) as error:
            self._client.close()
            raise MailUncertain(_kind(error)) from None
        except BaseException:
            self._client.close()
            raise
        self._refuse_unless(250, response)

    def _refuse_unless(self, wanted: int, response: SMTPResponse) -> None:
        if response.code != wanted:
            raise self._refusal(response.code, response.message)

    def _refusal(self, code: int, text: str) -> MailRefused | MailServerUnavailable:
        """What a server's answer means."""
        if code == _CLOSING or code in _LOGIN_WANTED:
            self._client.close()
            return self._unavailable(f"answers {code}")
        # The first word can be an enhanced code, which tells more than the three digits.
        for_good = code >= _FAILED_FOR_GOOD and not text.startswith(_POLICY)
        return MailRefused(code, text, for_good=for_good)

    def _unavailable(self, what: str) -> MailServerUnavailable:
        return MailServerUnavailable(f"the mail server at {self._server.place} {what}")


def _with_end(mail: bytes) -> bytes:
    """A mail with the line that ends it; lines that begin with a dot get another one (RFC 5321)."""
    lines = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
    stuffed = (b"\r\n" + lines).replace(b"\r\n.", b"\r\n..")
    return stuffed[2:] + b".\r\n"


def _trouble(error: Exception) -> str:
    """Why there is no connection."""
    reason = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"can't prove who it is: {reason.verify_message}"
    if isinstance(reason, ssl.SSLError):
        return f"doesn't speak TLS: {reason.reason}"
    # No password can be in it: the server's own words are told by their code alone.
    return f"can't be used: {error}"


def _kind(error: BaseException) -> str:
    """What went wrong, in words that nobody's data are in."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
