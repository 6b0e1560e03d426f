"""What is asked of a catalog, and what its answers mean; without Temporal around it."""

import dataclasses
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import trustme
from pydantic import ValidationError
from shop_support.catalog_server import Answer, CatalogServer
from temporalio.testing import ActivityEnvironment

import worker.catalog
from worker.catalog import LONGEST_WAIT, Catalog, CatalogRefused, CatalogUnavailable, open_catalog
from worker.services import CatalogService, Product
from worker.settings import Settings

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "t0ken"  # noqa: S105  # no secret
CAP = Product(id="prod_1", title="Cap", handle="cap", created_at=LONG_AGO, updated_at=LONG_AGO)


@pytest.fixture
async def server() -> AsyncIterator[CatalogServer]:
    server = CatalogServer()
    async with server.running():
        yield server


@pytest.fixture
async def catalog(server: CatalogServer) -> AsyncIterator[Catalog]:
    async with opened(f"{server.url}/v2") as catalog:
        yield catalog


def opened(url: str, token: str = TOKEN) -> AbstractAsyncContextManager[Catalog]:
    settings = Settings.model_validate({"catalog_url": url, "catalog_token": token})
    return asynccontextmanager(open_catalog)(settings)


async def put(catalog: Catalog) -> str | None:
    return await catalog.put("prod_1", {"title": "Cap"}, key="key")


async def unavailable(catalog: Catalog) -> CatalogUnavailable:
    with pytest.raises(CatalogUnavailable) as caught:
        await put(catalog)
    assert "t0ken" not in str(caught.value)
    return caught.value


async def test_products_lie_below_the_address_also_where_that_has_a_path(
    catalog: Catalog, server: CatalogServer
) -> None:
    assert await put(catalog) is None
    assert await catalog.delete("prod/2?", key="other") is None
    assert [(each.method, each.target) for each in server.requests] == [
        ("PUT", "/v2/products/prod_1"),
        ("DELETE", "/v2/products/prod%2F2%3F"),
    ]


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_to_be_removed_may_be_gone_already(
    catalog: Catalog, server: CatalogServer, status: int
) -> None:
    server.misbehave = lambda _request: Answer(status)
    assert await catalog.delete("prod_1", key="key") is None


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_wait_in_seconds_is_asked_of_temporal(
    catalog: Catalog, server: CatalogServer, status: int
) -> None:
    server.misbehave = lambda _request: Answer(status, headers=[("retry-after", "120")])
    error = await unavailable(catalog)
    assert error.next_retry_delay == timedelta(minutes=2)
    assert not error.non_retryable
    assert f"answered {status} to PUT products/prod_1" in error.message


async def test_a_wait_until_a_date_is_asked_of_temporal(
    catalog: Catalog, server: CatalogServer
) -> None:
    date = datetime.now(UTC) + timedelta(minutes=5)
    header = ("retry-after", format_datetime(date, usegmt=True))
    server.misbehave = lambda _request: Answer(503, headers=[header])
    wait = (await unavailable(catalog)).next_retry_delay
    assert wait is not None
    assert timedelta(minutes=4, seconds=30) < wait <= timedelta(minutes=5)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("86400", LONGEST_WAIT),
        ("Fri, 31 Dec 2999 23:59:59 GMT", LONGEST_WAIT),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("later", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ("Fri, 99 Dec 2999 23:59:59 GMT", None),
    ],
)
async def test_a_wait_has_bounds_and_one_that_means_nothing_is_temporals_own(
    catalog: Catalog, server: CatalogServer, header: str, wait: timedelta | None
) -> None:
    server.misbehave = lambda _request: Answer(429, headers=[("retry-after", header)])
    assert (await unavailable(catalog)).next_retry_delay == wait


async def test_a_catalog_that_hangs_is_given_up(
    catalog: Catalog, server: CatalogServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.catalog, "_REQUEST", timedelta(seconds=0.2))
    server.misbehave = lambda _request: Answer(hangs=True)
    assert "no whole answer to PUT products/prod_1" in (await unavailable(catalog)).message


