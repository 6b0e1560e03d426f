"""A job: its config, its handler and what the handler asks for.

A handler names what it needs, and that is all that is looked at: `inspect_handler` reads its
signature, `validate_data` and `give_options` turn a run's plain data and a source's options into
what the handler's annotations declare.
"""

import copy
import inspect
import re
import sys
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from euryale.config import Retry, ScheduledJobConfig
from euryale.errors import DataInvalid, HandlerInvalid
from euryale.time.timetable import Timetable, timetable_of

PARAMETERS = ("container", "data", "plugin_options", "scheduled_for")
"""What a handler may name."""

# Annotations that promise nothing beyond the plain dict that it is anyway.
_PLAIN = (inspect.Parameter.empty, Any, object, dict, dict[str, Any], Mapping, Mapping[str, Any])

_REFUSED_KINDS = {
    inspect.Parameter.VAR_POSITIONAL: "'*{}' (name what the handler needs)",
    inspect.Parameter.VAR_KEYWORD: "'**{}' (name what the handler needs)",
    inspect.Parameter.POSITIONAL_ONLY: "'{}' (positional-only, but parameters are given by name)",
}

_LONGEST_ECHO = 40
"""Characters of an input that a message may repeat: longer ones may be secrets."""


@dataclass(frozen=True)
class JobSource:
    """A place that job files come from: the application's `jobs/`, or a plugin's.

    Attributes:
        path: The folder; a relative one is meant from the project's root.
        plugin_options: What the handlers of this source get as `plugin_options`. It stays on the
            worker: Temporal is not sent it.
        plugin: The name of the `JobPlugin` that the files are of; empty for the application's own.
        package: The importable name of the folder; empty if it follows from `sys.path`.
    """

    path: Path
    plugin_options: Mapping[str, Any] | BaseModel = field(default_factory=dict, repr=False)
    plugin: str = ""
    package: str = ""


@dataclass(frozen=True)
class Job:
    """A job file that was imported and found good.

    Attributes:
        config: What the file says of its job.
        handler: The async function that a run calls.
        module: The importable name of the file, such as `jobs.reports.daily`.
        file: The file's absolute path.
        line: The line of the file that names `handler`.
        parameters: What the handler names, in its own order.
        data_type: What `data` is validated as; None if it stays a plain dict.
        source: Where the file comes from.
    """

    config: ScheduledJobConfig
    handler: Callable[..., Awaitable[Any]]
    module: str
    file: Path
    line: int
    parameters: tuple[str, ...]
    data_type: Any | None
    source: JobSource

    @property
    def name(self) -> str:
        """The job's name, as its config has it."""
        return self.config.name

    @property
    def where(self) -> str:
        """The file, as its module is named from the project's root, and the handler's line."""
        return f"{self.module.replace('.', '/')}.py:{self.line}"

    @cached_property
    def timetable(self) -> Timetable:
        """When the job fires."""
        return timetable_of(self.config, where=self.where)

    def validate_data(self, data: Any) -> Any:
        """Turn a run's plain data into what the handler declares.

        Args:
            data: What the config or `euryale run --data` says: what JSON can say, or an
                instance of the declared type.

        Returns:
            An instance of `data_type`, or a plain dict where the handler declares none.

        Raises:
            DataInvalid: The data is not what the handler declares; names each field.
        """
        return validate_data(self._data_adapter, data, job=self.name)

    @cached_property
    def _data_adapter(self) -> TypeAdapter[Any] | None:
        return None if self.data_type is None else TypeAdapter(self.data_type)


@dataclass(frozen=True)
class HandlerSignature:
    """What a handler names, and what it declares.

    Attributes:
        parameters: What it names, in its own order.
        data_type: What it declares `data` to be; None for a plain dict.
        options_type: What it declares `plugin_options` to be; None for a plain dict.
    """

    parameters: tuple[str, ...]
    data_type: Any | None
    options_type: Any | None = None


@dataclass(frozen=True)
class Problem:
    """A field that validation refuses, why, and how to mend it (which may be empty)."""

    field: str
    reason: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


