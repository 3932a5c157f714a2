"""Hints are written once, in the notebooks; the pages show the same."""

import re
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError

from instnorm_checks import ASSIGNMENTS
from instnorm_site.exercises import HINTS_HERE, hints, notebooks, with_hints

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = notebooks(ROOT)
IDS = {
    assignment.__name__.rpartition(".")[2].replace("_", "-"): [e.id for e in assignment.EXERCISES]
    for assignment in ASSIGNMENTS
}


@pytest.mark.parametrize("name", IDS)
def test_each_exercise_has_three_hints_and_its_page_shows_them(name):
    known = hints(NOTEBOOKS[name])
    page = (ROOT / f"book/hands-on/{name}.md").read_text()
    assert HINTS_HERE.findall(page) == IDS[name]
    assert "{dropdown}" not in page  # none of its own
    shown = with_hints(page, known)
    for each in IDS[name]:
        assert [title.partition(":")[0] for title, _ in known[each]] == [
            "Hint 1",
            "Hint 2",
            "Hint 3",
        ]
        for title, text in known[each]:
            assert f":::{{dropdown}} {title}\n{text}\n:::" in shown
    assert len(re.findall(r"^:::", shown, re.M)) == 6 * len(IDS[name])


def test_an_exercise_without_hints_stops_the_build():
    with pytest.raises(ExtensionError, match="no hints for the exercise 'none'"):
        with_hints("% hints: none", {})
