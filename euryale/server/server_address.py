"""Addresses of a dev server on this machine: which ports are free, and what listens there."""

import asyncio
import ipaddress
import os
import socket

from euryale.errors import PortTaken
from euryale.server.connection import address_invalid

PORTS_TRIED = 100
"""How far from the wanted port another one may lie."""

_UI_SECONDS = 2.0


def split_address(address: str) -> tuple[str, int]:
    """Take `host:port` apart.

    Raises:
        ConnectionSettingsInvalid: It has no port, or one that is none.

    Example:
        >>> split_address("[::1]:7233")
        ('::1', 7233)
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise address_invalid(address)
    return host.removeprefix("[").removesuffix("]"), int(port)


def join_address(host: str, port: int) -> str:
    """The address of a port, as `host:port`.

    Example:
        >>> join_address("::1", 7233)
        '[::1]:7233'
    """
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_local(address: str) -> bool:
    """Whether a server that is started here can answer at an address."""
    host, _ = split_address(address)
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return ip.is_loopback or ip.is_unspecified


def free_port(host: str, wanted: int, *, but_not: int | None = None) -> int:
    """The wanted port, or the next one that is free.

    Args:
        host: A host of this machine.
        wanted: The port to begin at.
        but_not: A port that is spoken for.

    Raises:
        PortTaken: None of the next ports is free.
    """
    last = min(wanted + PORTS_TRIED, 1 << 16)
    for port in range(wanted, last):
        if port != but_not and _is_free(host, port):
            return port
    raise PortTaken(
        f"no port from {wanted} to {last - 1} is free on {host}", mend="choose another port"
    )


async def is_web_ui(host: str, port: int) -> bool:
    """Whether Temporal's Web UI answers at a port."""
    try:
        async with asyncio.timeout(_UI_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(
                    f"GET /api/v1/settings HTTP/1.1\r\nHost: {host}\r\n"
                    "Connection: close\r\n\r\n".encode()
                )
                return b"DefaultNamespace" in await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _is_free(host: str, port: int) -> bool:
    family, kind, protocol, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        if os.name == "posix":  # as servers do: a port whose last user has just ended is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(target)
        except OSError:
            return False
    return True
