"""The verdicts on the page "Claims": each is worked out from numbers, where they are computed.

A chapter calls `found` in a hidden cell, beside the sentence. Whether the page "Claims" says the
same is asked before the book is built:

    python -m instnorm_lab.claims book
"""

import re
import sys
from pathlib import Path

VERDICTS = ("shown", "sharpened", "corrected", "not confirmed")


def found(claim, verdict, *, as_said, under=None, instead=None):
    """Assert that numbers on the page give a claim of the article this verdict.

    shown           it holds in the article's words
    sharpened       it does not, but it does under a condition that the book names
    corrected       it does not, and something else does, which the book says in its place
    not confirmed   it was looked for, and did not appear

    Parameters
    ----------
    claim : str
        The label of the sentence, ``(claim-...)=`` in the text, without ``claim-``.
    verdict : str
        One of `VERDICTS`, as the page "Claims" prints it.
    as_said : bool
        Whether the claim held in the article's words.
    under, instead : bool, optional
        Whether it held under the condition; whether what the book says in its place held.

    Raises
    ------
    AssertionError
        If the numbers give another verdict.
    ValueError
        If `verdict` is none of the four.
    """
    _check(claim, verdict)
    if as_said:
        by_numbers = "shown"
    elif under:
        by_numbers = "sharpened"
    elif instead:
        by_numbers = "corrected"
    else:
        by_numbers = "not confirmed"
    if by_numbers != verdict:
        raise AssertionError(
            f"the claim {claim!r} is called {verdict}, but by the numbers of this page it is "
            f"{by_numbers}: as said {bool(as_said)}, under the condition {under}, instead {instead}"
        )


def cited(claim, verdict, *keys):
    """State a verdict that rests on the work of others: keys of ``references.bib``.

    Raises
    ------
    ValueError
        If `verdict` is none of the four, or no work is named.
    """
    _check(claim, verdict)
    if not keys:
        raise ValueError(f"the claim {claim!r} is {verdict} by whose work? Name a key")


def _check(claim, verdict):
    if verdict not in VERDICTS:
        raise ValueError(f"verdict of {claim!r} must be one of {VERDICTS}; got {verdict!r}")


def disagreements(book):
    """Where the page "Claims" and the chapters say different things: sentences, none if they agree.

    Parameters
    ----------
    book : path of the folder with ``claims.md``
    """
    book = Path(book)
    printed = re.findall(
        r"\{ref\}`([\w ]+) <claim-([\w-]+)>`", (book / "claims.md").read_text(encoding="utf-8")
    )
    works = set(re.findall(r"@\w+\{(\S+),", (book / "references.bib").read_text(encoding="utf-8")))
    asserted = {}
    complaints = []
    for page in sorted(book.glob("*/*.md")):
        text = page.read_text(encoding="utf-8")
        calls = re.findall(
            r"^claims\.(found|cited)\(\s*\"([\w-]+)\",\s*\"([\w ]+)\",?([^()]*)", text, re.M
        )
        for how, claim, verdict, rest in calls:
            if claim in asserted:
                complaints.append(f"{page}: {claim!r} has its verdict twice")
            asserted[claim] = verdict
            if f"\n(claim-{claim})=\n" not in text:
                complaints.append(f"{page}: no sentence is labelled (claim-{claim})=")
            if how == "cited":
                unknown = set(re.findall(r"\"(\w+)\"", rest)) - works
                complaints += [f"{page}: no work has the key {key!r}" for key in sorted(unknown)]
    for verdict, claim in printed:
        if claim not in asserted:
            complaints.append(f"claims.md: {claim!r} is {verdict}, and no page asserts it")
        elif asserted[claim] != verdict.lower():
            complaints.append(
                f"claims.md: {claim!r} is {verdict}; the numbers say {asserted[claim]}"
            )
    missing = set(asserted) - {claim for _, claim in printed}
    return complaints + [f"claims.md: {claim!r} is missing" for claim in sorted(missing)]


if __name__ == "__main__":
    wrong = disagreements(sys.argv[1])
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    sys.exit(bool(wrong))
