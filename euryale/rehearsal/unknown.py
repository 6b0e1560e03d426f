"""Values that nobody knows, since what would make them was not carried out.

They may be kept, logged and handed on, and so may their attributes and items. Whatever decides
something by them ends the rehearsal of that workflow there.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, NoReturn

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from euryale.rehearsal.place import decides_nothing

Tell = Callable[[str], None]
"""Told of the unknown value that was used, in words, where that happens."""


class SawNoFurther(BaseException):
    """Leaves the code that used an unknown value.

    It is no `Exception`, since whoever handles failures would take it for one and go on: a saga
    would take back what never failed.
    """


class Unknown:
    """A value that nobody knows.

    Example:
        >>> created = Unknown("product.create", lambda of: print(f"used: {of}"))
        >>> created.variants[0].id
        <unknown: product.create.variants[0].id>
        >>> try:
        ...     if created.ready: ...
        ... except SawNoFurther as error:
        ...     print(error)
        used: product.create.ready
        product.create.ready
    """

    __slots__ = ("_euryale_of", "_euryale_tell")
    _euryale_of: str
    _euryale_tell: Tell

    def __init__(self, of: str, tell: Tell) -> None:
        """Make one.

        Args:
            of: What it is of, such as `product.create` or `product.create.id`.
            tell: Called before the value's use raises `SawNoFurther`.
        """
        object.__setattr__(self, "_euryale_of", of)
        object.__setattr__(self, "_euryale_tell", tell)

    def __repr__(self) -> str:
        return f"<unknown: {self._euryale_of}>"

    def __getattr__(self, name: str) -> "Unknown":
        if name.startswith("__"):
            # What protocols look for, such as pickle's.
            raise AttributeError(name)
        return Unknown(f"{self._euryale_of}.{name}", self._euryale_tell)

    def __getitem__(self, key: Any) -> "Unknown":
        return Unknown(f"{self._euryale_of}[{key!r}]", self._euryale_tell)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # mypy knows no property in the place of this attribute
        """What `isinstance` and patterns look at: the code would go on as if it knew the answer."""
        if decides_nothing(sys._getframe(1)):  # noqa: SLF001 -- the caller's, to tell who asks
            return Unknown
        return _use(self)

    def __copy__(self) -> "Unknown":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Unknown":
        return self

    def __str__(self) -> str:
        if decides_nothing(sys._getframe(1)):  # noqa: SLF001 -- as above
            return repr(self)
        return _use(self)


def _use(value: Unknown, *_: Any) -> NoReturn:
    of = object.__getattribute__(value, "_euryale_of")
    object.__getattribute__(value, "_euryale_tell")(of)
    raise SawNoFurther(of)


def _used(value: Unknown, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG001 -- stands for methods of any shape
    _use(value)


for _name in (
    *("bool", "len", "iter", "next", "contains", "hash", "call", "await", "aiter", "anext"),
    *("eq", "ne", "lt", "le", "gt", "ge", "format", "bytes", "fspath", "index", "reversed"),
    *("int", "float", "complex", "round", "neg", "pos", "abs", "invert", "enter", "aenter"),
    *("setattr", "delattr", "setitem", "delitem"),
    *(
        f"{side}{operator}"
        for operator in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or")
        for side in ("", "r")
    ),
):
    setattr(Unknown, f"__{_name}__", _used)


def unknown_of(value: Unknown) -> str:
    """What an unknown value is of, such as `product.create.id`."""
    of: str = object.__getattribute__(value, "_euryale_of")
    return of


def unknowns_in(value: Any) -> Iterator[Unknown]:
    """The unknown values in a value: in its items, fields and attributes, however deep.

    Example:
        >>> [*unknowns_in({"ids": ["a", Unknown("cart.create.id", print)]})]
        [<unknown: cart.create.id>]
    """
    kind = type(value)
    if kind is Unknown:
        yield value
    elif issubclass(kind, dict):
        for each in value.values():
            yield from unknowns_in(each)
    elif issubclass(kind, list | tuple | set | frozenset):
        for each in value:
            yield from unknowns_in(each)
    elif issubclass(kind, BaseModel):
        yield from unknowns_in(vars(value))
    elif is_dataclass(kind):
        for field in fields(kind):
            yield from unknowns_in(getattr(value, field.name, None))


def plain(value: Any) -> Any:
    """A value in terms of JSON, in which an unknown one is `{"unknown": "product.create.id"}`.

    Example:
        >>> plain({"ids": ("a", Unknown("cart.create.id", print))})
        {'ids': ['a', {'unknown': 'cart.create.id'}]}
    """
    kind = type(value)
    if kind is Unknown:
        return {"unknown": unknown_of(value)}
    if next(unknowns_in(value), None) is None:
        return to_jsonable_python(value, fallback=repr)
    if issubclass(kind, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if issubclass(kind, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if issubclass(kind, BaseModel):
        return plain(vars(value))
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
