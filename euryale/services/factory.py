"""Factories: one way to call any kind of them, and to finish what a generator began."""

import asyncio
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
    """What a generator yielded, with the way to finish it.

    A singleton's is entered and left by svcs: leaving is safe to repeat, and an error while
    leaving is logged and stops nobody else's. An activity's is finished by `finish_all`.
    """

    __slots__ = ("_label", "_left", "_manager", "made")

    def __init__(
        self,
        label: str,
        made: object,
        manager: AbstractAsyncContextManager[Any] | AbstractContextManager[Any],
    ) -> None:
        self._label = label
        self.made = made
        self._manager = manager
        self._left = False

    async def finish(self, error: BaseException | None) -> None:
        """Go on after the `yield`, where the error is raised if there is one."""
        self._left = True
        given = (None, None, None) if error is None else (type(error), error, error.__traceback__)
        if isinstance(self._manager, AbstractAsyncContextManager):
            await self._manager.__aexit__(*given)
        else:
            self._manager.__exit__(*given)

    def warn(self, problem: BaseException) -> None:
        """Log an error of the cleanup that nobody else is told."""
        _log.warning(
            "cleanup failed",
            action="service-cleanup-failed",
            service=self._label,
            error=describe(problem),
        )

    async def __aenter__(self) -> object:
        return self.made

    async def __aexit__(self, *error: object) -> None:
        if self._left:
            return
        try:
            await self.finish(None)
        except Exception as problem:  # noqa: BLE001 -- the others still want closing
            self.warn(problem)


async def finish_all(cleanups: list[Cleanup], error: BaseException | None) -> None:
    """Finish what one activity's generators began, the last one first.

    Each sees the activity's error raised at its `yield`, also where one before it swallowed it:
    an activity that failed commits nothing. Without one, the first cleanup that raises is the
    activity's error, and those that are left see that. A cancellation interrupts one cleanup, not
    the rest.

    Args:
        cleanups: Emptied by this.
        error: What the activity raised; None if it went well.

    Raises:
        BaseException: What a cleanup raised, where the activity itself raised nothing.
    """
    failure = error
    while cleanups:
        cleanup = cleanups.pop()
        try:
            await cleanup.finish(failure)
        except BaseException as problem:  # noqa: BLE001 -- the others still want closing
            if failure is None or isinstance(problem, asyncio.CancelledError):
                failure = problem
            else:
                cleanup.warn(problem)
    if failure is not None and failure is not error:
        raise failure


def describe(error: BaseException) -> str:
    """An error with the line that raised it, without the credentials of any URL in its text."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    text = re.sub(r"://[^/\s@]*@", "://***@", str(error))
    return f"{type(error).__name__}: {text}{place}" if text else f"{type(error).__name__}{place}"
