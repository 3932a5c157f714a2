"""Verdicts on the article's claims: worked out from numbers, and printed as worked out."""

import re
from pathlib import Path

import pytest

from instnorm_lab import claims

BOOK = Path(__file__).parents[2] / "book"
CASES = [
    ("shown", {"as_said": True}),
    ("sharpened", {"as_said": False, "under": True}),
    ("corrected", {"as_said": False, "instead": True}),
    ("not confirmed", {"as_said": False}),
    ("not confirmed", {"as_said": False, "under": False, "instead": False}),
]


@pytest.mark.parametrize(("verdict", "numbers"), CASES)
def test_a_verdict_is_what_the_numbers_say_and_no_other(verdict, numbers):
    claims.found("a-claim", verdict, **numbers)
    for other in set(claims.VERDICTS) - {verdict}:
        with pytest.raises(AssertionError, match=f"'a-claim' is called {other}.*is {verdict}"):
            claims.found("a-claim", other, **numbers)


def test_an_unknown_verdict_and_a_work_without_a_name_are_refused():
    with pytest.raises(ValueError, match="must be one of"):
        claims.found("a-claim", "proved", as_said=True)
    with pytest.raises(ValueError, match="by whose work"):
        claims.cited("a-claim", "corrected")


def book(folder, *, printed, chapter):
    (folder / "part").mkdir()
    (folder / "claims.md").write_text(printed, encoding="utf-8")
    (folder / "references.bib").write_text("@article{known2020,\n}\n", encoding="utf-8")
    (folder / "part/chapter.md").write_text(chapter, encoding="utf-8")
    return claims.disagreements(folder)


ROW = "| A claim. | {ref}`Shown <claim-one>`: there. | |\n"
CHAPTER = '\n(claim-one)=\nA sentence.\n\nclaims.found("one", "shown", as_said=f(1) < 2)\n'


def test_agreement_is_no_complaint(tmp_path):
    assert book(tmp_path, printed=ROW, chapter=CHAPTER) == []


@pytest.mark.parametrize(
    ("printed", "chapter", "complaint"),
    [
        (ROW.replace("Shown", "Not confirmed"), CHAPTER, "is Not confirmed; the numbers say shown"),
        (ROW, CHAPTER.replace("(claim-one)=", ""), "no sentence is labelled (claim-one)="),
        (ROW, CHAPTER + CHAPTER, "'one' has its verdict twice"),
        (ROW, "No assertion here.\n", "no page asserts it"),
        ("", CHAPTER, "'one' is missing"),
        (
            ROW,
            '\n(claim-one)=\n\nclaims.cited("one", "shown", "known2020", "unknown1")\n',
            "no work has the key 'unknown1'",
        ),
    ],
)
def test_each_disagreement_is_named(tmp_path, printed, chapter, complaint):
    (found,) = book(tmp_path, printed=printed, chapter=chapter)
    assert complaint in found


def test_the_book_agrees_with_itself():
    assert claims.disagreements(BOOK) == []
    text = (BOOK / "claims.md").read_text(encoding="utf-8")
    assert "`Not confirmed <" in text
    assert len(re.findall(r"<claim-", text)) >= 30


def test_layers_shown_as_pytorch_users_write_them_run():
    """Blocks of the book in ```python that import torch: each runs, with the assertions in it.

    Some 3 s, for PyTorch's import.
    """
    pytest.importorskip("torch")
    blocks = [
        (page.name, block)
        for page in sorted(BOOK.glob("*/*.md"))
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        if "import torch" in block
    ]
    assert len(blocks) >= 2
    for name, block in blocks:
        exec(compile(block, name, "exec"), {})
