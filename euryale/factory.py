"""Factories: one way to call any kind of them, and to finish what a generator began."""

import inspect
import re
import traceback
from collections.abc import Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

import structlog

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def yields(factory: Callable[..., Any]) -> bool:
    """Whether a factory is a generator function, whose code after `yield` is the cleanup."""
    return inspect.isgeneratorfunction(factory) or inspect.isasyncgenfunction(factory)


def invoker(factory: Callable[..., Any], label: str) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    """One way to call any kind of factory; what a generator yields comes as a `Cleanup`."""
    if inspect.isasyncgenfunction(factory):
        manage_async = asynccontextmanager(factory)

        async def from_async_generator(filled: dict[str, Any]) -> Any:
            async_manager = manage_async(**filled)
            return Cleanup(label, await async_manager.__aenter__(), async_manager)

        return from_async_generator
    if inspect.isgeneratorfunction(factory):
        manage = contextmanager(factory)

        async def from_generator(filled: dict[str, Any]) -> Any:
            manager = manage(**filled)
            return Cleanup(label, manager.__enter__(), manager)

        return from_generator
    if inspect.iscoroutinefunction(factory):

        async def from_coroutine(filled: dict[str, Any]) -> Any:
            return await factory(**filled)

        return from_coroutine

    async def from_call(filled: dict[str, Any]) -> Any:
        return factory(**filled)

    return from_call


class Cleanup:
    """What a generator yielded, with the way to finish it; entered and left by svcs.

    Leaving is safe to repeat, and an error while leaving is logged and stops nobody else's.
    """

    __slots__ = ("_label", "_left", "_made", "_manager")

    def __init__(
        self,
        label: str,
        made: object,
        manager: AbstractAsyncContextManager[Any] | AbstractContextManager[Any],
    ) -> None:
        self._label = label
        self._made = made
        self._manager = manager
        self._left = False

    async def __aenter__(self) -> object:
        return self._made

    async def __aexit__(self, *error: object) -> None:
        if self._left:
            return
        self._left = True
        try:
            if isinstance(self._manager, AbstractAsyncContextManager):
                await self._manager.__aexit__(None, None, None)
            else:
                self._manager.__exit__(None, None, None)
        except Exception as problem:  # noqa: BLE001 -- the others still want closing
            _log.warning(
                "cleanup failed",
                action="service-cleanup-failed",
                service=self._label,
                error=describe(problem),
            )


def describe(error: BaseException) -> str:
    """An error with the line that raised it, without the credentials of any URL in its text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    text = re.sub(r"://[^/\s@]*@", "://***@", str(error))
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
