"""Where the watchdog's findings go: a log, a webhook, mail.

A hook lives on the worker. Its addresses and secrets are in no history and no log line: the
watchdog's workflow knows it by its name alone, and what goes wrong is told without its URL.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Protocol
from urllib.parse import urlsplit

import structlog

from euryale.errors import WatchdogInvalid
from euryale.watchdog.watch import Finding

_TIMEOUT = 8.0
"""Seconds that one call of a hook may take."""

_PASSING = (408, 425, 429)
"""Refusals of a web server that are none for good, beside its own errors."""

_REDIRECTED, _SERVER_ERROR = 300, 500

_REFUSED_FOR_GOOD = 500
"""From here on a mail server's answers mean that repeating won't help."""


class HookFailed(Exception):
    """A hook could not deliver; `for_good` where repeating wouldn't help.

    The message has nothing in it that may be secret.
    """

    def __init__(self, message: str, *, for_good: bool = False) -> None:
        super().__init__(message)
        self.for_good = for_good


class Hook(Protocol):
    """What takes findings. An application may bring hooks of its own."""

    @property
    def name(self) -> str:
        """What tells it from the application's other hooks."""

    @property
    def together(self) -> bool:
        """Whether it takes all findings of a look at once, rather than one a call."""

    async def tell(self, findings: Sequence[Finding]) -> None:
        """Deliver findings, in at most 10 seconds.

        A delivery that may have arrived is repeated when its answer doesn't come; `Finding.key`
        stays the same.

        Raises:
            HookFailed: It could not. Any other exception means the same, and only its class is
                told.
        """


@dataclass(frozen=True)
class LogHook:
    """Writes a line for each finding into the worker's log.

    A warning with the action `watchdog_missing`, `watchdog_late`, `watchdog_failing` or
    `watchdog_running_long`; an informational one with `watchdog_recovered`.

    Attributes:
        name: What tells it from other hooks.
    """

    name: str = "log"
    together: ClassVar[bool] = True

    async def tell(self, findings: Sequence[Finding]) -> None:
        """Write the lines."""
        log = structlog.get_logger("euryale.watchdog")
        for finding in findings:
            write = log.info if finding.kind == "recovered" else log.warning
            told = as_dict(finding)
            write(told.pop("message"), action=f"watchdog_{told.pop('kind')}", **told)


