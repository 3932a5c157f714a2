"""Chapters run on their pages: what they print is what the build printed."""

import itertools
import json
import re
from pathlib import Path

import pytest

from instnorm_site import live

pytestmark = pytest.mark.whole_browser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    f"{part}/{path.stem}"
    for part in live.PARTS
    for path in sorted((ROOT / "book" / part).glob("*.md"))
    if f"{part}/{path.stem}" not in live.NOT_LIVE
]


def run_all(visit, name):
    """Run all cells of a page; what was printed before and after, and the page."""
    page = visit(f"{name}.html", reduced_motion="reduce")
    before = printed(page)
    page.get_by_role("button", name="Run the code of this page").click()
    page.get_by_role("button", name="Run all cells").click()
    page.wait_for_function(
        "/cells have run|ended|Stopped|come through/.test("
        "document.querySelector('.live .xr-state').textContent)",
        timeout=600_000,
    )
    return before, printed(page), page


#: A billionth and less is rounding, in which the browser's NumPy and the build's differ.
ROUNDING = re.compile(r"-?\b(\d(\.\d+)?e-(09|[1-9]\d)|0(\.0+)?e\+00)\b")
#: So is the sign of a number that is printed as nothing but noughts.
SIGN_OF_ZERO = re.compile(r"(?<![\w.])[-−](?=0(\.0+)?%?(\s|$))")
#: How far numbers may be apart where the browser has another version of a package than the build.
APART = {"principles/limits": 0.011}  # scikit-learn 1.6.1 grows other trees from the same seed


def printed(page):
    """The words of each output, which the build may have set as a table."""
    page.add_style_tag(
        content="* { content-visibility: visible !important; }"
    )  # all is read at once
    texts = page.evaluate(
        """() => [...document.querySelectorAll(".cell_output")].map((output) =>
             [...output.querySelectorAll("pre, table.results")].map((e) => e.innerText)
               .join(" "))"""
    )
    texts = (SIGN_OF_ZERO.sub("", text) for text in texts if text.strip())
    return [ROUNDING.sub("rounding", text).split() for text in texts]


def assert_same(after, before, apart=0):
    """The same words; numbers may be so far apart."""
    if not apart:
        assert after == before
    assert [len(words) for words in after] == [len(words) for words in before]
    for ours, theirs in zip(itertools.chain(*after), itertools.chain(*before), strict=True):
        if ours != theirs:
            assert abs(float(ours) - float(theirs)) <= apart, (ours, theirs)


def test_most_chapters_are_live_and_the_others_say_why():
    assert len(PAGES) >= 9
    assert all(why.endswith(".") for why in live.NOT_LIVE.values())


def test_what_a_cell_lacks_is_found_in_its_imports():
    assert live.lacks("import numpy as np\nfrom torch import nn") == "PyTorch"
    assert live.lacks("from instnorm.torch import instance_norm") == "PyTorch"
    assert live.lacks("from instnorm import instance_norm") == ""
    made = live.chapter(
        ["from sklearn.datasets import load_digits", "from instnorm_lab import photos"]
    )
    assert made["packages"] == ["numpy", "pillow", "scikit-learn"]
    assert ["skimage", "data/coffee.png"] in made["files"]


def served_cells(built, name):
    """What the page of a chapter gets, which must be the cells of its source as it is now."""
    served = json.loads((built / "_static" / f"live-{name.replace('/', '--')}.json").read_text())
    cells = live.code_cells(ROOT / "book" / f"{name}.md")
    assert [cell["source"] for cell in served["cells"]] == [cell.source for cell in cells]
    return served, cells


def test_what_uses_what_is_lacking_does_not_run_and_the_rest_does():
    made = live.cells(
        [
            "import numpy as np\nfrom torch import nn\nsizes = [1, 2]",
            "def net(k):\n    return nn.Linear(k, k)\n\nfound = []",
            "for k in sizes:\n    found.append(net(k))\nb = 1",
            "b += 1\nprint(len(found))",
            "found = [3]",
            "print(found, b)",
            "def f():\n    import torch\n    return torch\n",
            "c = f()",
        ]
    )
    assert [each.get("rest") for each in made] == [
        None,  # what is imported and not there is left out when it runs
        "found = []",
        "b = 1",
        "b += 1",
        None,
        None,
        "",
        "",
    ]
    needs = [each["lacks"] for each in made]
    assert needs == ["PyTorch", "PyTorch", "PyTorch", "PyTorch", "", "", "PyTorch", "PyTorch"]


@pytest.mark.parametrize("name", PAGES)
def test_most_cells_of_a_live_chapter_run(name):
    cells = live.cells([cell.source for cell in live.code_cells(ROOT / "book" / f"{name}.md")])
    assert sum("rest" in each for each in cells) < len(cells) / 2


@pytest.mark.book
def test_pages_name_their_cells(built):
    for name in PAGES:
        text = (built / f"{name}.html").read_text()
        served, cells = served_cells(built, name)
        for k, cell in enumerate(cells):
            assert (f"live-{k} " in text) == (not live.removed(cell)), (name, k)
        for package, file in served["files"]:
            assert (built / "_static" / live.address(package, file)).is_file()


@pytest.mark.book
@pytest.mark.slow  # 20 s of processor: matplotlib has to come, and 25 cells run
def test_a_chapter_prints_what_the_build_printed(visit):
    before, after, page = run_all(visit, "principles/the-algorithm")
    assert after == before
    assert page.locator(".live .xr-state").first.inner_text() == "25 of 25 cells have run."
    assert page.locator("img.live-figure[alt]").count() >= 4


@pytest.mark.book
@pytest.mark.proof
@pytest.mark.parametrize("name", PAGES)
def test_each_chapter_prints_what_the_build_printed(visit, of_these_sources, name):
    """No cell fails: those that need what no browser has say so, and keep the build's output."""
    served_cells(of_these_sources, name)
    before, after, page = run_all(visit, name)
    assert page.locator(".cell_output .xr-named").all_inner_texts() == []
    assert_same(after, before, APART.get(name, 0))
