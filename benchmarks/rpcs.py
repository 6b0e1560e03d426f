"""Counting the calls that a Temporal client makes of its server, where they leave the SDK."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from temporalio.client import Client

LEDGER = "/.ledger"


@contextmanager
def counted(client: Client) -> Iterator[Counter[str]]:
    """Counts a client's calls by their names while the context lasts.

    Those about an application's ledger are counted apart, as `update_schedule/.ledger`.
    """
    calls: Counter[str] = Counter()
    service = client.service_client
    call = service._rpc_call  # noqa: SLF001 -- every call passes there

    async def count(rpc: str, req: Any, resp_type: Any, **how: Any) -> Any:
        about = LEDGER if getattr(req, "schedule_id", "").endswith(LEDGER) else ""
        calls[f"{rpc}{about}"] += 1
        return await call(rpc, req, resp_type, **how)

    service._rpc_call = count  # type: ignore[method-assign] # noqa: SLF001
    try:
        yield calls
    finally:
        del service._rpc_call  # noqa: SLF001 -- the class's own again
