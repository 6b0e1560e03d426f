"""The project that a command works on: its root, its application, and the application's jobs."""

import importlib
import sys
import tomllib
import traceback
from dataclasses import dataclass
from pathlib import Path

from euryale.app import Euryale, project_root
from euryale.build import build_id
from euryale.errors import AppNotFound, EuryaleError, JobUnknown
from euryale.jobs.job import Job
from euryale.registry import Registry
from euryale.schedules.release import Release

_NAME_IT = (
    'write `[tool.euryale]` and `app = "worker.app:app"` into pyproject.toml, or give --app or '
    "EURYALE_APP"
)


@dataclass(frozen=True)
class Project:
    """An application, where it was found, and what it serves.

    Attributes:
        root: The folder that modules and job folders are named from.
        reference: Where the application is, as `module:attribute`.
        app: The application.
        registry: Its jobs and services, and what is wrong with the job files left out.
    """

    root: Path
    reference: str
    app: Euryale
    registry: Registry

    def job(self, name: str) -> Job:
        """The job of that name.

        Raises:
            JobUnknown: There is none; says so too when job files were left out, as the job may be
                in one of them.
        """
        try:
            return self.registry.job(name)
        except JobUnknown as error:
            left_out = len(self.registry.errors)
            if not left_out:
                raise
            hint = "`euryale check` tells what is wrong with the job files that were left out"
            mend = f"{error.mend} {hint}" if error.mend.endswith("?") else f"{error.mend}; {hint}"
            raise JobUnknown(error.what, where=error.where, mend=mend) from None


def load_project(reference: str | None = None, *, start: Path | None = None) -> Project:
    """Import the application and discover its jobs.

    Args:
        reference: `module:attribute`; by default what `[tool.euryale] app` of the nearest
            `pyproject.toml` upwards says.
        start: Where to look for it from; by default the working directory.

    Raises:
        AppNotFound: No application is named, or what is named can't be imported.
        ServiceInvalid: A service can't be used durably.
    """
    root = project_root(start)
    named = reference or _named_by(root / "pyproject.toml")
    app = _import_app(named, root, where=root / "pyproject.toml" if reference is None else None)
    return Project(root=root, reference=named, app=app, registry=app.load(root))


def given_release(
    project: Project, name: str | None, sequence: int | None, *, rollback: bool = False
) -> Release:
    """The release that somebody names, or else the one that the code's content does.

    Raises:
        ReleaseInvalid: The name or the sequence can't be one.
    """
    return Release(name or build_id(project.registry), sequence, rollback)


def _named_by(file: Path) -> str:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AppNotFound("no application is named", where=str(file), mend=_NAME_IT) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AppNotFound(f"the file is no TOML: {error}", where=str(file)) from None
    named = tables.get("tool", {}).get("euryale", {}).get("app")
    if not isinstance(named, str) or not named:
        raise AppNotFound("no application is named", where=str(file), mend=_NAME_IT)
    return named


def _import_app(reference: str, root: Path, *, where: Path | None) -> Euryale:
    place = "--app or EURYALE_APP" if where is None else f"{where} [tool.euryale]"
    module_name, _, attribute = reference.partition(":")
    if not module_name or not attribute.isidentifier():
        raise AppNotFound(
            f"'{reference}' names no application",
            where=place,
            mend="write it as module:attribute, such as worker.app:app",
        )
    # A console script has its own folder on the path, not the project's.
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(module_name)
    except EuryaleError:
        raise
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise _import_failed(module_name, error, root) from error
        raise AppNotFound(
            f"there is no module '{error.name}', which '{reference}' needs",
            where=place,
            mend=f"modules are looked for below {root}",
        ) from None
    except Exception as error:
        raise _import_failed(module_name, error, root) from error
    app = getattr(module, attribute, None)
    if not isinstance(app, Euryale):
        found = "nothing" if app is None else f"of type {type(app).__name__}"
        raise AppNotFound(
            f"'{reference}' is {found}, not an application",
            where=place,
            mend=f"write `{attribute} = Euryale(name=…, services=…)` in {module_name}",
        )
    return app


def _import_failed(module: str, error: Exception, root: Path) -> AppNotFound:
    return AppNotFound(
        f"importing '{module}' failed with {type(error).__name__}: {error}",
        where=_line(error, root),
        mend="correct that line; the command needs the application",
    )


def _line(error: Exception, root: Path) -> str:
    """The line of the project that the import failed at, as `file:line`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_relative(error.filename, root)}:{error.lineno}"
    own = [
        f"{_relative(frame.filename, root)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(root)
        and "site-packages" not in Path(frame.filename).parts
    ]
    return own[-1] if own else ""


def _relative(file: str, root: Path) -> str:
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else file
