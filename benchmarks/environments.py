"""The peers' environments: one a peer, made from its pinned packages when it's first needed."""

import subprocess
import sys
import venv
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
CACHE = Path(__file__).parent / ".cache"
_MINUTES = 10


def peers() -> list[str]:
    """The names of the peers: those modules that have a list of packages beside them."""
    return sorted(
        listed.stem for listed in PEERS.glob("*.txt") if listed.with_suffix(".py").exists()
    )


def interpreter(peer: str) -> str:
    """The interpreter of a peer's environment, which is made anew when its packages changed.

    Raises:
        subprocess.CalledProcessError: The packages can't be installed.
    """
    packages = PEERS / f"{peer}.txt"
    folder = CACHE / peer
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    installed = folder / "installed.txt"
    if not installed.exists() or installed.read_text() != packages.read_text():
        CACHE.mkdir(exist_ok=True)
        (CACHE / ".gitignore").write_text("*\n")  # nothing of it belongs to the repository
        print(f"installing {peer} …", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*pip, "-r", str(packages)], check=True, timeout=60 * _MINUTES, stdout=sys.stderr
        )
        installed.write_text(packages.read_text())
    return str(python)
