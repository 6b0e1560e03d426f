"""The sagas of a run that are open: which stands in which, and how their blocks are made to end."""

import asyncio
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from euryale.sagas.saga import Saga


class OpenSaga:
    """A saga's block, from its beginning to its end.

    Attributes:
        saga: The saga.
        outer: The block that it stands in; None for the outermost.
        ended: Set when the block is left.
    """

    def __init__(self, saga: "Saga") -> None:
        """Begin a block, in the task that is in it."""
        self.saga = saga
        self.ended = asyncio.Event()
        outer = _current.get()
        self.outer: OpenSaga | None = None if outer is None or outer.ended.is_set() else outer
        self._task = asyncio.current_task()
        self._token: Token[OpenSaga | None] = _current.set(self)
        _open.setdefault(asyncio.get_running_loop(), {})[self] = None

    def close(self) -> None:
        """The block is left."""
        self.ended.set()
        _open[asyncio.get_running_loop()].pop(self, None)
        _current.reset(self._token)

    def is_in(self, other: "OpenSaga") -> bool:
        """Whether it stands in another one's block, at any depth."""
        return self.outer is other or (self.outer is not None and self.outer.is_in(other))

    def cancel(self) -> None:
        """Cancel the task that is in the block."""
        if self._task is not None:
            self._task.cancel()


_current: ContextVar[OpenSaga | None] = ContextVar("euryale_open_saga", default=None)

# By run: its event loop lives as long as this worker holds it.
_open: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[OpenSaga, None]] = WeakKeyDictionary()


async def end_sagas(within: OpenSaga | None = None) -> None:
    """Cancel the blocks that are open, and wait until each has taken itself back.

    Args:
        within: Only those in this block; without it, all of the run.
    """
    every = tuple(_open.get(asyncio.get_running_loop(), ()))
    meant = [each for each in every if within is None or each.is_in(within)]
    for each in meant:
        each.cancel()
    for each in meant:
        await each.ended.wait()
