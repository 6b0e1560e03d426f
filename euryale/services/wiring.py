"""Wiring: which provider fills which parameter, worked out and checked before anything is made."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from euryale.errors import ServiceInvalid
from euryale.services.provider import Need, Provider, factory_name, place_of, type_name

Arguments = tuple[tuple[str, Any], ...]
"""The parameters that are filled in, each with the type that fills it."""


def by_type(providers: Iterable[Provider]) -> dict[Any, Provider]:
    """Providers by the type that they provide.

    Raises:
        ServiceInvalid: Two different providers provide one type.
    """
    found: dict[Any, Provider] = {}
    for provider in providers:
        if found.setdefault(provider.provides, provider) != provider:
            raise ServiceInvalid(
                f"{type_name(provider.provides)!r} has two providers, at "
                f"{place_of(found[provider.provides].factory)} and {place_of(provider.factory)}",
                mend="keep one of them",
            )
    return found


def wire(providers: Mapping[Any, Provider]) -> dict[Any, Arguments]:
    """What each provider's factory is called with, by the type that it provides.

    Raises:
        ServiceInvalid: A parameter that nothing provides, a cycle, or a singleton that would hold
            on to one activity's instance.
    """
    arguments = {
        provided: arguments_of(provider.factory, provider.needs, providers)
        for provided, provider in providers.items()
    }
    _check_order(providers, arguments)
    return arguments


def arguments_of(
    factory: Callable[..., Any], needs: Iterable[Need], providers: Mapping[Any, Provider]
) -> Arguments:
    """What a class or function is called with; a parameter that nothing provides keeps its default.

    Raises:
        ServiceInvalid: A parameter that nothing provides has no default.
    """
    filled = []
    for need in needs:
        if need.wanted in providers:
            filled.append((need.name, need.wanted))
        elif not need.has_default:
            wanted = type_name(need.wanted)
            raise ServiceInvalid(
                f"nothing provides {wanted!r}, which {factory_name(factory)!r} wants as its "
                f"parameter {need.name!r}",
                where=place_of(factory),
                mend=f"add a provider for {wanted!r} to the application"
                + nearest(wanted, map(type_name, providers)),
            )
    return tuple(filled)


def nearest(name: str, known: Iterable[str]) -> str:
    """The suggestion to add to a sentence about an unknown name; empty if none comes near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""


def _check_order(providers: Mapping[Any, Provider], arguments: Mapping[Any, Arguments]) -> None:
    """Refuse cycles, and singletons that would hold on to one activity's instance."""
    done: set[Any] = set()

    def visit(provided: Any, chain: tuple[Any, ...]) -> None:
        if provided in chain:
            cycle = (*chain[chain.index(provided) :], provided)
            raise ServiceInvalid(
                f"these need each other: {' -> '.join(map(type_name, cycle))}",
                where=place_of(providers[provided].factory),
                mend="let one of them do without the other",
            )
        if provided in done:
            return
        for _, wanted in arguments[provided]:
            lifetimes = (providers[provided].lifetime, providers[wanted].lifetime)
            if lifetimes == ("singleton", "per_activity"):
                raise ServiceInvalid(
                    f"singleton {type_name(provided)!r} needs {type_name(wanted)!r}, "
                    "which lives only as long as an activity",
                    where=place_of(providers[provided].factory),
                    mend=f"make {type_name(wanted)!r} a singleton, or "
                    f"{type_name(provided)!r} per_activity",
                )
            visit(wanted, (*chain, provided))
        done.add(provided)

    for provided in providers:
        visit(provided, ())
