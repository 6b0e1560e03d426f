"""The pages of the documentation, cut into blocks of code."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda page: page.as_posix()
)

_BLOCK = re.compile(
    r"(?:^<!-- ((?:(?!-->).)+?) -->\n)?^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """A block of code in a page, and how the comment before it says to treat it."""

    page: str
    line: int
    language: str
    text: str
    how: str
    what: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        how, _, what = (match[1] or "").partition(": ")
        found.append(
            Block(
                page=page.relative_to(ROOT).as_posix(),
                line=text.count("\n", 0, match.start(2)) + 1,
                language=match[2],
                text=match[3],
                how=how,
                what=what,
            )
        )
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def write_project(page: Path, folder: Path) -> bool:
    """Write the files of a page's project; False if the page has none."""
    files = [block for block in blocks_of(page) if block.how == "file"]
    for block in files:
        file = folder / block.what
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")
    return bool(files)
