"""A worker's build id: which code it runs, as Temporal shows it with each workflow task."""

import hashlib
import sys
from importlib.metadata import version
from pathlib import Path

from euryale.registry import Registry


def build_id(registry: Registry) -> str:
    """The same for the same job files, workflows, activities, services and releases of plugins.

    Temporal's default reads the code of all that is loaded, libraries included: some seconds at
    each start where Python keeps no bytecode, as in most images.

    Args:
        registry: The application, loaded.

    Returns:
        The engine's version and a digest of the files, such as `euryale-0.1.0+3f2a9c1d0b7e`.
    """
    parts = registry.parts
    classes = [*parts.workflows, *parts.activities]
    classes += [service.provides for service in registry.services.values()]
    classes += [type(plugin.options) for plugin in parts.plugins if plugin.options is not None]
    modules = {sys.modules.get(each.__module__) for each in classes}
    files = {Path(file) for module in modules if (file := getattr(module, "__file__", None))}
    files |= {job.file for job in registry.jobs.values()}
    contents = sorted(file.read_bytes() for file in files if file.is_file())
    # A plugin's release stands for the modules that none of these lies in.
    contents += [plugin.origin.encode() for plugin in parts.plugins]
    digest = hashlib.sha256(b"\0".join(contents)).hexdigest()
    return f"euryale-{version('euryale')}+{digest[:12]}"
