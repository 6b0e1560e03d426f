"""The worker's service container: what an activity gets its services from.

It stands on svcs, whose registries hold the recipes and whose containers hold what was made and
close it in reverse order. Added here: wiring by annotations, worked out and checked once when the
container is built; singletons that are made once however many activities ask at the same time; and
the names that handlers call services by.
"""

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType, TracebackType
from typing import Any, Self, TypeVar, overload

import svcs

from euryale.errors import EuryaleError, ServiceInvalid, ServiceUnavailable, ServiceUnknown
from euryale.services.factory import Cleanup, describe, finish_all, invoker, yields
from euryale.services.provider import Provider, needs_of, per_activity, place_of, type_name
from euryale.services.wiring import Arguments, arguments_of, by_type, nearest, wire

T = TypeVar("T")

PING_TIMEOUT = timedelta(seconds=5)
"""How long a health check may take, the making of what it checks included."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a health check found.

    Attributes:
        name: The service's name, or the type's where it has none.
        ok: Whether the check passed.
        error: What is wrong; empty if nothing is.
    """

    name: str
    ok: bool
    error: str = ""


class ServiceContainer:
    """Makes services and what they need, and closes them again.

    Use it as an async context manager for the life of the worker. Nothing is made before it is
    asked for.

    Args:
        services: What handlers see, by name: a class, made for each activity, or a provider.
        providers: What services need and handlers don't see: a store, settings, a client.

    Raises:
        ServiceInvalid: Something can't be made: a parameter that nothing provides, two providers
            for one type, a cycle, a singleton that needs something per activity.

    Example:
        >>> class Store: ...
        >>> class ProductService:
        ...     def __init__(self, store: Store) -> None:
        ...         self.store = store
        >>> async def main() -> str:
        ...     services = ServiceContainer({"product": ProductService}, [per_activity(Store)])
        ...     async with services, services.activity_scope() as scope:
        ...         product_service = await scope.get(ProductService)
        ...         return type(product_service.store).__name__
        >>> asyncio.run(main())
        'Store'
    """

    def __init__(
        self, services: Mapping[str, type | Provider], providers: Sequence[Provider] = ()
    ) -> None:
        named = {name: _as_provider(name, service) for name, service in services.items()}
        self.services: Mapping[str, type] = MappingProxyType(
            {name: provider.provides for name, provider in named.items()}
        )
        """The services' types, by name."""
        self._providers = by_type([*named.values(), *providers])
        # Where two names mean one service, messages use the first.
        self._labels = {provided: type_name(provided) for provided in self._providers} | {
            provided: name for name, provided in reversed(list(self.services.items()))
        }
        arguments = wire(self._providers)
        self._scope_registry = svcs.Registry()
        singletons = svcs.Registry()
        for provided, provider in self._providers.items():
            recipe = self._recipe(provider, arguments[provided])
            # A service that happens to be a context manager is left to whoever uses it. svcs enters
            # only a singleton's `Cleanup`: it keeps errors to itself, and a cleanup of an activity
            # that fails, such as a commit, has to fail the activity.
            if provider.lifetime == "singleton":
                enter = yields(provider.factory)
                singletons.register_factory(provided, recipe, enter=enter)
                self._scope_registry.register_factory(provided, self._borrow(provided), enter=False)
            else:
                self._scope_registry.register_factory(provided, recipe, enter=False)
        self._made = svcs.Container(singletons)
        self._making: dict[Any, asyncio.Task[Any]] = {}
        self._prepared: dict[Callable[..., Any], Arguments] = {}
        self._context: contextvars.Context | None = None

    async def __aenter__(self) -> Self:
        # Singletons are made in the context of the worker, not of the activity that asks first:
        # what they start goes on longer than the activity.
        self._context = contextvars.copy_context()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._context = None
        making = tuple(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        await _close(self._made)

    def activity_scope(self) -> "ActivityScope":
        """What one activity gets its services from; an async context manager."""
        return ActivityScope(self)

    def prepare(self, wanted: Callable[..., Any]) -> None:
        """Work out how `ActivityScope.make` calls a class or function: now, not when it runs.

        Raises:
            ServiceInvalid: A parameter can't be filled in.
        """
        self._prepared[wanted] = arguments_of(wanted, needs_of(wanted), self._providers)

    async def check_health(self, *, timeout: timedelta = PING_TIMEOUT) -> tuple[Health, ...]:  # noqa: ASYNC109 -- one limit for each check, not for all
        """Ask everything that has a ping how it is, all at once.

        What isn't made yet is made for it. A sync ping runs on the event loop, so it must be
        quick: the time limit can't interrupt it.

        Args:
            timeout: How long each may take.

        Returns:
            One answer for each provider with a ping, in the order of their declaration.
        """
        pinged = [provider for provider in self._providers.values() if provider.ping is not None]
        return tuple(await asyncio.gather(*(self._check(each, timeout) for each in pinged)))

    async def _check(self, provider: Provider, timeout: timedelta) -> Health:  # noqa: ASYNC109 -- see check_health
        name = self._labels[provider.provides]
        limit = asyncio.timeout(timeout.total_seconds())
        try:
            async with limit, self.activity_scope() as scope:
                made = await scope.get(provider.provides)
                if provider.ping is not None and inspect.isawaitable(answer := provider.ping(made)):
                    await answer
        except Exception as error:  # noqa: BLE001 -- whatever a ping raises is its answer
            if limit.expired():
                text = f"no answer within {timeout.total_seconds():g} s"
            else:
                text = error.what if isinstance(error, EuryaleError) else describe(error)
            return Health(name, ok=False, error=text)
        return Health(name, ok=True)

    def _type_of(self, name: str) -> Any:
        try:
            return self.services[name]
        except KeyError:
            raise _unknown(f"no service is named {name!r}", name, self.services) from None

    def _require(self, wanted: Any) -> None:
        if wanted not in self._providers:
            name = type_name(wanted)
            raise _unknown(f"no service is of type {name!r}", name, map(type_name, self._providers))

    def _arguments_of(self, wanted: Callable[..., Any]) -> Arguments:
        if wanted not in self._prepared:
            self.prepare(wanted)
        return self._prepared[wanted]

    def _borrow(self, provided: Any) -> Callable[[svcs.Container], Awaitable[Any]]:
        async def borrow(svcs_container: svcs.Container) -> Any:  # noqa: ARG001 -- the name asks svcs for it, as in a recipe
            return await self._singleton(provided)

        return borrow

    def _recipe(
        self, provider: Provider, arguments: Arguments
    ) -> Callable[[svcs.Container], Awaitable[Any]]:
        invoke = invoker(provider.factory, self._labels[provider.provides])
        is_singleton = provider.lifetime == "singleton"

        # svcs hands the container to a parameter of this name.
        async def recipe(svcs_container: svcs.Container) -> Any:
            get = self._singleton if is_singleton else svcs_container.aget
            filled = {name: await get(wanted) for name, wanted in arguments}
            try:
                made = await invoke(filled)
            except EuryaleError:
                raise
            except Exception as error:
                # Also a wrong setting: it is this worker's, and the next attempt may be another's.
                raise ServiceUnavailable(
                    f"{self._labels[provider.provides]!r} could not be made: {describe(error)}",
                    where=place_of(provider.factory),
                ) from error
            if is_singleton or not isinstance(made, Cleanup):
                return made
            svcs_container.get(_Cleanups).append(made)
            return made.made

        return recipe

    async def _singleton(self, wanted: Any) -> Any:
        if wanted in self._made:
            return self._made.get(wanted)
        if self._context is None:
            raise ServiceUnavailable(
                f"{self._labels[wanted]!r} was asked of a service container that is not open",
                mend="enter the container with 'async with'",
            )
        # A task of its own, so that an activity that is cancelled doesn't take away what others
        # wait for. All who wait share one failure; who asks afterwards tries again.
        task = self._making.get(wanted)
        if task is None:
            task = asyncio.get_running_loop().create_task(
                self._made.aget(wanted), context=self._context
            )
            self._making[wanted] = task
            task.add_done_callback(lambda done: self._settle(wanted, done))
        return await asyncio.shield(task)

    def _settle(self, wanted: Any, done: asyncio.Task[Any]) -> None:
        self._making.pop(wanted, None)
        if not done.cancelled():
            done.exception()  # nobody may be waiting any more


class _Cleanups(list[Cleanup]):
    """What is to be finished at the end of one activity, in the order in which it was made."""


class ActivityScope:
    """The services of one activity, made when they are asked for and closed at its end.

    A generator that provides something sees the activity's error raised at its `yield`, as with
    `contextlib.asynccontextmanager`, so that `async with store.begin() as session: yield session`
    commits what went well and nothing else. It can't hide the error from the activity; one of its
    own, where there was none, fails the activity.
    """

    __slots__ = ("_cleanups", "_closed", "_container", "_lock", "_made")

    def __init__(self, container: ServiceContainer) -> None:
        self._container = container
        self._made = svcs.Container(container._scope_registry)  # noqa: SLF001 -- two halves of one thing
        self._cleanups = _Cleanups()
        self._made.register_local_value(_Cleanups, self._cleanups)
        self._lock = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._closed = True
        try:
            await finish_all(self._cleanups, exc_val)
        finally:
            await _close(self._made)

    @overload
    async def get(self, wanted: type[T], /) -> T: ...
    @overload
    async def get(self, wanted: str, /) -> Any: ...
    async def get(self, wanted: Any, /) -> Any:
        """The service of that type or name; the same one for the whole activity.

        Raises:
            ServiceUnknown: The application has no such service.
            ServiceUnavailable: It could not be made.
        """
        provided = self._container._type_of(wanted) if isinstance(wanted, str) else wanted  # noqa: SLF001
        if provided in self._made:
            return self._made.get(provided)
        self._container._require(provided)  # noqa: SLF001
        # One at a time, so that calls side by side in one activity get the same instance.
        async with self._lock:
            if self._closed:
                raise ServiceUnavailable(
                    f"{type_name(provided)!r} was asked for after the end of its activity",
                    mend="await all that an activity starts before it returns",
                )
            return await self._made.aget(provided)

    async def make(self, wanted: Callable[..., T], /) -> T:
        """Call a class or function that is no service itself, with what its parameters name.

        An async function gives its coroutine, for the caller to await.

        Raises:
            ServiceInvalid: A parameter can't be filled in.
            ServiceUnavailable: A service that it needs could not be made.
        """
        arguments = self._container._arguments_of(wanted)  # noqa: SLF001
        return wanted(**{name: await self.get(provided) for name, provided in arguments})


async def _close(made: svcs.Container) -> None:
    """Close all, also when cancelled: each cancellation interrupts one cleanup, not the rest."""
    interrupted: asyncio.CancelledError | None = None
    while True:
        try:
            await made.aclose()
        except asyncio.CancelledError as error:
            interrupted = error
        else:
            break
    if interrupted is not None:
        raise interrupted


def _as_provider(name: str, service: type | Provider) -> Provider:
    if isinstance(service, Provider):
        return service
    if isinstance(service, type):
        return per_activity(service)
    raise ServiceInvalid(
        f"service {name!r} is {service!r}",
        mend="give a class, or a provider: singleton(...), per_activity(...) or instance(...)",
    )


def _unknown(what: str, name: str, known: Iterable[str]) -> ServiceUnknown:
    known = sorted(known)
    return ServiceUnknown(
        what, mend=f"there are: {', '.join(known) or 'none'}" + nearest(name, known)
    )
