"""The comparison with Medusa's workflows says nothing that no test holds."""

import ast
import re

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "medusa-workflows.md").read_text(encoding="utf-8")
TESTS = ROOT / "tests" / "integration" / "test_medusa_semantics.py"

ROWS = [
    row.strip("|").split(" | ")
    for row in re.findall(r"^\|.*\|$", PAGE, re.MULTILINE)
    if not row.startswith(("| Medusa |", "| --- |"))
]


def test_each_row_names_a_test_of_its_own_and_each_test_has_a_row() -> None:
    named = [re.fullmatch(r"\s*`(\w+)`\s*", row[-1]) for row in ROWS]
    assert all(named), [row for row, name in zip(ROWS, named, strict=True) if not name]
    tests = [
        each.name
        for each in ast.parse(TESTS.read_text(encoding="utf-8")).body
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        and each.name.startswith("test_")
    ]
    assert sorted(name[1] for name in named if name) == sorted(tests)


def test_each_row_says_what_both_do() -> None:
    assert len(ROWS) > 20
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in ROWS)
