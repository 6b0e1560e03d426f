"""Durable services: what a handler gets for a service, where each call becomes an activity."""

from collections.abc import Callable, Coroutine
from typing import Any

from euryale.services.durable_calls import DurableCalls
from euryale.services.method import Method, ServiceDefinition


class DurableService:
    """A stand-in for a service: each call of an async method is recorded as an activity."""

    __slots__ = ("_calls", "_definition", "_methods")

    def __init__(self, definition: ServiceDefinition, calls: DurableCalls) -> None:
        self._definition = definition
        self._calls = calls
        self._methods: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        """The durable form of the service's method of that name."""
        if name.startswith("__"):
            raise AttributeError(name)
        made = self._methods.get(name)
        if made is None:
            made = self._methods[name] = self._durable(self._definition.method(name))
        return made

    def __repr__(self) -> str:
        return f"<durable service '{self._definition.name}'>"

    def _durable(self, method: Method) -> Callable[..., Coroutine[Any, Any, Any]]:
        calls = self._calls

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await calls.call(method, args, kwargs)

        call.__name__ = call.__qualname__ = method.activity
        return call
