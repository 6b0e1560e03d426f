"""The durable container: everything that a handler may ask of the world around it."""

import asyncio
import difflib
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar, cast, overload

from temporalio import workflow

from euryale.errors import ServiceUnknown
from euryale.runs.logger import DurableLogger
from euryale.services.durable_calls import DurableCalls
from euryale.services.durable_service import DurableService
from euryale.services.method import ServiceDefinition

T = TypeVar("T")
R = TypeVar("R")

CONCURRENCY = 2_000
"""Items that `Container.each` has under way at once: as many calls as four activities carry."""

LOGGER = "logger"
"""The name under which every container has a logger; no service may bear it."""


class Container:
    """What a handler gets as `container`: durable services, a logger, a clock and randomness.

    Everything in it is safe under replay: Temporal restores a run by running its handler again
    over the recorded results, and all of these give the same answer each time.

    Example:
        A handler that greets, and a type checker that knows what `greeter` is::

            async def handler(container: Container) -> None:
                greeter = container.resolve(Greeter)
                container.resolve("logger").info(await greeter.greet("Ada"))
    """

    def __init__(self, services: Mapping[str, ServiceDefinition], calls: DurableCalls) -> None:
        self._services = services
        self._calls = calls
        self._resolved: dict[str, DurableService] = {}
        self._logger: DurableLogger | None = None

    @overload
    def resolve(self, key: type[T]) -> T: ...
    @overload
    def resolve(self, key: Literal["logger"]) -> DurableLogger: ...
    @overload
    def resolve(self, key: str) -> Any: ...
    def resolve(self, key: Any) -> Any:
        """The durable service of that class or name, or the logger.

        Raises:
            ServiceUnknown: The application has no such service.
        """
        if key == LOGGER:
            self._logger = self._logger or DurableLogger.of_run()
            return self._logger
        definition = self._find(key)
        service = self._resolved.get(definition.name)
        if service is None:
            service = self._resolved[definition.name] = DurableService(definition, self._calls)
        return service

    async def each(
        self,
        items: Iterable[T],
        function: Callable[[T], Awaitable[R]],
        *,
        concurrency: int = CONCURRENCY,
    ) -> list[R]:
        """Apply an async function to each item, many at once, and return what it returns, in order.

        Calls of one service's method that are made at once travel together, so this is much quicker
        than one item after the other. Where the function raises, no further item is begun, those
        under way are cancelled, and the first error is raised.

        Args:
            items: What to apply it to.
            function: The function.
            concurrency: How many items are under way at once.

        Raises:
            ValueError: The concurrency is less than one.

        Example:
            A handler that publishes all drafts::

                async def publish(product: Product) -> None:
                    await product_service.update(product.id, status="published")

                await container.each(drafts, publish)
        """
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}, and must be at least 1")
        waiting = list(items)
        results: dict[int, R] = {}
        numbered = iter(enumerate(waiting))

        async def work() -> None:
            for number, item in numbered:
                results[number] = await function(item)

        loop = asyncio.get_running_loop()
        workers = [loop.create_task(work()) for _ in range(min(concurrency, len(waiting)))]
        try:
            await asyncio.gather(*workers)
        except BaseException:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            raise
        return [results[number] for number in range(len(waiting))]

    def now(self) -> datetime:
        """The run's own time, in UTC; it stands still between two awaits."""
        self._calls.told_time()
        return workflow.now()

    def random(self) -> random.Random:
        """A generator of random numbers that gives the same ones under replay."""
        return workflow.random()

    def uuid4(self) -> uuid.UUID:
        """A random UUID that is the same under replay."""
        return workflow.uuid4()

    def _find(self, key: Any) -> ServiceDefinition:
        if isinstance(key, str):
            if key in self._services:
                return self._services[key]
            asked = key
        else:
            # By name and not by identity: inside the sandbox, a class whose module also defines
            # a workflow is another object of the same name.
            place = (getattr(key, "__module__", ""), getattr(key, "__qualname__", ""))
            for definition in self._services.values():
                provides = definition.provides
                if (provides.__module__, provides.__qualname__) == place:
                    return definition
            asked = cast("str", getattr(key, "__name__", repr(key)))
        known = {name: name for name in (*self._services, LOGGER)}
        known |= {
            definition.provides.__name__: definition.name for definition in self._services.values()
        }
        nearest = difflib.get_close_matches(asked, known, n=1)
        raise ServiceUnknown(
            f"no service is known as '{asked}'",
            where=f"container.resolve({asked!r})",
            mend=f"did you mean '{known[nearest[0]]}'?"
            if nearest
            else f"the application's services are: {', '.join(sorted(self._services))}",
        )
