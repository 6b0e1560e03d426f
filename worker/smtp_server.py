"""Where mails go: a mail server, read from a URL."""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

Encryption = Literal["starttls", "tls", "none"]

_SCHEMES: dict[str, tuple[Encryption, int]] = {
    "smtp": ("starttls", 587),
    "smtps": ("tls", 465),
    "smtp+plain": ("none", 25),
}
"""What each scheme means, with the port that it has by default."""

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server and how it is talked to.

    Attributes:
        host: Its name or address.
        port: Its port.
        user: Who logs in; nobody where it is empty.
        password: With which password.
        encryption: `starttls` or `tls`, both with a verified certificate, or `none`.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    encryption: Encryption = "starttls"

    @property
    def place(self) -> str:
        """The server as a person would name it, without its password."""
        return f"{self.host}:{self.port}"


def parse_smtp_url(text: str) -> SmtpServer:
    """A mail server from a URL.

    `smtp://` insists on STARTTLS, `smtps://` is encrypted from the first byte, and both verify the
    server's certificate. `smtp+plain://` is not encrypted: it takes a password only to this
    machine.

    Raises:
        ValueError: It is no such URL. The message never repeats it, since it may hold a password.

    Example:
        >>> parse_smtp_url("smtp://shop:s%40fe@mail.example.com")
        SmtpServer(host='mail.example.com', port=587, user='shop', encryption='starttls')
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"the mail server's URL can't be parsed: {_MEND}") from None
    if parts.scheme not in _SCHEMES or not host or _has_more(parts):
        raise ValueError(f"the mail server's URL is none: {_MEND}")
    encryption, default_port = _SCHEMES[parts.scheme]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and encryption == "none" and host not in _THIS_MACHINE:
        raise ValueError(
            "the mail server's URL would send a password that anybody on the way can read: write "
            "smtp:// for STARTTLS, or smtps://"
        )
    return SmtpServer(host, port or default_port, user, password, encryption)


_MEND = (
    "write smtp://USER:PASSWORD@HOST:PORT (STARTTLS), smtps://… (TLS) or smtp+plain://HOST:PORT, "
    "with special characters in the password percent-encoded"
)


def _has_more(parts: SplitResult) -> bool:
    return bool(parts.path.strip("/") or parts.query or parts.fragment)
