import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from euryale import errors
from euryale.errors import EuryaleError, JobUnknown

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"


def kinds(of: type[EuryaleError] = EuryaleError) -> Iterator[type[EuryaleError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


ERRORS = sorted(
    (kind for kind in kinds() if kind.__module__ == errors.__name__), key=lambda kind: kind.code
)


def paragraphs() -> dict[str, str]:
    """The paragraphs of the page of errors, by the code in their heading."""
    parts = re.split(r"^### (EUR\d+)\b", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_there_are_errors() -> None:
    assert len(ERRORS) > 20


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in ERRORS]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_has_a_code_of_its_own_block_and_a_docstring(kind: type[EuryaleError]) -> None:
    assert re.fullmatch(r"EUR[1-9]\d\d", kind.code)
    assert "code" in vars(kind), "the code is inherited"
    assert kind.__doc__


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_is_documented_under_its_code_and_name(kind: type[EuryaleError]) -> None:
    paragraph = paragraphs().get(kind.code)
    assert paragraph is not None, f"docs/errors.md has no heading '### {kind.code}'"
    assert kind.__name__ in paragraph.partition("\n")[0]
    assert len(paragraph.split()) > 20, f"docs/errors.md says next to nothing of {kind.code}"


def test_no_documented_code_is_unknown() -> None:
    assert set(paragraphs()) == {kind.code for kind in ERRORS}


def test_codes_are_documented_in_their_order() -> None:
    assert list(paragraphs()) == sorted(paragraphs())


def test_a_message_says_where_what_and_how_to_mend_it_with_its_code() -> None:
    error = JobUnknown("no job is named 'a'", where="jobs/b.py:3", mend="name it")
    assert str(error) == "jobs/b.py:3: no job is named 'a'. Name it. [EUR110]"


def test_a_message_without_a_place_or_a_remedy_has_no_gaps() -> None:
    assert str(JobUnknown("no job is named 'a'")) == "no job is named 'a'. [EUR110]"


def test_an_error_comes_in_parts_for_programs() -> None:
    error = JobUnknown("no job is named 'a'", where="jobs/b.py:3", mend="name it")
    assert error.as_dict() == {
        "code": "EUR110",
        "where": "jobs/b.py:3",
        "what": "no job is named 'a'",
        "mend": "name it",
    }