@dataclass(frozen=True)
class WebhookHook:
    """Sends each finding as a JSON object by POST.

    The object's fields are those of a `Finding`, and `key`, which is also the `Idempotency-Key`
    header: it is the same when a finding is sent again. An answer of 300 or more is a failure; of
    408, 425, 429 and 500 or more, one that may pass.

    Attributes:
        url: Where to; may hold a token.
        headers: Headers of the request, such as one that authorizes it.
        name: What tells it from other hooks.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    name: str = "webhook"
    together: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_url(self.url, where="WebhookHook(url=…)")
        _check_package("httpx", where="WebhookHook(…)")

    async def tell(self, findings: Sequence[Finding]) -> None:
        """Send the findings, one after the other."""
        for finding in findings:
            headers = {**self.headers, "Idempotency-Key": finding.key}
            await _request("POST", self.url, headers=headers, json=as_dict(finding))


@dataclass(frozen=True)
class MailHook:
    """Sends the findings of a look as one mail.

    Attributes:
        host: The mail server.
        port: Its port.
        sender: From whom.
        to: To whom.
        username: Who logs in; nobody where it is empty.
        password: With which password.
        encryption: `starttls`, `tls` from the first byte, or `none`.
        name: What tells it from other hooks.
    """

    host: str
    port: int
    sender: str
    to: Sequence[str]
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    name: str = "mail"
    together: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_package("aiosmtplib", where="MailHook(…)")
        if isinstance(self.to, str) or not self.to:
            raise WatchdogInvalid(
                "mail goes to a list of addresses",
                where="MailHook(to=…)",
                mend='write them as a list, such as ["ops@example.com"]',
            )

    async def tell(self, findings: Sequence[Finding]) -> None:
        """Send the mail."""
        import aiosmtplib  # noqa: PLC0415 -- an optional package

        try:
            await aiosmtplib.send(
                mail(findings, sender=self.sender, to=self.to),
                hostname=self.host,
                port=self.port,
                username=self.username or None,
                password=self.password or None,
                use_tls=self.encryption == "tls",
                start_tls=self.encryption == "starttls",
                timeout=_TIMEOUT,
            )
        except aiosmtplib.SMTPResponseException as error:
            # What a server answers may repeat what it was told.
            raise HookFailed(
                f"the mail server answered {error.code}", for_good=error.code >= _REFUSED_FOR_GOOD
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise HookFailed(f"the mail was not sent: {_kind(error)}") from None


async def ping(url: str) -> None:
    """Tell an outside watcher that all is well here, by GET.

    Raises:
        HookFailed: It wasn't told.
    """
    await _request("GET", url)


def as_dict(finding: Finding) -> dict[str, Any]:
    """A finding as JSON has it.

    Example:
        >>> from datetime import UTC, datetime
        >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
        >>> told = as_dict(Finding("shop", "a", "missing", "no run started", noon, noon, "x"))
        >>> told["kind"], told["since"]
        ('missing', '2026-01-05T12:00:00+00:00')
    """
    return {
        "app": finding.app,
        "job": finding.job,
        "kind": finding.kind,
        "message": finding.message,
        "since": finding.since.isoformat(),
        "found_at": finding.found_at.isoformat(),
        "recovered_from": finding.recovered_from,
        "run": finding.run or None,
        "key": finding.key,
    }


def mail(findings: Sequence[Finding], *, sender: str, to: Sequence[str]) -> EmailMessage:
    """One mail about the findings; its Message-ID is the same when they are told again."""
    message = EmailMessage()
    message["Subject"] = _subject(findings)
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(findings[-1].found_at)
    keys = "".join(finding.key for finding in findings)
    digest = hashlib.sha256(keys.encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2].strip('> ') or 'euryale'}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n\n".join(_paragraph(finding) for finding in findings) + "\n")
    return message


def _subject(findings: Sequence[Finding]) -> str:
    first = findings[0]
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"[{first.app}] {first.job}: {_title(first)}{more}"


def _title(finding: Finding) -> str:
    kind = finding.recovered_from or finding.kind
    words = kind.replace("_", " ")
    return f"recovered from {words}" if finding.recovered_from else words


def _paragraph(finding: Finding) -> str:
    lines = [f"{finding.job}: {_title(finding)}", f"  {finding.message}"]
    if finding.run:
        lines.append(f"  run {finding.run}")
    return "\n".join(lines)


def check_url(url: str, *, where: str) -> None:
    """Refuse what is no address of the web, without repeating it.

    Raises:
        WatchdogInvalid: It isn't `http` or `https`, or names no host.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise WatchdogInvalid(
            "the URL is none of the web",
            where=where,
            mend="give one that begins with https:// or http:// and names a host",
        )


def _check_package(package: str, *, where: str) -> None:
    if find_spec(package) is None:
        raise WatchdogInvalid(
            f"it needs the package '{package}', which isn't installed",
            where=where,
            mend='pip install "euryale[watchdog]"',
        )


def check_ping(url: str, *, where: str) -> None:
    """Refuse a ping that can't be sent.

    Raises:
        WatchdogInvalid: The URL is none of the web, or httpx isn't installed.
    """
    check_url(url, where=where)
    _check_package("httpx", where=where)


async def _request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: Mapping[str, Any] | None = None,
) -> None:
    import httpx  # noqa: PLC0415 -- an optional package

    try:
        with _unlogged():
            async with httpx.AsyncClient(timeout=_TIMEOUT) as client:
                answer = await client.request(method, url, headers=headers, json=json)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise HookFailed(f"the server was not reached: {_kind(error)}") from None
    status = answer.status_code
    if status >= _REDIRECTED:
        passing = status >= _SERVER_ERROR or status in _PASSING
        raise HookFailed(f"the server answered {status}", for_good=not passing)


def _kind(error: BaseException) -> str:
    return type(error).__name__


# --- httpx logs the URL of each request, which may hold a token -----------------------------------

_QUIET: ContextVar[bool] = ContextVar("euryale_hook_request", default=False)


class _Unlogged(logging.Filter):
    """Drops what is logged within a hook's own requests, and leaves those of others alone."""

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 -- logging's own shape
        return not _QUIET.get()


_UNLOGGED = _Unlogged()


@contextmanager
def _unlogged() -> Iterator[None]:
    # A logger keeps a filter once, however often it is added.
    logging.getLogger("httpx").addFilter(_UNLOGGED)
    token = _QUIET.set(True)
    try:
        yield
    finally:
        _QUIET.reset(token)
