"""A Python file of somebody's, imported as its own program imports it."""

import contextlib
import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from euryale.errors import ImportUnreadable

# A file that lies in no package may bear the name of an installed one: `celery.py` often does.
_PREFIX = "_imported_"


def import_file(path: Path) -> ModuleType:
    """Import a file, under the name that it has in its package.

    What the file does when it is imported is done. What it prints goes to the standard error.

    Args:
        path: The file. The folder that its outermost package lies in is put at the end of
            `sys.path`, so that what is installed goes before what lies beside the file.

    Raises:
        ImportUnreadable: The file isn't there, is no Python, or raises.
    """
    if not path.is_file():
        raise ImportUnreadable("there is no such file", where=str(path), mend="name a Python file")
    path = path.resolve()
    names = [path.stem] if path.stem != "__init__" else []
    folder = path.parent
    while (folder / "__init__.py").exists():
        names.insert(0, folder.name)
        folder = folder.parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return _packaged(".".join(names)) if len(names) > 1 else _alone(path)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        lines = [
            frame.lineno
            for frame in traceback.extract_tb(error.__traceback__)
            if Path(frame.filename) == path
        ]
        reason = " ".join(str(error).split())
        raise ImportUnreadable(
            f"importing it raised {type(error).__name__}{': ' if reason else ''}{reason}",
            where=f"{path.name}:{lines[-1]}" if lines else path.name,
            mend="import it in the environment in which it runs, with its packages installed",
        ) from error


def shown_name(name: str) -> str:
    """The name of something in an imported file, as its own program knows it.

    Example:
        >>> shown_name("_imported_clock:report")
        'clock:report'
    """
    return name.removeprefix(_PREFIX)


def _packaged(name: str) -> ModuleType:
    return importlib.import_module(name)


def _alone(path: Path) -> ModuleType:
    name = f"{_PREFIX}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
