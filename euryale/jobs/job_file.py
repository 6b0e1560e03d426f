"""A job file: imported and judged on its own, with a line for all that is wrong with it."""

import ast
import contextlib
import importlib
import importlib.util
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType

from pydantic import TypeAdapter, ValidationError

from euryale.config import Retry, ScheduledJobConfig
from euryale.errors import (
    ConfigInvalid,
    ConfigMissing,
    EuryaleError,
    ExpectationInvalid,
    HandlerInvalid,
    HandlerMissing,
    JobImportFailed,
    JobSyntaxInvalid,
    JobUnreadable,
    PluginOptionsInvalid,
    ScheduleInvalid,
)
from euryale.jobs.job import (
    HandlerSignature,
    Job,
    JobSource,
    give_options,
    inspect_handler,
    read_config,
    validation_problems,
)
from euryale.jobs.option_problems import option_problems
from euryale.time.catch_up import refuse_contradictions
from euryale.time.spread import refuse_long_window
from euryale.time.timetable import timetable_of
from euryale.time.zones import time_zone
from euryale.watchdog.expectation import expectation_of

_CONFIG_MODELS = {ScheduledJobConfig.__name__, Retry.__name__}
_CONFIG_EXAMPLE = 'write `config = ScheduledJobConfig(name="...", schedule="0 0 * * *")`'
_LONGEST_REASON = 500


@dataclass(frozen=True)
class JobFile:
    """A job file: `place` is its path as messages name it, `module` its importable name."""

    path: Path
    place: str
    module: str


@dataclass(frozen=True)
class JudgedFile:
    """What a job file turned out to be.

    Attributes:
        file: The file.
        line: The line of its `config`.
        name: The name that its config claims, also if its job is broken; None if unknown.
        job: The job, if nothing is wrong with it.
        errors: All that is wrong.
    """

    file: JobFile
    line: int = 1
    name: str | None = None
    job: Job | None = None
    errors: tuple[EuryaleError, ...] = ()


def judge(file: JobFile, source: JobSource) -> JudgedFile:
    """Import a job file, and check what it says.

    Nothing that the file does makes this raise, except `KeyboardInterrupt`.
    """
    try:
        tree = _parsed(file)
    except EuryaleError as error:
        return JudgedFile(file, errors=(error,))
    try:
        module = _imported(file)
    except EuryaleError as error:
        return JudgedFile(file, errors=(error,))
    except ValidationError as error:
        errors = _config_errors(error, file, tree, _raising_line(error, file) or 1)
        if _bindings(tree).keys().isdisjoint({"handler", "*"}):
            errors = (*errors, _handler_missing(file, tree))
        return JudgedFile(file, errors=errors)
    return _judge_content(module, file, tree, source)


def _judge_content(
    module: ModuleType, file: JobFile, tree: ast.Module, source: JobSource
) -> JudgedFile:
    lines = _bindings(tree)
    config_line, handler_line = lines.get("config", 1), lines.get("handler", 1)
    config, errors = _config_of(module, file, tree, config_line)
    signature: HandlerSignature | None = None
    try:
        signature = _signature_of(module, file, tree, handler_line)
    except (HandlerMissing, HandlerInvalid) as error:
        errors = (*errors, error)
    if config is not None and signature is not None and signature.data_type is not None:
        try:
            TypeAdapter(signature.data_type).validate_python(config.data)
        except ValidationError as error:
            errors = (*errors, *_config_errors(error, file, tree, config_line, "data"))
    if signature is not None and "plugin_options" in signature.parameters:
        try:
            give_options(signature.options_type, source.plugin_options)
        except Exception as error:  # noqa: BLE001 -- a model of the plugin's own may raise anything
            errors = (*errors, _options_refused(error, f"{file.place}:{handler_line}"))
    job = None
    if config is not None and signature is not None and not errors:
        job = Job(
            config=config,
            handler=module.handler,
            module=file.module,
            file=Path(module.__file__ or file.path),  # As tracebacks name it.
            line=handler_line,
            parameters=signature.parameters,
            data_type=signature.data_type,
            source=source,
        )
    name = None if config is None else config.name
    return JudgedFile(file, config_line, name, job, errors)


