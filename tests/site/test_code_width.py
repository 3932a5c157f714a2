"""Code in pages and notebooks fits the column it is set in, and half a screen of a laptop."""

import re
from pathlib import Path

import nbformat
import pytest

from instnorm_site.solutions import solved

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
PAGES = [*sorted(BOOK.rglob("*.md")), ROOT / "CONTRIBUTING.md"]  # a page includes that one
NOTEBOOKS = sorted(ROOT.glob("exercises/*/*.ipynb"))

#: What one line of the column holds.
WIDEST = 78

CODE = re.compile(
    r"^(?P<fence>`{3,})(?:\{code-cell\}|python|pycon|console|bash|text)[^\n]*\n(?P<body>.*?)^(?P=fence)`*$",
    re.MULTILINE | re.DOTALL,
)
#: The options of a cell, which are not shown.
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?::[^\n]*\n)+)", re.MULTILINE | re.DOTALL)


def too_wide(text):
    """Lines of code in a page that are longer than `WIDEST`."""
    shown = (OPTIONS.sub("", block["body"]) for block in CODE.finditer(text))
    return [line for code in shown for line in code.splitlines() if len(line) > WIDEST]


def test_a_long_line_is_found_and_an_option_is_none():
    long = "x" * (WIDEST + 1)
    assert too_wide(f"{long}\n```{{code-cell}} ipython3\n:tags: {long}\n\n{long}\n```\n") == [long]
    assert too_wide(f"```{{code-cell}} ipython3\n---\ncaption: {long}\n---\nx\n```\n") == []
    assert too_wide(f"```python\n{long}\n```\n") == [long]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_line_of_code_is_too_wide(page):
    assert not too_wide(page.read_text("utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_line_of_code_in_a_notebook_is_too_wide(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    solutions = solved(ROOT / "solutions" / path.stem / f"{path.stem}.md")
    shown = [*(cell.source for cell in cells), *solutions.values()]
    assert len(shown) > len(solutions) > 2
    assert not [line for code in shown for line in code.splitlines() if len(line) > WIDEST]
