"""Where things stand on a wide page."""

import re
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[2] / "book"

PLACES = """() => {
  const box = (place) => document.querySelector(place).getBoundingClientRect();
  return {
    text: box("section > p").left,
    foot: box(".bd-footer-content p").left,
    above: box("h1").top - box(".bd-header-article").bottom,
  };
}"""

# Labels of drawings, in CSS pixels; and the height of the higher column over that of both.
EXPLORABLE = """(ex) => {
  const labels = [...ex.querySelectorAll("svg text")].map(
    (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a);
  const part = (name) => ex.querySelector(name).getBoundingClientRect();
  const [stage, desk, read] = [".ex-stage", ".ex-desk", ".ex-read"].map(part);
  const below = read.left < desk.left ? stage : desk;
  return {
    smallest: Math.min(...labels),
    apart: Math.abs(stage.bottom - desk.bottom) / ex.getBoundingClientRect().height,
    gap: read.top - below.bottom,
  };
}"""


@pytest.mark.parametrize("width", [820, 1440])
def test_the_foot_begins_where_the_text_does_and_the_title_is_clear_of_the_bar(visit, width):
    places = visit("principles/limits.html", width=width).evaluate(PLACES)
    assert places["foot"] == pytest.approx(places["text"], abs=1)
    assert places["above"] >= 16


def test_the_list_beside_the_functions_cuts_no_name(visit):
    page = visit("api.html", width=1440)
    names = page.locator(".bd-sidebar-secondary code")
    assert names.count() > 20
    cut = names.evaluate_all("""(names) => names.filter((name) =>
      name.getBoundingClientRect().right >
      name.closest(".bd-sidebar-secondary").getBoundingClientRect().right - 8)
      .map((name) => name.innerText)""")
    assert cut == []


def test_two_arguments_described_together_stand_in_one_line(visit):
    page = visit("api.html", width=1440)
    pair = page.locator("dl.py dl dt > strong", has_text="dy, x").first
    assert pair.bounding_box()["height"] < 30


@pytest.mark.parametrize(
    "name", ["principles/depth.html", "principles/the-family.html", "applications/the-brain.html"]
)
def test_an_explorable_uses_the_width_that_it_has(visit, name):
    page = visit(name, width=1440)
    page.locator(".explorable").first.scroll_into_view_if_needed()
    ex = page.locator(".ex").first
    ex.locator(".ex-read dd").first.wait_for()
    seen = ex.evaluate(EXPLORABLE)
    assert seen["smallest"] >= 12
    assert seen["apart"] < 0.35
    assert 0 <= seen["gap"] < 60


@pytest.mark.parametrize("path", sorted(BOOK.rglob("*.md")), ids=lambda path: path.stem)
def test_no_line_ends_within_a_number(path):
    """A space between thousands is a narrow one that does not break."""
    prose = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r"(?<![\d.,])\d{1,3} \d{3}(?![\d.,]?\d)", prose) == []