def _parsed(file: JobFile) -> ast.Module:
    if "." in file.place.removesuffix(".py"):
        raise JobImportFailed(
            "a job file with a dot in its name can't be imported",
            where=file.place,
            mend="rename the file or its folder: put `_` or `-` for the dot",
        )
    try:
        content = file.path.read_bytes()
    except OSError as error:
        raise unreadable(file.place, error) from None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise JobUnreadable(
            "the file is not UTF-8", where=f"{file.place}:{line}", mend="save it as UTF-8"
        ) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The import says them, once.
            tree = ast.parse(content, str(file.path))
            compile(tree, str(file.path), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise JobSyntaxInvalid(
            f"the file is not Python: {error.msg}",
            where=f"{file.place}:{error.lineno or 1}",
            mend="correct the syntax",
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise JobSyntaxInvalid(
            f"the file can't be compiled: {_told(error)}",
            where=file.place,
            mend="take out null bytes, and split expressions that are nested too deeply",
        ) from None
    return tree


def _imported(file: JobFile) -> ModuleType:
    """Import a job file; what is wrong with a config comes out as pydantic raised it."""
    leads_to = "nothing"
    try:
        spec = importlib.util.find_spec(file.module)
        if spec is not None and spec.origin is not None:
            if Path(spec.origin).resolve() == file.path.resolve():
                # What a file prints while it's imported is no part of a command's output.
                with contextlib.redirect_stdout(sys.stderr):
                    return importlib.import_module(file.module)
            leads_to = repr(spec.origin)
    except BaseException as error:  # A job file may raise whatever it likes, SystemExit too.
        if isinstance(error, KeyboardInterrupt):
            raise
        if isinstance(error, ValidationError) and error.title in _CONFIG_MODELS:
            raise
        if not _is_hidden(error, file.module):
            raise _import_failed(error, file) from error
        package = sys.modules.get(file.module.partition(".")[0])
        leads_to = repr(getattr(package, "__file__", None) or leads_to)
    raise JobImportFailed(
        f"the name {file.module!r} does not lead to this file, but to {leads_to}",
        where=file.place,
        mend="rename the file or its folder, or put an `__init__.py` into the folder, so that "
        "nothing else goes by that name",
    )


def _is_hidden(error: BaseException, module: str) -> bool:
    """Whether the file's own module, or a package that it lies in, was not found."""
    return (
        isinstance(error, ModuleNotFoundError)
        and error.name is not None
        and f"{module}.".startswith(f"{error.name}.")
    )


def _config_of(
    module: ModuleType, file: JobFile, tree: ast.Module, line: int
) -> tuple[ScheduledJobConfig | None, tuple[EuryaleError, ...]]:
    if not hasattr(module, "config"):
        near = get_close_matches("config", {name.lower() for name in _bindings(tree)}, n=1)
        written = [name for name in _bindings(tree) if name.lower() in near]
        mend = f"rename {written[0]!r} to 'config'" if written else _CONFIG_EXAMPLE
        return None, (ConfigMissing("the file has no `config`", where=file.place, mend=mend),)
    try:
        config = read_config(module.config)
    except ValidationError as error:
        return None, _config_errors(error, file, tree, line)
    except TypeError as error:
        at = f"{file.place}:{line}"
        return None, (ConfigInvalid(str(error), where=at, mend=_CONFIG_EXAMPLE),)
    errors: list[EuryaleError] = []
    lines = _field_lines(tree, line)

    def where(field: str) -> str:
        return f"{file.place}:{_field_line(lines, line, field)}"

    # A zone that isn't known is told at its own line, and doesn't hide what else is wrong.
    judged = config
    try:
        if config.time_zone is not None:
            time_zone(config.time_zone, where=where("time_zone"))
    except ScheduleInvalid as error:
        errors.append(error)
        judged = config.model_copy(update={"time_zone": None})
    try:
        timetable = timetable_of(judged, where=where("schedule"))
        refuse_long_window(config, timetable, where=where("window"))
    except (ScheduleInvalid, ConfigInvalid) as error:
        errors.insert(0, error)
    try:
        refuse_contradictions(config, where=where("catch_up"))
    except ConfigInvalid as error:
        errors.append(error)
    try:
        expectation_of(config, where=where("expect"))
    except ExpectationInvalid as error:
        errors.append(error)
    return config, tuple(errors)


def _config_errors(
    error: ValidationError, file: JobFile, tree: ast.Module, line: int, prefix: str = ""
) -> tuple[EuryaleError, ...]:
    lines = _field_lines(tree, line)
    return tuple(
        ConfigInvalid(
            f"config field {problem.field!r}: {problem.reason}",
            where=f"{file.place}:{_field_line(lines, line, problem.field)}",
            mend=problem.mend,
        )
        for problem in validation_problems(error, prefix)
    )


def _signature_of(
    module: ModuleType, file: JobFile, tree: ast.Module, line: int
) -> HandlerSignature:
    if not hasattr(module, "handler"):
        raise _handler_missing(file, tree)
    return inspect_handler(module.handler, where=f"{file.place}:{line}")


def _options_refused(error: Exception, where: str) -> PluginOptionsInvalid:
    if isinstance(error, ValidationError):
        told = "; ".join(str(problem) for problem in option_problems(error))
    else:
        told = f"giving them raised {type(error).__name__}"
    return PluginOptionsInvalid(
        f"the options are not what the handler declares `plugin_options` to be: {told}",
        where=where,
        mend="annotate `plugin_options` with the plugin's own model of its options",
    )


def _handler_missing(file: JobFile, tree: ast.Module) -> HandlerMissing:
    functions = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    near = get_close_matches("handler", [function.name for function in functions], n=1)
    alone = [function.name for function in functions if isinstance(function, ast.AsyncFunctionDef)]
    meant = near or (alone if len(alone) == 1 else [])
    mend = f"rename {meant[0]!r} to 'handler'" if meant else "write `async def handler(container)`"
    return HandlerMissing("the file has no `handler`", where=file.place, mend=mend)


def _import_failed(error: BaseException, file: JobFile) -> JobImportFailed:
    mend = "correct that line, or do the work in the handler"
    if isinstance(error, ModuleNotFoundError) and error.name:
        mend = f"install the package that has {error.name!r}, or correct the import"
    elif isinstance(error, SystemExit):
        mend = 'a job file is imported, not run: put that below `if __name__ == "__main__":`'
    line = _raising_line(error, file)
    return JobImportFailed(
        f"importing the file raised {_told(error)}",
        where=file.place if line is None else f"{file.place}:{line}",
        mend=mend,
    )


def unreadable(place: str, error: OSError) -> JobUnreadable:
    """The error for a file or folder that the operating system won't let be read."""
    return JobUnreadable(
        f"it can't be read: {error.strerror or error}",
        where=place,
        mend="check that it is there, and that this user may read it",
    )


def _told(error: BaseException) -> str:
    """An exception's type and message in one line, without the values that pydantic repeats."""
    if isinstance(error, ValidationError):
        message = f"{error.title}: " + "; ".join(str(each) for each in validation_problems(error))
    else:
        message = " ".join(str(error).split())
    name = type(error).__name__
    return f"{name}: {message[:_LONGEST_REASON]}" if message else name


def _raising_line(error: BaseException, file: JobFile) -> int | None:
    """The line of the file that an exception came through last; None if it came from elsewhere."""
    own = file.path.resolve()
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).resolve() == own
    ]
    return lines[-1] if lines else None


