"""Every page of the built book on a telephone: nothing is wider than the screen."""

import pytest

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


def ask(page):
    """How wide the page is, on a telephone and on a small one."""
    answers = {}
    for width in (390, 320):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("scrollTo(500, 0)")
        answers[width] = {
            "scrolled": page.evaluate("scrollX"),
            "width": page.evaluate("document.documentElement.scrollWidth"),
            "cut off": page.evaluate(CUT_OFF),
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


def test_page_asks_no_other_server_and_logs_no_error(shown, site):
    ours = (f"{site}/", "data:", "blob:")
    assert not [url for url in shown["requests"] if not url.startswith(ours)]
    assert not shown["complaints"]
