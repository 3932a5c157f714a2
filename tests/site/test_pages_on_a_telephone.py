"""Every page of the built book on a telephone: nothing is too wide, and nothing too small."""

import pytest

from instnorm_lab import style

# Parts of the article that reach beyond the window and into no box that scrolls: a reader could not
# see their ends. (MathML and spoken text are not there to be seen; KaTeX cuts its root signs from a
# very long drawing.)
CUT_OFF = """() => {
  const scrolls = (e) => ["auto", "scroll"].includes(getComputedStyle(e).overflowX);
  const held = (e) => !e.matches(".bd-article") && (scrolls(e) || held(e.parentElement));
  const outside = ({ left, right, width }) => width && (left < -1 || right > innerWidth + 1);
  const unseen = ".katex-mathml *, .katex svg *, .ex-summary";
  return [...document.querySelectorAll(`.bd-article *:not(${unseen})`)]
    .filter((e) => outside(e.getBoundingClientRect()) && e.checkVisibility() && !held(e))
    .map((e) => e.outerHTML.slice(0, 120));
}"""

# Results of which a part is out of sight.
HIDDEN_RESULTS = """() => [...document.querySelectorAll(
    ".cell_output > .output pre, .cell_output > pre, .results, .question-table")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.innerText.slice(0, 120))"""

# Results whose lines are broken, so that columns and words no longer stand where they should.
BROKEN_RESULTS = """() => {
  const inner = (e) => {
    const { paddingTop, paddingBottom, lineHeight } = getComputedStyle(e);
    const height = e.clientHeight - parseFloat(paddingTop) - parseFloat(paddingBottom);
    return Math.round(height / parseFloat(lineHeight));
  };
  const lines = (e) => e.textContent.trimEnd().split("\\n").length;
  const broken = (cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1;
  };
  const numbers = [...document.querySelectorAll(":is(.results, .question-table) :is(th, td)")]
    .filter((e) => /^[-+−]?\\d[\\d.,e+−-]*$/.test(e.textContent) && broken(e));
  return [...document.querySelectorAll(".cell_output pre")].filter((e) => inner(e) > lines(e))
    .concat(numbers).map((e) => e.textContent.slice(0, 120));
}"""

# Numbers that a result breaks in two, as 1.01e-06 behind its hyphen.
BROKEN_NUMBERS = """() => [...document.querySelectorAll(".cell_output pre")]
  .filter((e) => e.checkVisibility())
  .flatMap((e) => [...e.textContent.matchAll(/[-+]?\\d[\\d.,]*(?:e[-+]\\d+)?/g)].map((match) => {
    const walker = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
    let at = 0;
    for (let text; (text = walker.nextNode()); at += text.length) {
      const start = match.index - at;
      if (start >= text.length || start + match[0].length > text.length) continue;
      const range = document.createRange();
      range.setStart(text, start);
      range.setEnd(text, start + match[0].length);
      const tops = [...range.getClientRects()].map(({ top }) => Math.round(top));
      return new Set(tops).size > 1 ? match[0] : "";
    }
  }))
  .filter(Boolean)"""

# Bad breaks in running text: a mark begins a line, or short code is in two.
BADLY_BROKEN = """() => {
  const found = [...document.querySelectorAll(".bd-article code.together")]
    .filter((e) => e.checkVisibility())
    .filter((e) => {
      const [first, ...rest] = [...e.getClientRects()].filter(({ width }) => width);
      return rest.some(({ top }) => top > first.top + 3);
    })
    .map((e) => e.textContent);
  for (const formula of document.querySelectorAll(".bd-article span.math")) {
    const text = formula.nextSibling;
    if (text?.nodeType !== 3 || !/^[,;.:!?)]/.test(text.data)) continue;
    const pieces = [...formula.querySelectorAll(".katex-html > .base")];
    if (!pieces.length || !formula.checkVisibility()) continue;
    const range = document.createRange();
    range.setStart(text, 0);
    range.setEnd(text, 1);
    const mark = range.getBoundingClientRect();
    const last = pieces.at(-1).getBoundingClientRect();
    if (mark.left < last.right - 3) found.push(formula.textContent + text.data[0]);
  }
  return found;
}"""

# Parts that scroll sideways, and do not say so or do not take the keyboard.
UNMARKED = """() => [...document.querySelectorAll(
    "div.highlight pre, .question pre, div.math > span:not(.eqno)," +
    ".pst-scrollable-table-container")]
  .filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1)
  .filter((e) => !e.dataset.more || e.tabIndex !== 0)
  .map((e) => e.innerText.slice(0, 80))"""

