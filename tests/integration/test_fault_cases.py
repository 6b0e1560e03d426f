"""Proofs of a small bank: sagas that hold, and sagas that are wrong in one way each."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import bank
import pytest

from euryale.testing import OpenWorld, Proof, ProofFailed, prove, sqlite_file

PROJECT = '[tool.euryale]\napp = "bank:app"\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "jobs").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PROJECT)
    shutil.copy(bank.__file__, root / "bank.py")
    return root


@pytest.fixture
def accounts(tmp_path: Path) -> OpenWorld:
    file = tmp_path / "bank.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(bank.TABLES)
    return sqlite_file(file, variable="BANK_FILE", value="{}")


async def failed(workflow: object, project: Path, accounts: OpenWorld, address: str) -> Proof:
    with pytest.raises(ProofFailed) as caught:
        await prove(workflow, 5, world=accounts, root=project, address=address)  # type: ignore[arg-type]
    return caught.value.proof


@pytest.mark.timeout(180)
async def test_a_transfer_with_steps_side_by_side_is_all_or_nothing_in_every_case(
    project: Path, accounts: OpenWorld, temporal_address: str
) -> None:
    proof = await prove(
        bank.Transfer.run, 5, world=accounts, root=project, address=temporal_address
    )
    assert proof.cases > 60
    told = [str(each.case) for each in proof.verdicts]
    assert "booking.make #3 hangs after its effect" in told


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("workflow", "found"),
    [
        (
            bank.Forgetful.run,
            (
                "booking.make-forgetfully fails after its effect",
                "left behind, and no report accounts for it: account/bert/balance is 5 and was 0",
            ),
        ),
        (
            bank.Repeating.run,
            (
                "booking.make-again fails once after its effect",
                "account/bert/balance is 10, which it is not after an undisturbed run",
            ),
        ),
        (
            bank.Blind.run,
            (
                "booking.make-blindly fails after its effect",
                "left behind, and no report accounts for it: account/bert/balance is 5 and was 0",
            ),
        ),
        (
            bank.Hiding.run,
            (
                "booking.make fails before its effect",
                "account/bert/balance is not 5, which it is after an undisturbed run",
            ),
        ),
    ],
)
async def test_a_saga_that_is_wrong_is_found_out_with_what_differs(
    workflow: object,
    found: tuple[str, str],
    project: Path,
    accounts: OpenWorld,
    temporal_address: str,
) -> None:
    proof = await failed(workflow, project, accounts, temporal_address)
    case, problem = found
    (verdict,) = (each for each in proof.failed if str(each.case) == case)
    assert any(told.startswith(problem) for told in verdict.problems), verdict.problems
    assert len(proof.failed) < proof.cases
