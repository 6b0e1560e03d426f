"""A worker's build id: which code it runs, as Temporal shows it with each workflow task."""

import hashlib
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from euryale.registry import Registry


def build_id(registry: Registry, classes: Iterable[type]) -> str:
    """The same for the same job files, workflows, activities and services.

    Temporal's default reads the code of all that is loaded, libraries included: some seconds at
    each start where Python keeps no bytecode, as in most images.

    Args:
        registry: The jobs and services.
        classes: The application's workflows and classes of activities.

    Returns:
        The engine's version and a digest of the files, such as `euryale-0.1.0+3f2a9c1d0b7e`.
    """
    classes = [*classes, *(service.provides for service in registry.services.values())]
    modules = {sys.modules.get(each.__module__) for each in classes}
    files = {Path(file) for module in modules if (file := getattr(module, "__file__", None))}
    files |= {job.file for job in registry.jobs.values()}
    contents = sorted(file.read_bytes() for file in files if file.is_file())
    digest = hashlib.sha256(b"\0".join(contents)).hexdigest()
    return f"euryale-{version('euryale')}+{digest[:12]}"