def inspect_handler(handler: object, *, where: str = "") -> HandlerSignature:
    """Read what a handler asks for from its signature.

    Args:
        handler: What a job file calls `handler`: an async function, possibly decorated.
        where: The file and line for the error's message.

    Raises:
        HandlerInvalid: It is no async function, has a parameter that can't be given to it by
            name, or declares `data` or `plugin_options` as something that pydantic can't validate.

    Example:
        >>> async def handler(container, data): ...
        >>> inspect_handler(handler).parameters
        ('container', 'data')
    """
    _refuse_unless_async(handler, where)
    parameters = _signature(handler).parameters
    refused = [told for parameter in parameters.values() if (told := _refusal(parameter))]
    if refused:
        plural = "parameters" if len(refused) > 1 else "a parameter"
        raise HandlerInvalid(
            f"the handler has {plural} that a job can't be given: {', '.join(refused)}",
            where=where,
            mend=f"a handler names any of {_listing(PARAMETERS)}",
        )
    return HandlerSignature(
        parameters=tuple(parameters),
        data_type=_declared_type(handler, parameters.get("data"), where),
        options_type=_declared_type(handler, parameters.get("plugin_options"), where),
    )


def validate_data(declared: TypeAdapter[Any] | None, data: Any, *, job: str) -> Any:
    """Validate a run's data; see `Job.validate_data`.

    Args:
        declared: The adapter of what the handler declares; None for a plain dict.
        data: The data as it came.
        job: The job's name, for the error's message.

    Raises:
        DataInvalid: The data is not what the handler declares.
    """
    try:
        return _plain(data) if declared is None else declared.validate_python(data)
    except ValidationError as error:
        problems = "; ".join(str(problem) for problem in validation_problems(error, "data"))
    except TypeError as error:
        problems = f"data: {error}"
    raise DataInvalid(
        f"the data of job {job!r} is not what its handler declares: {problems}",
        mend="correct the fields named, or the annotation of the handler's `data`",
    )


def give_options(declared: Any | None, options: Mapping[str, Any] | BaseModel) -> Any:
    """A source's options as its handler declares them; a copy, so that no run changes another's.

    Args:
        declared: What the handler declares `plugin_options` to be; None for a plain dict.
        options: What the source holds.

    Returns:
        A plain dict of the fields, or an instance of what is declared.

    Raises:
        pydantic.ValidationError: The options are not what the handler declares.

    Example:
        >>> give_options(None, {"days": 30})
        {'days': 30}
    """
    own = copy.deepcopy(options)
    # By name and not by identity: inside the sandbox, the model of a package whose jobs are run is
    # another object of the same name. Nothing is validated again then, so that a model that reads
    # the environment does so on the worker alone.
    if isinstance(own, BaseModel) and _place(declared) == _place(type(own)):
        return own
    plain = dict(own)
    if declared is None:
        return plain
    return TypeAdapter(declared).validate_python(plain, by_alias=True, by_name=True)


def _place(declared: Any) -> tuple[str, str]:
    return getattr(declared, "__module__", ""), getattr(declared, "__qualname__", "")


def read_config(value: object) -> ScheduledJobConfig:
    """Take what a job file calls `config`: a `ScheduledJobConfig`, or a dict of its fields.

    Raises:
        pydantic.ValidationError: A field is unknown or refused; see `validation_problems`.
        TypeError: It is neither of the two.
    """
    if isinstance(value, ScheduledJobConfig):
        return value
    if isinstance(value, Mapping):
        return ScheduledJobConfig.model_validate(dict(value))
    msg = f"config is of type {type(value).__name__}, and should be a ScheduledJobConfig or a dict"
    raise TypeError(msg)


