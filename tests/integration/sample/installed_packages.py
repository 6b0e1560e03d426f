"""Packages as they are when they are installed: modules, and metadata with entry points."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent


def install(
    site: Path,
    distribution: str,
    files: Mapping[str, str],
    *,
    plugins: Mapping[str, str],
    version: str = "1.0",
) -> None:
    """Put a distribution's files into a folder of `sys.path`.

    Args:
        site: The folder.
        distribution: Such as `euryale-reviews`.
        files: The texts of its files by their paths.
        plugins: Its entry points: names, and what they lead to.
        version: Its release.
    """
    metadata = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    points = "\n".join(f"{name} = {value}" for name, value in plugins.items())
    texts = {
        **{site / path: dedent(text) for path, text in files.items()},
        metadata / "METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
        metadata / "entry_points.txt": f"[euryale.plugins]\n{points}\n",
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
