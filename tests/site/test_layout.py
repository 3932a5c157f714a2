"""Where things stand on a page, and where its lines end."""

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

# Labels of drawings, in CSS pixels; how far apart two columns end, as a share of the height; and
# what is free above the readings.
EXPLORABLE = """(ex) => {
  const labels = [...ex.querySelectorAll("svg text")].map(
    (text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a);
  const part = (name) => ex.querySelector(name).getBoundingClientRect();
  const [stage, desk, read] = [".ex-stage", ".ex-desk", ".ex-read"].map(part);
  const below = read.left < desk.left ? stage : desk;
  const ends = (parts) => Math.max(...parts.map((part) => part.bottom)); // -Infinity of none
  const right = [stage, desk, read].filter((part) => part.left > stage.left);
  const left = [stage, desk, read].filter((part) => part.left === stage.left);
  return {
    smallest: Math.min(...labels),
    apart: Math.abs(ends(left) - ends(right)) / ex.getBoundingClientRect().height,
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
    assert seen["apart"] < 0.2
    assert 0 <= seen["gap"] < 60


def test_below_the_pictures_of_the_mixer_there_is_no_empty_field(mounted):
    box = mounted("style-mixer", width=1440).box
    gallery, desk, whole = (
        box.locator(part).bounding_box() for part in ("[data-name=gallery]", ".ex-desk", ".ex")
    )
    ends = [each["y"] + each["height"] for each in (gallery, desk)]
    assert abs(ends[0] - ends[1]) / whole["height"] < 0.35
    right = desk["x"] + desk["width"]
    assert whole["x"] + whole["width"] - right < 20  # and none beside them


@pytest.mark.parametrize("name", ["hands-on/domain-shift.html", "hands-on/for-instructors.html"])
@pytest.mark.parametrize("width", [390, 820])
def test_neither_short_code_nor_a_word_of_it_is_broken(visit, name, width):
    page = visit(name, width=width)
    page.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
    seen, broken = page.evaluate("""() => {
      const codes = [...document.querySelectorAll(".bd-article :is(p, li) > code.literal")];
      const short = codes.filter((code) => code.textContent.length <= 22);
      const words = codes.flatMap((code) => [...code.querySelectorAll(".pre:not(:has(wbr))")]);
      const lines = (e) => new Set([...e.getClientRects()].map((box) => Math.round(box.top))).size;
      const broken = [...short, ...words].filter((e) => lines(e) > 1).map((e) => e.textContent);
      return [short.length, broken];
    }""")
    assert seen > 25
    assert broken == []


def test_lines_of_code_end_where_those_of_the_text_do(visit):
    page = visit("applications/which-norm.html", width=820)
    boxes = page.locator(".cell_input").evaluate_all(
        "(boxes) => boxes.map((box) => box.getBoundingClientRect().right)"
    )
    assert len(boxes) > 10
    text = page.evaluate("document.querySelector('section > p').getBoundingClientRect().right")
    assert boxes == pytest.approx([text] * len(boxes), abs=0.5)


def test_the_page_404_has_lines_of_the_same_length(visit):
    box = visit("404.html", width=1440).locator(".bd-article > p").first.bounding_box()
    assert box["width"] <= 640


def test_in_the_dark_pictures_are_as_they_are_in_the_light(visit):
    """What a caption says is black is black."""
    page = visit("hands-on/the-algorithm.html", color_scheme="dark")
    page.locator(".questions").scroll_into_view_if_needed()
    picture = page.locator(".question-row img").first
    picture.wait_for()
    looks = picture.evaluate(
        "(e) => [getComputedStyle(e).filter, getComputedStyle(e).borderRadius]"
    )
    assert looks == ["none", "0px"]


def test_an_editor_has_one_frame_where_the_keyboard_is(visit):
    page = visit("hands-on/limits.html")
    box = page.locator(".exercise").first
    box.get_by_role("button", name="Write it here").click()
    inner = box.locator(".cm-content:focus")
    inner.wait_for()
    assert inner.evaluate("(e) => getComputedStyle(e).outlineStyle") == "none"
    assert box.locator(".xr-editor").evaluate("(e) => getComputedStyle(e).outlineStyle") == "solid"


def test_no_line_ends_between_a_number_and_its_unit(built):
    for path in sorted(built.rglob("*.html")):
        for paragraph in re.findall(r"<p>.*?</p>", path.read_text("utf-8"), flags=re.DOTALL):
            other = r'<code.*?</code>|<span class="caption-number">.*?</span>|<[^>]*>'
            prose = re.sub(other, "", paragraph, flags=re.DOTALL)
            parted = r"\d (?:%|[MGk]i?B\b)|\bFig\. \d|\d ×|× \d"
            assert not re.findall(parted, prose), (path, prose)


@pytest.mark.parametrize("path", sorted(BOOK.rglob("*.md")), ids=lambda path: path.stem)
def test_no_line_ends_within_a_number(path):
    """A space between thousands is a narrow one that does not break."""
    prose = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    assert re.findall(r"(?<![\d.,])\d{1,3}[ \n]\d{3}(?![\d.,]?\d)", prose) == []


@pytest.mark.parametrize("width", [320, 390, 820])  # wider, the theme shows none
def test_the_way_back_to_the_top_stands_in_the_bar_and_covers_nothing(visit, width):
    page = visit("principles/the-algorithm.html", width=width)
    button = page.locator("#pst-back-to-top")
    for top in (3000, 2600):
        page.evaluate(f"scrollTo({{ top: {top}, behavior: 'instant' }})")
        page.wait_for_timeout(200)
    button.wait_for()
    box, bar = button.bounding_box(), page.locator(".bd-header-article").bounding_box()
    assert bar["y"] <= box["y"]
    assert box["y"] + box["height"] <= bar["y"] + bar["height"]
    for other in page.locator(".bd-header-article button:visible").all():
        their = other.bounding_box()
        assert their["x"] + their["width"] <= box["x"] or box["x"] + box["width"] <= their["x"]
    button.click()
    page.wait_for_function("scrollY === 0")
    button.wait_for(state="hidden")


def test_the_two_pictures_are_in_no_box_that_scrolls(visit):
    page = visit("index.html", width=390)
    box = page.locator(".compare").locator("..")
    assert box.evaluate("(e) => getComputedStyle(e).overflowX") == "visible"


def test_the_head_of_a_column_of_words_stands_above_them(visit):
    page = visit("applications/fast-kernels.html")
    head = page.locator("table.results th", has_text=re.compile("^team$"))
    words = page.locator("table.results:has(th:text-is('team')) td:last-child").first
    begins = "(cell) => { const all = document.createRange(); all.selectNodeContents(cell);"
    begins += " return all.getBoundingClientRect().left; }"
    assert head.evaluate(begins) == pytest.approx(words.evaluate(begins), abs=1)
