"""A catalog on a free port: it takes products as a real one does, and misbehaves as told."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import h11

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A request that reached the catalog."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def product_id(self) -> str:
        return self.target.rpartition("/")[2]


@dataclass(frozen=True)
class Answer:
    """How to answer a request instead of taking the product."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    applies: bool = False
    """Whether the product is taken all the same."""
    is_silent: bool = False
    """Whether the connection is closed instead of an answer."""
    hangs: bool = False
    """Whether nothing comes, until the caller gives up."""
    is_endless: bool = False
    """Whether the body is repeated until the caller closes."""


Misbehaviour = Callable[[Request], Answer | None]


class CatalogServer:
    """Holds the products that it was sent, each request applied once per idempotency key."""

    def __init__(self) -> None:
        self.products: dict[str, Any] = {}
        self.requests: list[Request] = []
        self.applied: list[str] = []
        """The products of the requests that changed something, in their order."""
        self.misbehave: Misbehaviour = lambda _request: None
        self.before: Callable[[Request], Awaitable[None]] | None = None
        """Awaited at each request, before it is answered."""
        self.port = 0
        self.most_at_once = 0
        self._at_once = 0
        self._keys: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sent(self) -> list[str]:
        """The products of all requests, in order of their ids."""
        return sorted(request.product_id for request in self.requests)

    def forget_requests(self) -> None:
        self.requests.clear()
        self.applied.clear()

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            connection = h11.Connection(h11.SERVER)
            while request := await _read(connection, reader):
                self.requests.append(request)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                if self.before is not None:
                    await self.before(request)
                self._at_once -= 1
                answer = self.misbehave(request)
                if answer is None or answer.applies:
                    self._apply(request)
                if answer is not None and answer.hangs:
                    await reader.read()  # until the caller closes
                if answer is not None and (answer.is_silent or answer.hangs):
                    return
                if not await _write(connection, writer, answer or Answer()):
                    return
                connection.start_next_cycle()
        except OSError:
            pass  # the caller has gone, as it may
        finally:
            writer.close()

    def _apply(self, request: Request) -> None:
        if request.key in self._keys:
            return
        self._keys.add(request.key)
        self.applied.append(request.product_id)
        if request.method == "PUT":
            self.products[request.product_id] = request.body
        else:
            self.products.pop(request.product_id, None)


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> Request | None:
    head: h11.Request | None = None
    body = b""
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(65_536))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert head is not None
            headers = {name.decode(): value.decode() for name, value in head.headers}
            given = json.loads(body) if body else None
            return Request(head.method.decode(), head.target.decode(), headers, given)
        else:  # the caller closed
            return None


async def _write(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> bool:
    length = [] if answer.is_endless else [("content-length", str(len(answer.body)))]
    head = h11.Response(status_code=answer.status, headers=[*answer.headers, *length])
    sent = connection.send(head) or b""
    while answer.is_endless:
        writer.write(sent + (connection.send(h11.Data(data=answer.body)) or b""))
        await writer.drain()
        sent = b""
    sent += connection.send(h11.Data(data=answer.body)) or b""
    sent += connection.send(h11.EndOfMessage()) or b""
    writer.write(sent)
    await writer.drain()
    return connection.our_state is h11.DONE
