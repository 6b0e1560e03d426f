"""The catalog's address and token, as the settings give them."""

from ipaddress import ip_address
from urllib.parse import urlsplit

_SCHEMES = ("https", "http")


def parse_catalog_url(text: str) -> str:
    """The address under which the catalog has its `products/`, with a slash at its end.

    Raises:
        ValueError: It is no address of the web, or one that says more than where. The message
            doesn't repeat it: what doesn't belong there may be a password.

    Example:
        >>> parse_catalog_url("https://catalog.example/v2")
        'https://catalog.example/v2/'
    """
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not text.isprintable() or " " in text:
        raise ValueError("CATALOG_URL is no address: write https://HOST or https://HOST/PATH")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            "CATALOG_URL says more than an address: it has no user, no question mark and no #; "
            "what authorizes the shop is CATALOG_TOKEN"
        )
    return text.rstrip("/") + "/"


def check_catalog_token(token: str, *, url: str | None) -> None:
    """Refuse a token that can't be sent, or that anybody could read on its way.

    Raises:
        ValueError: It doesn't fit into a header, or would leave this machine unencrypted. The
            message doesn't repeat it.

    Example:
        >>> check_catalog_token("t0ken", url="http://127.0.0.1:8080/")
    """
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError("CATALOG_TOKEN holds characters that no token has, such as a line's end")
    if url is None:
        return
    parts = urlsplit(url)
    if parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
        raise ValueError(
            "CATALOG_TOKEN would be sent unencrypted: let CATALOG_URL begin with https://"
        )


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
