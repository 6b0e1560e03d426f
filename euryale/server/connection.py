"""The connection to Temporal, and what its failures mean in a sentence.

Settings are Temporal's own: the `TEMPORAL_*` variables and the profile of `temporal.toml`, as its
other tools read them. Explicit arguments win.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, Plugin
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfigProfile
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import (
    ConnectionSettingsInvalid,
    EuryaleError,
    NamespaceUnknown,
    TemporalRefused,
    TemporalUnreachable,
)

DEFAULT_ADDRESS = "127.0.0.1:7233"
DEFAULT_NAMESPACE = "default"

ATTEMPT_TIMEOUT = timedelta(seconds=10)
"""How long one attempt to connect may take. Something that listens but never answers would take
the SDK half a minute."""

FIRST_DELAY = timedelta(milliseconds=200)
LONGEST_DELAY = timedelta(seconds=5)

_UNREACHABLE = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED)
_REFUSALS = ("PermissionDenied", "Unauthenticated", "ResourceExhausted", "InvalidArgument")

# What the SDK's Rust core says of a failed connection, and what that means.
_REASONS = {
    "Connection refused": "nothing listens there",
    "dns error": "the host name is not known",
    "timed out": "it does not answer in time",
    "Timeout expired": "it does not answer in time",
    "InvalidContentType": "what listens there does not speak TLS",
    "CertificateRequired": "it asks for a client certificate",
    "UnknownIssuer": "its TLS certificate is signed by nobody that this machine trusts",
    "NotValidForName": "its TLS certificate is for another host name",
    "InvalidCertificate": "its TLS certificate is not valid",
    "grpc-status header missing": "what listens there is a web server that does not speak gRPC",
    # Any other way to break it off right after it was made: a race decides which one is seen.
    "after connection": "what listens there breaks the connection off; "
    "it may not speak gRPC, or want TLS",
}

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Where to connect, and with what.

    Attributes:
        address: `host:port` of Temporal's frontend.
        namespace: The Temporal namespace.
        credentials: The other arguments of `Client.connect`: API key, TLS, metadata. They are
            left out of the settings' `repr`.
    """

    address: str
    namespace: str
    credentials: Mapping[str, Any] = field(default_factory=dict, repr=False)


def connection_settings(
    address: str | None = None, namespace: str | None = None
) -> ConnectionSettings:
    """Read the environment and `temporal.toml`; what is given wins.

    Raises:
        ConnectionSettingsInvalid: The file, a profile or a certificate can't be read, or the
            address is a URL.
    """
    try:
        given = dict(ClientConfigProfile.load().to_client_connect_config())
    except Exception as error:  # noqa: BLE001 -- the SDK exports no class for what it raises here
        # The rest of its message quotes lines of the file, of which one may hold a key; for the
        # same reason the cause is left out.
        raise ConnectionSettingsInvalid(
            f"Temporal's settings can't be used: {str(error).strip().partition(chr(10))[0]}",
            where="TEMPORAL_* variables or temporal.toml",
            mend='"temporal config list" shows the profiles that there are',
        ) from None
    from_profile = (given.pop("target_host", None), given.pop("namespace", None))
    address = address or str(from_profile[0] or DEFAULT_ADDRESS)
    if "://" in address:  # the SDK still takes it, and ignores the settings' TLS
        raise address_invalid(address)
    return ConnectionSettings(
        address=address,
        namespace=namespace or str(from_profile[1] or DEFAULT_NAMESPACE),
        credentials=given,
    )


async def connect(
    *,
    address: str | None = None,
    namespace: str | None = None,
    plugins: Sequence[Plugin] = (),
    data_converter: DataConverter = pydantic_data_converter,
    wait: timedelta = timedelta(0),
) -> Client:
    """Connect to Temporal, and see that the namespace is there.

    Args:
        address: `host:port`; by default `TEMPORAL_ADDRESS`, then the profile, then
            `127.0.0.1:7233`.
        namespace: By default `TEMPORAL_NAMESPACE`, then the profile, then `default`.
        plugins: Temporal plugins of the client.
        data_converter: How values become payloads.
        wait: How long to go on trying while the server or the namespace isn't there yet.

    Raises:
        ConnectionSettingsInvalid: The settings can't be used.
        TemporalUnreachable: Nothing that speaks Temporal answers at the address.
        NamespaceUnknown: The server doesn't have the namespace.
        TemporalRefused: The server refuses: permission, quota, or an invalid request.
    """
    settings = connection_settings(address, namespace)
    loop = asyncio.get_running_loop()
    end = loop.time() + wait.total_seconds()
    delay = FIRST_DELAY.total_seconds()
    attempt = 1
    while True:
        try:
            return await connect_once(settings, plugins, data_converter)
        except (TemporalUnreachable, NamespaceUnknown) as error:
            if loop.time() + delay > end:
                raise
            _log.warning(
                "Temporal is not ready; trying again",
                action="temporal-connect-retry",
                address=settings.address,
                namespace=settings.namespace,
                attempt=attempt,
                reason=error.what,
                retry_in_seconds=delay,
            )
        await asyncio.sleep(delay)
        delay = min(delay * 2, LONGEST_DELAY.total_seconds())
        attempt += 1