async def test_a_catalog_that_falls_silent_is_given_up_before_one_that_trickles(
    server: CatalogServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.catalog, "_SILENCE_SECONDS", 0.2)
    server.misbehave = lambda _request: Answer(hangs=True)
    async with opened(server.url) as catalog:
        error = await unavailable(catalog)
    assert "ReadTimeout" in error.message


async def test_a_catalog_that_is_not_there_may_be_later() -> None:
    server = CatalogServer()
    async with server.running():
        url = server.url
    async with opened(url) as catalog:
        error = await unavailable(catalog)
    assert "ConnectError" in error.message


async def test_an_answer_without_end_is_not_read(catalog: Catalog, server: CatalogServer) -> None:
    endless = Answer(400, body=b"no " * 5_000, is_endless=True)
    server.misbehave = lambda _request: endless
    began = time.monotonic()
    reason = await put(catalog)
    assert time.monotonic() - began < 5
    assert reason is not None
    assert reason.startswith("400: no no")
    assert len(reason) < 300


async def test_a_redirect_is_not_followed_so_that_nobody_else_gets_the_token(
    catalog: Catalog, server: CatalogServer
) -> None:
    elsewhere = CatalogServer()
    async with elsewhere.running():
        location = ("location", f"{elsewhere.url}/products/prod_1")
        server.misbehave = lambda _request: Answer(308, headers=[location])
        with pytest.raises(CatalogRefused, match="redirects") as caught:
            await put(catalog)
    assert caught.value.non_retryable
    assert elsewhere.requests == []


async def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    server = CatalogServer()
    async with (
        server.running(context),
        opened(f"https://127.0.0.1:{server.port}") as catalog,
    ):
        error = await unavailable(catalog)
    assert "ConnectError" in error.message
    assert server.requests == []


async def test_a_product_gets_one_key_over_the_attempts_of_a_call_until_it_changes(
    catalog: Catalog, server: CatalogServer
) -> None:
    service = CatalogService(catalog)
    call, other_call = ActivityEnvironment(), ActivityEnvironment()
    other_call.info = dataclasses.replace(other_call.info, activity_id="other")
    changed = CAP.model_copy(update={"title": "Hat"})
    for environment, product in (
        (call, CAP),
        (call, CAP),
        (call, changed),
        (call, CAP.model_copy(update={"id": "prod_2"})),
        (other_call, CAP),
    ):
        assert await environment.run(service.send, product) is None
    first, again, *others = [request.key for request in server.requests]
    assert first == again
    assert len({first, *others}) == 4


async def test_without_an_address_there_is_no_catalog() -> None:
    async with opened("", token="") as catalog:
        assert not await CatalogService(catalog).is_configured()
        with pytest.raises(CatalogRefused, match="CATALOG_URL"):
            await put(catalog)


@pytest.mark.parametrize(
    ("url", "token", "problem"),
    [
        ("catalog.example", "", "no address"),
        ("ftp://catalog.example", "", "no address"),
        ("https://", "", "no address"),
        ("https://catalog.example:99999", "", "no address"),
        ("https://catalog.example/a b", "", "no address"),
        ("https://shop:hunter2@catalog.example", "", "CATALOG_TOKEN"),
        ("https://catalog.example/?token=hunter2", "", "CATALOG_TOKEN"),
        ("https://catalog.example", "hunter2\r\nHost: a", "line's end"),
        ("http://catalog.example", "hunter2", "unencrypted"),
    ],
)
def test_an_address_or_a_token_that_can_not_be_right_is_refused_without_repeating_it(
    url: str, token: str, problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        Settings.model_validate({"catalog_url": url, "catalog_token": token})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1", "https://c.example/v2"]
)
def test_a_token_may_go_to_this_machine_or_where_it_is_encrypted(url: str) -> None:
    settings = Settings.model_validate({"catalog_url": url, "catalog_token": "hunter2"})
    assert settings.catalog_url == f"{url}/"
    assert "hunter2" not in repr(settings)
