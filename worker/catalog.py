"""The catalog: another company's system that is told of the shop's products over HTTP.

`PUT /products/{id}` makes or replaces a product there, `DELETE /products/{id}` removes it. Both may
be repeated. What it answers is read here, once: done, refused, or try again, and when.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from temporalio.exceptions import ApplicationError

from worker.settings import Settings

if TYPE_CHECKING:
    # httpx takes longer to import than the rest of the shop, and most commands make no request.
    import httpx

CONNECTIONS = 8
"""Requests under way at a time, in one worker process."""

LONGEST_WAIT = timedelta(hours=1)
"""What a `Retry-After` may ask for at most: a typing error there mustn't end the syncing."""

_REQUEST = timedelta(seconds=30)
"""One request in all, its wait for a connection included: a trickle of bytes resets httpx's own."""

_CONNECT_SECONDS, _SILENCE_SECONDS = 5, 10

_BODY_BYTES = 16_384
"""How much of an answer is read. Only its beginning is ever shown."""

_REASON_LENGTH = 200

_REDIRECT, _REFUSAL, _BROKEN = 300, 400, 500
_TRY_AGAIN = (408, 425, 429)
_FOR_ALL = (401, 403, 404, 405, 407)
"""Refusals that the next product would get too: of the token, and of the address itself."""
_GONE = (404, 410)


class CatalogUnavailable(ApplicationError):
    """The catalog can't take the product now; the same call may succeed later.

    `next_retry_delay` is what it asked to wait, so that Temporal waits, and no worker does.
    """

    def __init__(self, message: str, *, wait: timedelta | None = None) -> None:
        super().__init__(message, type="CatalogUnavailable", next_retry_delay=wait)


class CatalogRefused(ApplicationError):
    """The catalog refuses the shop itself, whatever the product: somebody must mend a setting."""

    def __init__(self, message: str) -> None:
        super().__init__(message, type="CatalogRefused", non_retryable=True)


class Catalog:
    """A connection to the catalog; made once a process and closed at its end.

    Args:
        client: Knows the catalog's address and sends its token along; None where the settings name
            no catalog.
        token: The token, so that no answer that repeats it is shown.
    """

    def __init__(self, client: "httpx.AsyncClient | None", *, token: str = "") -> None:
        self._client = client
        self._token = token

    @property
    def is_configured(self) -> bool:
        """Whether the settings name a catalog."""
        return self._client is not None

    async def put(self, product_id: str, body: dict[str, Any], *, key: str) -> str | None:
        """Make a product in the catalog, or replace it.

        Args:
            product_id: Whose.
            body: The product.
            key: The `Idempotency-Key`: the same whenever this same request is repeated.

        Returns:
            None if it was taken; else why this product was refused, in a few words.

        Raises:
            CatalogUnavailable: It may be taken later.
            CatalogRefused: No product would be taken.
        """
        return await self._ask("PUT", product_id, key, body)

    async def delete(self, product_id: str, *, key: str) -> str | None:
        """Remove a product from the catalog; one that isn't there is removed already.

        Returns and raises the same as `put`.
        """
        return await self._ask("DELETE", product_id, key, None)

    async def _ask(self, method: str, product_id: str, key: str, body: Any) -> str | None:
        import httpx  # noqa: PLC0415 -- see above

        if self._client is None:
            raise CatalogRefused("no catalog is configured: set CATALOG_URL on the worker")
        asked = f"{method} products/{product_id}"
        try:
            async with (
                asyncio.timeout(_REQUEST.total_seconds()),
                self._client.stream(
                    method,
                    f"products/{quote(product_id, safe='')}",
                    headers={"Idempotency-Key": key},
                    json=body,
                ) as answer,
            ):
                status, wait = answer.status_code, answer.headers.get("retry-after", "")
                said = self._shown(await _beginning(answer))
        except (httpx.HTTPError, OSError) as error:
            # `from None`: httpx's errors hold the request, and with it the token.
            raise CatalogUnavailable(
                f"the catalog gave no whole answer to {asked}: {type(error).__name__}"
            ) from None
        if status < _REDIRECT or (method == "DELETE" and status in _GONE):
            return None
        message = f"the catalog answered {status} to {asked}" + (f": {said}" if said else "")
        if status in _TRY_AGAIN or status >= _BROKEN:
            raise CatalogUnavailable(message, wait=wait_of(wait, now=datetime.now(UTC)))
        if status < _REFUSAL:
            raise CatalogRefused(
                f"{message}; it redirects, and the token is sent to no address but CATALOG_URL"
            )
        if status in _FOR_ALL:
            raise CatalogRefused(f"{message}; check CATALOG_URL and CATALOG_TOKEN")
        return f"{status}: {said}" if said else str(status)

    def _shown(self, data: bytes) -> str:
        """The beginning of an answer as one line without the token."""
        text = data.decode(errors="replace")
        if self._token:
            text = text.replace(self._token, "***")
        line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
        return line if len(line) <= _REASON_LENGTH else line[:_REASON_LENGTH] + "…"


def wait_of(retry_after: str, *, now: datetime) -> timedelta | None:
    """What a `Retry-After` header asks to wait: seconds, or a date.

    Args:
        retry_after: The header's value; empty if there is none.
        now: The present time.

    Returns:
        At most an hour; None where it says nothing that can be understood, or no wait at all:
        then the usual, growing waits are right, since nobody should be asked again and again
        without a pause.

    Example:
        >>> noon = datetime(2026, 1, 5, 12, tzinfo=UTC)
        >>> wait_of("90", now=noon), wait_of("Mon, 05 Jan 2026 12:00:30 GMT", now=noon)
        (datetime.timedelta(seconds=90), datetime.timedelta(seconds=30))
        >>> wait_of("soon", now=noon), wait_of("0", now=noon), wait_of("9" * 400, now=noon)
        (None, None, datetime.timedelta(seconds=3600))
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        # A number of any length: no more digits than an hour needs are turned into one.
        seconds = int(text) if len(text) < len("10000000") else LONGEST_WAIT.total_seconds()
        wait = timedelta(seconds=seconds)
    else:
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        wait = (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
    return min(wait, LONGEST_WAIT) if wait > timedelta(0) else None


async def open_catalog(settings: Settings) -> AsyncIterator[Catalog]:
    """The catalog of the settings, closed when the one who asked for it is done."""
    if settings.catalog_url is None:
        yield Catalog(None)
        return
    import httpx  # noqa: PLC0415 -- see above

    token = settings.catalog_token.get_secret_value() if settings.catalog_token else ""
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "shop"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    # Certificates are verified and redirects not followed: httpx's own defaults, and tested here.
    async with httpx.AsyncClient(
        base_url=settings.catalog_url,
        headers=headers,
        timeout=httpx.Timeout(
            _SILENCE_SECONDS, connect=_CONNECT_SECONDS, pool=_REQUEST.total_seconds()
        ),
        limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
    ) as client:
        yield Catalog(client, token=token)


async def _beginning(answer: "httpx.Response") -> bytes:
    """As much of the body as anybody will read; what is left closes the connection."""
    data = b""
    async for chunk in answer.aiter_raw():  # as it came: what is compressed may have no end
        data += chunk
        if len(data) >= _BODY_BYTES:
            break
    return data[:_BODY_BYTES]