def _bindings(tree: ast.Module) -> dict[str, int]:
    """The names that a module binds, and the line of the last binding; `*` for a star import."""
    lines: dict[str, int] = {}
    for node in _module_level(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                lines[node.name] = node.lineno
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    lines[alias.asname or alias.name.partition(".")[0]] = node.lineno
            case ast.Name(ctx=ast.Store()):
                lines[node.id] = node.lineno
    return lines


def _module_level(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: all but the bodies of functions and classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
        ):
            yield from _module_level(child)


def _field_lines(tree: ast.Module, line: int) -> dict[str, int]:
    """The lines of a config's fields, for a config whose statement has the given line."""
    lines: dict[str, int] = {}
    for statement in tree.body:
        if statement.lineno <= line <= (statement.end_lineno or line):
            for node in ast.walk(statement):
                if isinstance(node, ast.keyword) and node.arg:
                    lines.setdefault(node.arg, node.lineno)
                elif isinstance(node, ast.Dict):
                    for key in node.keys:
                        if isinstance(key, ast.Constant):
                            lines.setdefault(str(key.value), key.lineno)
    return lines


def _field_line(lines: Mapping[str, int], line: int, field: str) -> int:
    """The line of a field, or of what it is a part of; the statement's where it has none."""
    return next((lines[part] for part in reversed(field.split(".")) if part in lines), line)
