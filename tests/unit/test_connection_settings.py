"""What connection settings and failures mean, without any server."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from structlog.testing import capture_logs
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure, NotFoundFailure
from temporalio.service import RPCError, RPCStatusCode

from euryale.errors import (
    ConnectionSettingsInvalid,
    JobUnknown,
    NamespaceUnknown,
    TemporalRefused,
    TemporalUnreachable,
)
from euryale.server.connection import (
    ConnectionSettings,
    connect,
    connection_settings,
    probe,
    translate,
)

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def settings_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty `temporal.toml`, and no variables of this machine."""
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "temporal.toml"
    file.touch()
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    return file


@pytest.fixture
def nothing() -> str:
    """An address where nothing listens."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return f"{HOST}:{listener.getsockname()[1]}"


@pytest.fixture
async def web_server() -> AsyncIterator[str]:
    """The address of something that speaks HTTP/1.1 and no gRPC."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, HOST, 0)
    async with server:
        yield f"{HOST}:{server.sockets[0].getsockname()[1]}"


def rpc_error(
    status: RPCStatusCode, message: str, detail: NamespaceNotFoundFailure | NotFoundFailure | None
) -> RPCError:
    grpc_status = GrpcStatus(code=status, message=message)
    if detail is not None:
        packed = AnyMessage()
        packed.Pack(detail)
        grpc_status.details.append(packed)
    return RPCError(message, status, grpc_status.SerializeToString())


# --- settings --------------------------------------------------------------------------------


def test_without_settings_the_address_is_this_machine_and_the_namespace_default() -> None:
    assert connection_settings() == ConnectionSettings("127.0.0.1:7233", "default")


def test_variables_win_over_the_file_and_arguments_over_both(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.write_text(
        '[profile.default]\naddress = "file:1"\nnamespace = "of-file"\n'
        '[profile.staging]\naddress = "staging:1"\n'
    )
    assert connection_settings() == ConnectionSettings("file:1", "of-file")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "variable:1")
    assert connection_settings() == ConnectionSettings("variable:1", "of-file")
    assert connection_settings("argument:1", "given") == ConnectionSettings("argument:1", "given")
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    monkeypatch.setenv("TEMPORAL_PROFILE", "staging")
    assert connection_settings() == ConnectionSettings("staging:1", "default")


def test_an_api_key_asks_for_tls_and_shows_in_no_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_API_KEY", "hunter2")
    settings = connection_settings()
    assert settings.credentials == {"api_key": "hunter2", "tls": True}
    assert "hunter2" not in repr(settings)


def test_a_profile_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "prodution")
    with pytest.raises(ConnectionSettingsInvalid, match="'prodution' not found"):
        connection_settings()


def test_a_broken_settings_file_is_said_without_the_line_that_may_hold_a_key(
    settings_file: Path,
) -> None:
    settings_file.write_text('[profile.default]\napi_key = "hunter2\n')
    with pytest.raises(ConnectionSettingsInvalid, match="at line 2") as caught:
        connection_settings()
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_certificate_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_TLS_SERVER_CA_CERT_PATH", "nowhere/ca.pem")
    with pytest.raises(ConnectionSettingsInvalid, match=r"nowhere/ca\.pem"):
        connection_settings()


# --- failures --------------------------------------------------------------------------------


async def test_where_nothing_listens_the_address_and_both_ways_to_start_a_server_are_named(
    nothing: str,
) -> None:
    with pytest.raises(TemporalUnreachable) as caught:
        await connect(address=nothing)
    message = str(caught.value)
    assert f"can't be reached at {nothing}: nothing listens there" in message
    assert '"euryale dev" or "temporal server start-dev"' in message


async def test_a_web_server_is_told_from_a_temporal_server(web_server: str) -> None:
    with pytest.raises(TemporalUnreachable, match="may not speak gRPC"):
        await connect(address=web_server)
    assert await probe(ConnectionSettings(web_server, "default")) is not None


async def test_something_silent_is_given_up_after_the_time_limit() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        settings = ConnectionSettings(f"{HOST}:{listener.getsockname()[1]}", "default")
        unreachable = await probe(settings, limit=timedelta(milliseconds=50))
    assert "does not answer in time" in str(unreachable)


async def test_an_api_key_shows_in_no_failure(
    web_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("hunter2", "hunter2\n"):
        monkeypatch.setenv("TEMPORAL_API_KEY", key)
        with pytest.raises(TemporalUnreachable, match="can't be reached") as caught:
            await connect(address=web_server)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["not an address", "host:port", "http://127.0.0.1:7233"])
async def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(ConnectionSettingsInvalid, match=f"'{address}' is no address"):
        await connect(address=address)


async def test_waiting_tries_again_until_its_end_and_logs_each_attempt(nothing: str) -> None:
    with capture_logs() as logs, pytest.raises(TemporalUnreachable):
        await connect(address=nothing, wait=timedelta(milliseconds=250))
    assert [(line["action"], line["attempt"], line["address"]) for line in logs] == [
        ("temporal-connect-retry", 1, nothing)
    ]


# --- translation -----------------------------------------------------------------------------


def test_a_missing_namespace_is_told_from_anything_else_that_is_missing() -> None:
    missing = rpc_error(
        RPCStatusCode.NOT_FOUND,
        "Namespace shop is not found.",
        NamespaceNotFoundFailure(namespace="shop"),
    )
    translated = translate(missing, address="temporal:7233")
    assert isinstance(translated, NamespaceUnknown)
    assert "temporal operator namespace create -n shop --address temporal:7233" in str(translated)
    other = rpc_error(RPCStatusCode.NOT_FOUND, "workflow not found", NotFoundFailure())
    assert isinstance(translate(other), TemporalRefused)


@pytest.mark.parametrize("status", [RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED])
def test_a_server_that_went_away_is_unreachable(status: RPCStatusCode) -> None:
    translated = translate(rpc_error(status, "gone", None), address="temporal:7233")
    assert isinstance(translated, TemporalUnreachable)
    assert "at temporal:7233: gone" in str(translated)


@pytest.mark.parametrize(
    "status", [RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.RESOURCE_EXHAUSTED]
)
def test_a_refusal_says_what_the_server_says(status: RPCStatusCode) -> None:
    translated = translate(rpc_error(status, "Request unauthorized.", None), namespace="shop")
    assert isinstance(translated, TemporalRefused)
    assert "refused the request (namespace 'shop'): Request unauthorized." in str(translated)


def test_a_refusal_while_connecting_is_a_refusal() -> None:
    error = RuntimeError(
        "Failed client connect: `get_system_info` call error after connection: "
        'Status { code: PermissionDenied, message: "Request unauthorized.", source: None }'
    )
    translated = translate(error, address="temporal:7233")
    assert isinstance(translated, TemporalRefused)
    assert "Temporal at temporal:7233 refused the request: Request unauthorized." in str(translated)


def test_an_error_of_the_engine_stays_what_it_is() -> None:
    error = JobUnknown("no job is named 'publsh'")
    assert translate(error) is error