def validation_problems(error: ValidationError, prefix: str = "") -> tuple[Problem, ...]:
    """What pydantic refuses, a field at a time, without repeating what may be a secret.

    Args:
        error: What validation raised.
        prefix: What the fields are fields of, such as `data`.
    """
    if error.title == Retry.__name__:
        prefix = "retry"
    problems = []
    for detail in error.errors(include_url=False):
        location = (prefix, *detail["loc"]) if prefix else detail["loc"]
        path = ".".join(str(part) for part in location) or "config"
        if detail["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
            known = _known_fields(error.title, detail["loc"])
            mend = suggestion(str(detail["loc"][-1]), known) if known else ""
            problems.append(Problem(path, "there is no such field", mend))
        else:
            problems.append(Problem(path, _reason(detail)))
    return tuple(problems)


def suggestion(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or else all of them.

    Example:
        >>> suggestion("numberOfExecutions", ["name", "number_of_executions"])
        "did you mean 'number_of_executions'?"
    """
    known = sorted(known)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    near = [snake] if snake in known else get_close_matches(snake, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the known ones are {_listing(known)}"


def _refuse_unless_async(handler: object, where: str) -> None:
    unwrapped = inspect.unwrap(handler) if callable(handler) else handler
    # The last is for an instance whose class says `async def __call__`.
    candidates = (handler, unwrapped, getattr(handler, "__call__", None))  # noqa: B004
    if any(inspect.iscoroutinefunction(candidate) for candidate in candidates):
        return
    if inspect.isasyncgenfunction(unwrapped):
        what, mend = "the handler has a `yield`, and is a generator", "remove the `yield`"
    elif inspect.isfunction(unwrapped):
        what = "the handler is a plain function"
        mend = f"write `async def {unwrapped.__name__}(...)`"
    else:
        what = f"the handler is of type {type(handler).__name__}, not an async function"
        mend = "write `async def handler(container): ...`"
    raise HandlerInvalid(what, where=where, mend=mend)


def _signature(handler: Any) -> inspect.Signature:
    if sys.version_info >= (3, 14):
        # Annotations are evaluated lazily there: one that can't be must not hide the others.
        import annotationlib  # noqa: PLC0415

        return inspect.signature(handler, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(handler)


def _refusal(parameter: inspect.Parameter) -> str:
    if parameter.kind in _REFUSED_KINDS:
        return _REFUSED_KINDS[parameter.kind].format(parameter.name)
    if parameter.name not in PARAMETERS:
        near = get_close_matches(parameter.name.lower(), PARAMETERS, n=1)
        snake = suggestion(parameter.name, PARAMETERS) if near else ""
        return f"{parameter.name!r}" + (f" ({snake})" if snake else "")
    return ""


def _declared_type(handler: object, parameter: inspect.Parameter | None, where: str) -> Any | None:
    if parameter is None:
        return None
    try:
        annotation = _evaluated(handler, parameter.annotation)
        if any(annotation is plain or annotation == plain for plain in _PLAIN):
            return None
        TypeAdapter(annotation)
    except (NameError, AttributeError, SyntaxError, TypeError, PydanticUserError) as error:
        reason = str(error).splitlines()[0]
        raise HandlerInvalid(
            f"what the handler declares `{parameter.name}` to be can't be validated: {reason}",
            where=where,
            mend=f"annotate `{parameter.name}` with a pydantic model that is imported where the "
            "handler is, also at run time",
        ) from None
    return annotation


def _evaluated(handler: Any, annotation: Any) -> Any:
    """What an annotation means that is a string, or has strings in it.

    Only this one is evaluated: the others may well name what exists for type checkers alone.
    """

    def stand_in() -> None: ...

    stand_in.__annotations__ = {"declared": annotation}
    names = getattr(inspect.unwrap(handler), "__globals__", {})
    return typing.get_type_hints(stand_in, globalns=names, include_extras=True)["declared"]


def _plain(data: Any) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        msg = f"it should be an object with named fields, not of type {type(data).__name__}"
        raise TypeError(msg)
    return dict(data)


def _known_fields(title: str, location: tuple[int | str, ...]) -> list[str]:
    """The fields of the config, or of what it holds, that an unknown one may be mistaken for."""
    models: dict[str, type[BaseModel]] = {
        model.__name__: model for model in (ScheduledJobConfig, Retry)
    }
    model: Any = models.get(title)
    for part in location[:-1]:
        known = getattr(model, "model_fields", {})
        model = known[part].annotation if part in known else None
    return list(getattr(model, "model_fields", {}))


def _reason(detail: Any) -> str:
    reason, value = str(detail["msg"]), detail["input"]
    if isinstance(value, str) and len(value) > _LONGEST_ECHO:
        # Only a validator of the user's own would put its input into its message.
        reason = reason.replace(value, "…")
    reason = reason[0].lower() + reason[1:]
    return reason if detail["type"] == "missing" else f"{reason} (got {type(value).__name__})"


def _listing(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
