"""A service's methods as the engine sees them: names, argument types, result types.

One table serves both sides. In the handler it turns a call into named, validated arguments; on
the worker it turns them back into a call. It is made once per service, from the annotations.
"""

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, NotRequired

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from typing_extensions import TypedDict  # pydantic wants this one below Python 3.12

from euryale.errors import ArgumentsInvalid, MethodUnknown, ServiceInvalid
from euryale.services.service import MethodMark, method_mark

UNDO_PARAMETERS = ("result", "undo", "idempotency_key")
"""What an undo may ask for beside the arguments of the call that it takes back."""

SUMMARY_LENGTH = 160
"""Characters of a call's summary in the Web UI; Temporal refuses more than 400 bytes."""


@dataclass(frozen=True)
class Method:
    """A public async method of a service.

    Attributes:
        activity: The name of the activity that carries the call, such as `product.update`.
        mark: Whether it is a read or a mutation, its undo and its timeout.
        signature: The method's own, without `self`.
        arguments_type: A typed dict of the arguments by name; what travels to the worker.
        result_type: What the method returns.
    """

    activity: str
    mark: MethodMark
    signature: inspect.Signature
    arguments_type: Any
    result_type: Any
    _keywords: str | None = None

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name; those not given are left out.

        Raises:
            ArgumentsInvalid: An argument is missing or unknown.
        """
        try:
            named = dict(self.signature.bind(*args, **kwargs).arguments)
        except TypeError as error:
            raise self.refusal(f"doesn't fit its parameters: {error}") from None
        if self._keywords is not None:
            named.update(named.pop(self._keywords, {}))
        return named

    def refusal(self, reason: str | ValidationError) -> ArgumentsInvalid:
        """The error of a call whose arguments don't fit; it repeats no argument's value."""
        if isinstance(reason, ValidationError):
            reason = "has arguments of the wrong type: " + "; ".join(
                f"{'.'.join(str(part) for part in problem['loc']) or 'arguments'}: {problem['msg']}"
                for problem in reason.errors(include_url=False, include_input=False)
            )
        return ArgumentsInvalid(
            f"the call of {self.activity} {reason}",
            where=self.activity,
            mend=f"its signature is {self.activity}{self.signature}",
        )

    def call_with(self, service: Any, arguments: Mapping[str, Any]) -> Any:
        """Call the method of a real service with arguments that `bind` made."""
        positional: list[Any] = []
        named = dict(arguments)
        for name, parameter in self.signature.parameters.items():
            if parameter.kind is not parameter.POSITIONAL_ONLY or name not in named:
                break
            positional.append(named.pop(name))
        return getattr(service, self.activity.rpartition(".")[2])(*positional, **named)


@dataclass(frozen=True)
class ServiceDefinition:
    """A service under the name by which handlers resolve it.

    Attributes:
        name: Such as `product`.
        provides: The class whose annotations and marks count.
        methods: Its public async methods by name.
    """

    name: str
    provides: type
    methods: Mapping[str, Method]

    def method(self, name: str) -> Method:
        """The method of that name.

        Raises:
            MethodUnknown: The service has no public async method of that name.
        """
        found = self.methods.get(name)
        if found is not None:
            return found
        known = ", ".join(sorted(self.methods)) or "none"
        nearest = difflib.get_close_matches(name, self.methods, n=1)
        reason = f"service '{self.name}' has no method '{name}'"
        if callable(getattr(self.provides, name, None)):
            reason = (
                f"method '{name}' of service '{self.name}' can't be called durably, since it is "
                "no async method with named parameters"
            )
        raise MethodUnknown(
            reason,
            where=f"{self.name}.{name}",
            mend=f"did you mean '{nearest[0]}'?" if nearest else f"its methods are: {known}",
        )


def define_service(name: str, provides: type) -> ServiceDefinition:
    """Read a service's methods from its class.

    Public async methods become durable. Methods that take `*args` don't, since the record of a
    call names its arguments.

    Raises:
        ServiceInvalid: An annotation can't be resolved or validated, an undo names no method, or
            the name isn't a plain one.

    Example:
        >>> class Greeter:
        ...     async def greet(self, name: str, *, loud: bool = False) -> str: ...
        >>> greet = define_service("greeter", Greeter).method("greet")
        >>> greet.activity, greet.bind(("Ada",), {"loud": True})
        ('greeter.greet', {'name': 'Ada', 'loud': True})
    """
    if not name or "." in name or "/" in name:
        raise ServiceInvalid(
            f"a service can't be named '{name}'",
            where=f"service '{name}'",
            mend="use a name without dots and slashes, such as 'product'",
        )
    members = dict(inspect.getmembers(provides, inspect.iscoroutinefunction))
    for attribute, member in members.items():
        named = method_mark(member).bulk
        # Before the others are read: a bulk method that is not named by a mark is one of them.
        if named is not None and named not in members:
            raise ServiceInvalid(
                f"{name}.{attribute} names '{named}' as its bulk method, which is no "
                f"async method of {provides.__qualname__}",
                where=f"{provides.__module__}.{provides.__qualname__}.{attribute}",
                mend="write one that takes a sequence of BulkCall, or leave bulk= out",
            )
    # These are called with calls, by the worker alone.
    bulk = {method_mark(member).bulk for member in members.values()}
    methods = {
        attribute: _define_method(name, attribute, member)
        for attribute, member in members.items()
        if not attribute.startswith("_") and attribute not in bulk and _has_named_parameters(member)
    }
    for attribute, method in methods.items():
        where = f"{provides.__module__}.{provides.__qualname__}.{attribute}"
        for role, other in (("undo", method.mark.undo), ("preview", method.mark.preview)):
            if other is not None and other not in methods:
                raise ServiceInvalid(
                    f"{name}.{attribute} names '{other}' as its {role}, which is no durable "
                    f"method of {provides.__qualname__}",
                    where=where,
                    mend=f"name one of: {', '.join(sorted(methods))}",
                )
        if method.mark.undo is not None:
            _check_undo(method, methods[method.mark.undo], where)
        if method.mark.preview is not None:
            _check_preview(method, methods[method.mark.preview], where)
    return ServiceDefinition(name=name, provides=provides, methods=methods)


def _check_undo(method: Method, undo: Method, where: str) -> None:
    """Refuse an undo that wants what nobody can fill in."""
    given = {*method.signature.parameters, *method.arguments_type.__annotations__, *UNDO_PARAMETERS}
    missing = [
        parameter.name
        for parameter in undo.signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is not parameter.VAR_KEYWORD
        and parameter.name not in given
    ]
    if missing:
        raise ServiceInvalid(
            f"{undo.activity}, the undo of {method.activity}, has the parameter '{missing[0]}', "
            "which is none of the call's arguments",
            where=where,
            mend=f"name a parameter of {method.activity} there, one of "
            f"{', '.join(UNDO_PARAMETERS)}, or give it a default",
        )


def _check_preview(method: Method, preview: Method, where: str) -> None:
    """Refuse a preview that changes something, or that can't be called like its mutation."""
    same = preview.signature.parameters.keys() == method.signature.parameters.keys()
    if preview.mark.kind != "read" or not same:
        raise ServiceInvalid(
            f"{preview.activity}, the preview of {method.activity}, "
            + ("has other parameters" if not same else "is no read"),
            where=where,
            mend=f"mark it with @read, and give it the parameters of {method.activity}",
        )