async def connect_once(
    settings: ConnectionSettings,
    plugins: Sequence[Plugin] = (),
    data_converter: DataConverter = pydantic_data_converter,
) -> Client:
    """Connect without trying again, with settings that are read already; errors as `connect`."""
    try:
        async with asyncio.timeout(ATTEMPT_TIMEOUT.total_seconds()):
            client = await Client.connect(
                settings.address,
                namespace=settings.namespace,
                plugins=plugins,
                data_converter=data_converter,
                **settings.credentials,
            )
            # Connecting alone doesn't look at the namespace; a worker would poll in vain.
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=settings.namespace), timeout=ATTEMPT_TIMEOUT
            )
    except ValueError as error:
        if "target URL" not in str(error):  # a plugin's own
            raise
        raise address_invalid(settings.address) from None
    except (RuntimeError, RPCError, TimeoutError) as error:
        # The sentence says all that the SDK's error does; a traceback would only bury it.
        raise translate(error, address=settings.address, namespace=settings.namespace) from None
    else:
        return client


async def probe(
    settings: ConnectionSettings, *, limit: timedelta = ATTEMPT_TIMEOUT
) -> TemporalUnreachable | None:
    """Look whether something that speaks Temporal answers, whatever it says of the namespace.

    Returns:
        Why it doesn't; None where it does.

    Raises:
        ConnectionSettingsInvalid: The address can't be used.
    """
    try:
        async with asyncio.timeout(limit.total_seconds()):
            await connect_once(settings)
    except TimeoutError as error:
        return _unreachable(_reason(error), settings.address)
    except TemporalUnreachable as error:
        return error
    except (NamespaceUnknown, TemporalRefused):
        return None
    return None


def address_invalid(address: str) -> ConnectionSettingsInvalid:
    """The error for an address that is none."""
    return ConnectionSettingsInvalid(
        f"'{address}' is no address of a Temporal server",
        where="TEMPORAL_ADDRESS",
        mend=f"give host:port, such as {DEFAULT_ADDRESS}",
    )


def translate(error: BaseException, *, address: str = "", namespace: str = "") -> EuryaleError:
    """What an error of Temporal's client means, as an error that is a sentence.

    Args:
        error: An `RPCError`, what `Client.connect` raised, or a timeout; an `EuryaleError` comes
            back as it is.
        address: The server's address, for the message.
        namespace: The namespace that was used, for the message.
    """
    if isinstance(error, EuryaleError):
        return error
    if isinstance(error, RPCError):
        return _translate_rpc(error, address, namespace)
    refusal = re.search(r'Status \{ code: (\w+), message: "(.*?)"', str(error))
    if refusal is not None and refusal[1] in _REFUSALS:
        return _refused(refusal[2] or refusal[1], address, namespace)
    return _unreachable(_reason(error), address)


def _translate_rpc(error: RPCError, address: str, namespace: str) -> EuryaleError:
    for detail in error.grpc_status.details:
        missing = NamespaceNotFoundFailure()
        if detail.Is(missing.DESCRIPTOR) and detail.Unpack(missing):
            return _namespace_unknown(missing.namespace or namespace, address)
    if error.status in _UNREACHABLE:
        return _unreachable(error.message, address)
    return _refused(error.message or error.status.name, address, namespace)


def _unreachable(reason: str, address: str) -> TemporalUnreachable:
    at = f" at {address}" if address else ""
    return TemporalUnreachable(
        f"Temporal can't be reached{at}: {reason}",
        mend='start one with "euryale dev" or "temporal server start-dev", or set TEMPORAL_ADDRESS',
    )


def _namespace_unknown(namespace: str, address: str) -> NamespaceUnknown:
    at = f" --address {address}" if address else ""
    return NamespaceUnknown(
        f"the Temporal server has no namespace '{namespace}'",
        mend=f'create it with "temporal operator namespace create -n {namespace}{at}", '
        "or set TEMPORAL_NAMESPACE",
    )


def _refused(reason: str, address: str, namespace: str) -> TemporalRefused:
    at = f" at {address}" if address else ""
    to = f" (namespace '{namespace}')" if namespace else ""
    return TemporalRefused(f"Temporal{at} refused the request{to}: {reason}")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "what listens there does not answer in time"
    text = str(error)
    for marker, reason in _REASONS.items():
        if marker in text:
            return reason
    return text.removeprefix("Failed client connect: ")
