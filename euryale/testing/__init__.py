"""Tests of jobs and workflows: a fixture for schedules, and proofs for sagas.

pytest finds the fixture `simulate` where Euryale is installed; see `Simulate`. `prove` disturbs a
workflow in every way that its undisturbed run suggests, and tells what it leaves behind.
"""

from typing import TYPE_CHECKING, Any

from euryale.testing.simulate import Simulate, simulate_fixture

if TYPE_CHECKING:
    from euryale.testing.proof import Proof, ProofFailed
    from euryale.testing.proving import prove
    from euryale.testing.world import OpenWorld, World, sqlite_file, sqlite_rows

__all__ = [
    "OpenWorld",
    "Proof",
    "ProofFailed",
    "Simulate",
    "World",
    "prove",
    "simulate_fixture",
    "sqlite_file",
    "sqlite_rows",
]

_HOMES = {
    "OpenWorld": "world",
    "Proof": "proof",
    "ProofFailed": "proof",
    "World": "world",
    "prove": "proving",
    "sqlite_file": "world",
    "sqlite_rows": "world",
}


def __getattr__(name: str) -> Any:
    """Import what a test asks for; pytest loads this plugin at every start."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 -- see above

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