def _has_named_parameters(function: Callable[..., Any]) -> bool:
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_POSITIONAL not in kinds


def _define_method(service: str, name: str, function: Callable[..., Any]) -> Method:
    where = f"{function.__module__}.{function.__qualname__}"
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception as error:
        raise ServiceInvalid(
            f"the annotations of {service}.{name} can't be resolved: {error}",
            where=where,
            mend="import the names at module level, not only under TYPE_CHECKING",
        ) from error
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[1:]
    fields: dict[str, Any] = {}
    keywords: str | None = None
    extra: typing.Literal["allow", "forbid"] = "forbid"
    for parameter in parameters:
        hint = hints.get(parameter.name, Any)
        if parameter.kind is not parameter.VAR_KEYWORD:
            optional = parameter.default is not parameter.empty
            fields[parameter.name] = NotRequired[hint] if optional else hint
            continue
        keywords = parameter.name
        if typing.get_origin(hint) is typing.Unpack:
            (unpacked,) = typing.get_args(hint)
            names = typing.get_type_hints(unpacked, include_extras=True)
            fields |= {
                key: value if key in unpacked.__required_keys__ else NotRequired[value]
                for key, value in names.items()
            }
        else:
            extra = "allow"
    try:
        # A typed dict and no model, since its keys may bear any name a parameter may bear.
        make_typed_dict: Any = TypedDict
        arguments_type = make_typed_dict(f"{service}.{name}", fields)
        arguments_type.__pydantic_config__ = ConfigDict(extra=extra)
        TypeAdapter(arguments_type)
        result_type = hints.get("return", Any)
        TypeAdapter(result_type)
    except PydanticUserError as error:
        raise ServiceInvalid(
            f"{service}.{name} has an annotation that pydantic can't validate: {error.message}",
            where=where,
            mend="use plain types, dataclasses or pydantic models for arguments and results",
        ) from error
    return Method(
        activity=f"{service}.{name}",
        mark=method_mark(function),
        signature=signature.replace(parameters=parameters),
        arguments_type=arguments_type,
        result_type=NoneType if result_type is None else result_type,
        _keywords=keywords,
    )


def summarize(arguments: Mapping[str, Any]) -> str:
    """A call's arguments in a few words, for the Web UI.

    Example:
        >>> summarize({"product_id": "prod_1", "status": "published", "tags": ["a", "b"]})
        'product_id=prod_1 status=published tags=[2]'
    """
    words = " ".join(f"{name}={_brief(value)}" for name, value in arguments.items())
    return words if len(words) <= SUMMARY_LENGTH else words[: SUMMARY_LENGTH - 1] + "…"


def _brief(value: Any) -> str:
    if isinstance(value, list | tuple | set | frozenset) and len(value) > 1:
        return f"[{len(value)}]"
    return str(value)
