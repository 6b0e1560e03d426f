"""Mails on their way out: how they are written, their pace, and what can go wrong.

What matters about a failure is whether the mail may have arrived all the same. So there are three:
this mail was not taken, no mail is taken now, and nobody knows.
"""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from email.message import EmailMessage
from email.policy import SMTP
from typing import Protocol

from worker.settings import Settings

MAIL_POLICY = SMTP.clone(cte_type="7bit")
"""How mails are made: a header with a line break in it is refused, the text is plain ASCII."""

_WIRE = MAIL_POLICY.clone(max_line_length=998)
"""How they are sent: a long header stays in one line, which RFC 5322 allows. Broken up, addresses
in `List-Unsubscribe` would be encoded, and no mail program would find them."""


class MailRefused(Exception):
    """The server didn't take this mail; it was not delivered.

    Attributes:
        code: The code of the server's answer.
        reason: The whole answer. It may repeat the address.
        for_good: Whether asking again won't help.
    """

    def __init__(self, code: int, text: str, *, for_good: bool) -> None:
        super().__init__(f"the mail server refused a mail with {code}")
        self.code = code
        self.reason = " ".join(f"{code} {text}".split())
        self.for_good = for_good


class MailServerUnavailable(Exception):
    """The server takes no mail at all now; the one that was on its way was not delivered."""


class MailUncertain(Exception):
    """The server got the mail and didn't say whether it takes it: it may have been delivered."""


class Post(Protocol):
    """An open way out for mails, one at a time."""

    async def send(self, mail: EmailMessage) -> None:
        """Hand a mail over to the one address in its `To`.

        Raises:
            MailRefused: This mail is not taken.
            MailServerUnavailable: None is.
            MailUncertain: It may have been taken or not.
        """


class Mailer(ABC):
    """Sends mails, each worker's no faster than the settings say; made once a process."""

    def __init__(self, settings: Settings) -> None:
        self._interval = 1 / settings.mails_per_second
        self._next = 0.0

    @abstractmethod
    def open(self) -> contextlib.AbstractAsyncContextManager[Post]:
        """A way out for some mails.

        Raises:
            MailServerUnavailable: There is none now.
        """

    async def turn(self) -> None:
        """Wait until the next mail may leave."""
        now = asyncio.get_running_loop().time()
        # The place in the queue is taken before the wait, so that those who wait side by side
        # leave one after the other.
        due = max(now, self._next)
        self._next = due + self._interval
        await asyncio.sleep(due - now)


def wire_bytes(mail: EmailMessage) -> bytes:
    """A mail as it goes over the wire, lines ended by CR and LF."""
    return mail.as_bytes(policy=_WIRE)
