"""Providers: how something that services need is made, and how long it lives.

A provider is a frozen value, read once from its factory's annotations. Nothing is made here; the
service container does that, when somebody asks.
"""

import collections.abc
import inspect
import types
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from euryale.errors import ServiceInvalid
from euryale.services.factory import yields

Lifetime = Literal["singleton", "per_activity"]
"""`singleton`: made once for the life of the container. `per_activity`: made once per activity."""

Ping = Callable[[Any], Awaitable[object] | object]
"""A health check: takes the instance, sync or async, and raises when something is wrong."""

_YIELDING = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)


@dataclass(frozen=True, slots=True)
class Need:
    """A parameter of a factory, to be filled in by type.

    Attributes:
        name: The parameter's name.
        wanted: The type that its annotation names, without `Annotated` and `| None`.
        has_default: Whether the parameter may be left out.
    """

    name: str
    wanted: Any
    has_default: bool


@dataclass(frozen=True, slots=True)
class Provider:
    """How one type is made; built by `singleton`, `per_activity` or `instance`.

    Attributes:
        provides: The type that others name in order to get it.
        factory: What makes it.
        lifetime: How long what it made lives.
        ping: Its health check.
        needs: The factory's parameters.
    """

    provides: Any
    factory: Callable[..., Any]
    lifetime: Lifetime
    ping: Ping | None = None
    needs: tuple[Need, ...] = ()


def singleton(factory: Callable[..., Any], *, ping: Ping | None = None) -> Provider:
    """Provide something that is made once, and closed with the container.

    Args:
        factory: A class, a function, an async function, or a generator or async generator
            function, whose code after `yield` is the cleanup. It provides the class itself, the
            return annotation, or the type that is yielded. Its parameters are filled in by type.
        ping: A health check that takes the instance.

    Raises:
        ServiceInvalid: An annotation is missing or can't be resolved.

    Example:
        >>> class Settings: ...
        >>> async def load_settings() -> Settings:
        ...     return Settings()
        >>> singleton(load_settings).provides.__name__
        'Settings'
    """
    return _provider(factory, "singleton", ping)


def per_activity(factory: Callable[..., Any], *, ping: Ping | None = None) -> Provider:
    """Provide something that is made anew for each activity, and closed at the activity's end.

    Args:
        factory: As for `singleton`.
        ping: A health check that takes the instance.

    Raises:
        ServiceInvalid: An annotation is missing or can't be resolved.
    """
    return _provider(factory, "per_activity", ping)


def instance(value: object, provides: Any = None, *, ping: Ping | None = None) -> Provider:
    """Provide something that exists already; whoever made it closes it.

    Args:
        value: The instance.
        provides: The type to provide it as; the instance's own class if absent.
        ping: A health check that takes the instance.

    Example:
        >>> instance("sqlite://").provides
        <class 'str'>
    """
    return Provider(type(value) if provides is None else provides, lambda: value, "singleton", ping)


def needs_of(factory: Callable[..., Any]) -> tuple[Need, ...]:
    """What a class's constructor or a function takes, each parameter with the type it wants.

    Raises:
        ServiceInvalid: A parameter without a default has no annotation, or one that can't be
            resolved, or can only be given by position.
    """
    return tuple(
        _need(parameter, factory)
        for parameter in _signature(factory).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )


def type_name(wanted: Any) -> str:
    """A type as its author would write it, for messages."""
    return factory_name(wanted) if isinstance(wanted, type) else str(wanted)


def factory_name(factory: Callable[..., Any]) -> str:
    """A class's or function's name, for messages."""
    name: str = getattr(factory, "__qualname__", "") or repr(factory)
    return name.rpartition("<locals>.")[2]


def place_of(factory: Callable[..., Any]) -> str:
    """Where a class or function is defined, as `file:line`; its name if there is no source."""
    target: Any = inspect.unwrap(factory)
    try:
        return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        return factory_name(factory)


def _provider(factory: Callable[..., Any], lifetime: Lifetime, ping: Ping | None) -> Provider:
    if not callable(factory):
        raise ServiceInvalid(
            f"{factory!r} can't be called, so it is no factory",
            mend="give a class or a function; instance(...) provides something that exists already",
        )
    return Provider(_provided_by(factory), factory, lifetime, ping, needs_of(factory))


def _provided_by(factory: Callable[..., Any]) -> Any:
    if isinstance(factory, type):
        if inspect.isabstract(factory):
            raise ServiceInvalid(
                f"class {type_name(factory)!r} is abstract, so it can't be made",
                where=place_of(factory),
                mend="provide it by a function that returns an instance of a concrete subclass",
            )
        return factory
    returned = _signature(factory).return_annotation
    name = factory_name(factory)
    if returned in (inspect.Signature.empty, None, type(None)):
        raise ServiceInvalid(
            f"factory {name!r} doesn't say what it provides",
            where=place_of(factory),
            mend="annotate what it returns or yields",
        )
    is_generator = yields(factory)
    if is_generator != (get_origin(returned) in _YIELDING):
        raise ServiceInvalid(
            f"factory {name!r} is annotated as returning {type_name(returned)!r}, but it "
            + ("yields" if is_generator else "is no generator function"),
            where=place_of(factory),
            mend="annotate a generator as Iterator[X] or AsyncIterator[X], and give it without "
            "@contextmanager or @asynccontextmanager",
        )
    return _plain(get_args(returned)[0] if is_generator else returned)


def _need(parameter: inspect.Parameter, factory: Callable[..., Any]) -> Need:
    has_default = parameter.default is not parameter.empty
    problem = ""
    if parameter.annotation is parameter.empty and not has_default:
        problem = "has no annotation"
    elif parameter.kind is parameter.POSITIONAL_ONLY and not has_default:
        problem = "can only be given by position"
    if problem:
        raise ServiceInvalid(
            f"parameter {parameter.name!r} of {factory_name(factory)!r} {problem}",
            where=place_of(factory),
            mend="annotate it with the type that a provider provides, or give it a default",
        )
    # A positional-only parameter with a default keeps it: wanting nothing, it is never filled in.
    fillable = parameter.kind is not parameter.POSITIONAL_ONLY
    return Need(parameter.name, _plain(parameter.annotation) if fillable else None, has_default)


def _plain(annotation: Any) -> Any:
    """The type behind `Annotated[X, ...]` and `X | None`."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return _plain(members[0]) if len(members) == 1 else annotation
    return annotation


def _signature(factory: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(factory, eval_str=True)
    except NameError as error:
        raise ServiceInvalid(
            f"an annotation of {factory_name(factory)!r} can't be resolved: {error}",
            where=place_of(factory),
            mend="import the type outside of TYPE_CHECKING and of functions",
        ) from error
    except Exception as error:  # an annotation in quotes is code, and may raise anything
        raise ServiceInvalid(
            f"the parameters of {factory_name(factory)!r} can't be read: {error}",
            where=place_of(factory),
            mend="provide it by a function with annotations",
        ) from error