# Labels of drawings with the size, in pixels of the screen, in which they are seen.
LABELS = """() => [...document.querySelectorAll(".bd-article svg text")]
  .filter((e) => e.checkVisibility() && e.textContent.trim())
  .map((e) => {
    const { a, b } = e.getScreenCTM();
    return [e.textContent.trim(), parseFloat(getComputedStyle(e).fontSize) * Math.hypot(a, b)];
  })"""

# Code of questions that does not fit.
HIDDEN_CODE = """() => [...document.querySelectorAll(".question pre")]
  .filter((e) => e.scrollWidth > e.clientWidth + 1)
  .map((e) => e.innerText.slice(0, 120))"""

# Signs of the book's fonts whose ink reaches into the next letter, where letters are fitted to
# pixels. (A seventh of the size is what a slanted letter may hang over.)
OVERLAPPING = """async () => {
  const pen = document.createElement("canvas").getContext("2d");
  const found = [];
  for (const font of ["22px Book Serif", "italic 22px Book Serif", "bold 22px Book Serif",
                      "16px Book Sans", "bold 16px Book Sans"]) {
    await document.fonts.load(font);
    pen.font = font;
    for (const sign of "%‰“”‘’„«»…¼½¾0123456789:;!?()[]&@§©→×÷±≤≥ABMWXabgmwxßΑΩαω") {
      const { width, actualBoundingBoxRight } = pen.measureText(sign);
      const over = actualBoundingBoxRight - width;
      if (over > parseFloat(font.match(/\\d+/)) / 7) found.push([font, sign]);
    }
  }
  return found;
}"""

# How high each explorable is: its drawing and its controls should be seen at once.
EXPLORABLES = """() => [...document.querySelectorAll(".explorable")].map((e) =>
    [e.dataset.explorable, e.querySelector(".ex")?.getBoundingClientRect().height ?? 0])"""

SCREEN = 844


def ask(page):
    """How wide the page is, on a telephone and on a small one, and what of it can be seen."""
    answers = {
        "broken results": page.evaluate(BROKEN_RESULTS),
        "unmarked": page.evaluate(UNMARKED),
        "labels": page.evaluate(LABELS),
        "explorables": page.evaluate(EXPLORABLES),
        "hidden code": page.evaluate(HIDDEN_CODE),
    }
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("scrollTo(500, 0)")
        answers[width] = {
            "scrolled": page.evaluate("scrollX"),
            "width": page.evaluate("document.documentElement.scrollWidth"),
            "cut off": page.evaluate(CUT_OFF),
            "hidden results": page.evaluate(HIDDEN_RESULTS),
            "broken numbers": page.evaluate(BROKEN_NUMBERS),
            "badly broken": page.evaluate(BADLY_BROKEN),
            "labels": page.evaluate(LABELS),
        }
    return answers


@pytest.fixture
def shown(look, page_name):
    return look(page_name, ask, width=390, has_touch=True, is_mobile=True)


@pytest.mark.parametrize("width", [320, 390])
def test_page_does_not_scroll_sideways(shown, width):
    assert shown[width]["scrolled"] == 0
    assert shown[width]["width"] <= width
    assert not shown[width]["cut off"]


@pytest.mark.parametrize("width", [320, 390])
def test_no_result_is_out_of_sight(shown, width):
    assert not shown[width]["hidden results"]


def test_code_of_a_question_fits(shown):
    assert not shown["hidden code"]


def test_no_letter_reaches_into_the_next(visit):
    assert not visit("index.html").evaluate(OVERLAPPING)


def test_no_line_of_a_result_is_broken(shown):
    assert not shown["broken results"]


@pytest.mark.parametrize("width", [320, 390])
def test_no_number_and_no_short_code_is_broken_and_no_line_begins_with_a_mark(shown, width):
    assert not shown[width]["broken numbers"]
    assert not shown[width]["badly broken"]


def test_what_scrolls_says_so_and_takes_the_keyboard(shown):
    assert not shown["unmarked"]


def test_labels_are_large_enough(shown):
    assert not [label for label in shown["labels"] if label[1] < style.SMALLEST - 0.05]


def test_labels_can_be_read_on_a_small_telephone(shown):
    assert not [label for label in shown[320]["labels"] if label[1] < 0.9 * style.SMALLEST]


def test_explorables_are_seen_at_once(shown):
    assert not [(name, height) for name, height in shown["explorables"] if height > SCREEN]


def test_page_asks_no_other_server_and_logs_no_error(shown, site):
    ours = (f"{site}/", "data:", "blob:")
    assert not [url for url in shown["requests"] if not url.startswith(ours)]
    assert not shown["complaints"]
