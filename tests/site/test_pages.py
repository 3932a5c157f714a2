"""Every page of the built book: private, quiet, legible, narrow enough, with its mathematics."""

import re
from pathlib import Path

import pytest
import sphinxcontrib.katex

ROOT = Path(__file__).resolve().parents[2]

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

WITHOUT_ALTERNATIVE = """() => {
  const name = (e) => e.getAttribute("alt") ?? e.getAttribute("aria-label")
    ?? document.getElementById(e.getAttribute("aria-labelledby"))?.textContent ?? "";
  return [...document.querySelectorAll("img, [role=img]")]
    .filter((e) => e.ariaHidden !== "true" && !name(e).trim())
    .map((e) => e.outerHTML.slice(0, 120));
}"""

# Contrast of each visible piece of text with the nearest background behind it (WCAG 2.2, 1.4.3).
FAINT_TEXT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const [r, g, b] = rgba(colour).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  let seen = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true }))
      continue;
    if (element.closest("script, style, noscript, .katex-mathml")) continue;
    seen += 1;
    const style = getComputedStyle(element);
    const ink = element.closest("svg") ? style.fill : style.color;
    const [dark, light] = [luminance(ink), luminance(behind(element))].sort((a, b) => a - b);
    const large = parseFloat(style.fontSize) >= 24;
    if ((light + 0.05) / (dark + 0.05) < (large ? 3 : 4.5))
      faint.push(`${texts.currentNode.data.trim().slice(0, 40)}: ${ink} on ${behind(element)}`);
  }
  return { seen, faint };
}"""


def read_to_the_end(page):
    """Scroll through, so that what loads when it is near has loaded."""
    height = page.evaluate("document.documentElement.scrollHeight")
    for top in range(0, height, 600):
        page.evaluate(f"scrollTo(0, {top})")
        page.wait_for_timeout(30)
    for box in page.locator(".explorable").all():
        box.scroll_into_view_if_needed()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.explorable')].every((e) => 'mounted' in e.dataset)"
    )


def test_page_asks_no_other_server_and_logs_no_error(visit, site, page_name):
    requests, complaints = [], []

    def watch(page):
        page.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda socket: requests.append(socket.url))
        page.on("response", lambda answer: answer.ok or complaints.append(answer.url))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append((message.type, message.text)))

    page = visit(page_name, watch=watch)
    read_to_the_end(page)
    page.wait_for_load_state("networkidle")
    assert len(requests) > 5
    abroad = [url for url in requests if not url.startswith((f"{site}/", "data:", "blob:"))]
    assert not abroad
    assert not [complaint for complaint in complaints if complaint[0] != "log"]


def test_page_names_no_other_server_but_in_its_links(built, page_name):
    text = (built / page_name).read_text()
    # What the page says of itself, for others to quote, loads nothing.
    rest = re.sub(r'<a\b[^>]*>|<meta\b[^>]*>|<link rel="canonical"[^>]*>', "", text)
    hosts = set(re.findall(r"(?:https?:)?//((?:[\w-]+\.)+[a-z]+)", rest))
    assert hosts <= {"www.w3.org"}, hosts  # the name of SVG, which nothing is loaded from
    assert "_static/katex/katex.min.css" in text


def test_stylesheets_name_no_other_server(built):
    sheets = sorted((built / "_static").rglob("*.css"))
    assert sheets
    for sheet in sheets:
        assert not re.findall(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", sheet.read_text())


@pytest.mark.parametrize("width", [320, 390])
def test_page_does_not_scroll_sideways(visit, page_name, width):
    page = visit(page_name, width=width, has_touch=True, is_mobile=True)
    read_to_the_end(page)
    page.evaluate("scrollTo(500, 0)")
    assert page.evaluate("scrollX") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not page.evaluate(CUT_OFF)


def test_pictures_have_text_alternatives(visit, page_name):
    page = visit(page_name)
    read_to_the_end(page)
    assert not page.evaluate(WITHOUT_ALTERNATIVE)
    assert page.locator("svg.figure:not([role=img])").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast(visit, page_name, theme):
    page = visit(page_name, color_scheme=theme)
    read_to_the_end(page)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    page.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
    page.wait_for_timeout(400)  # folded code fades in
    result = page.evaluate(FAINT_TEXT)
    assert result["seen"] > 10
    assert not result["faint"]


def test_mathematics_is_drawn(visit, page_name):
    page = visit(page_name)
    formulas = page.locator(".bd-article .math")
    drawn = page.locator(".bd-article .math:has(.katex-html)")
    assert drawn.count() == formulas.count()
    assert page.locator(".katex-error").count() == 0


def test_no_line_begins_with_the_comma_behind_a_short_formula(visit):
    page = visit("principles/the-algorithm.html")
    for width in range(320, 440, 10):
        page.set_viewport_size({"width": width, "height": 800})
        seen, begin = page.evaluate(
            """() => {
              const [below, seen] = [[], []];
              for (const formula of document.querySelectorAll("span.math:not(.eqno)")) {
                const text = formula.nextSibling;
                if (text?.nodeType !== 3 || !/^[,;.:!?)]/.test(text.data)) continue;
                const range = document.createRange();
                range.setStart(text, 0);
                range.setEnd(text, 1);
                const mark = range.getBoundingClientRect();
                const box = formula.getBoundingClientRect();
                const wrapped = mark.top > box.top + box.height / 2 && mark.left < box.right;
                (wrapped ? below : seen).push(formula.textContent + text.data.slice(0, 20));
              }
              return [seen.length, below];
            }"""
        )
        assert seen > 20
        assert begin == [], width


def test_mathematics_uses_its_own_fonts(visit):
    page = visit("notation.html")
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate(
        "[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family)"
    )
    assert "KaTeX_Math" in loaded


def test_stylesheet_and_script_of_katex_are_of_one_version():
    css = (ROOT / "book" / "style" / "katex" / "katex.min.css").read_text()
    assert f'katex-version:after{{content:"{sphinxcontrib.katex.katex_version}"}}' in css


def test_numbers_of_figures_and_equations_lead_to_them(visit):
    page = visit("principles/the-algorithm.html")
    links = page.locator(".bd-article a.reference.internal[href^='#']")
    targets = [link.get_attribute("href") for link in links.all()]
    assert any(target.startswith("#equation-") for target in targets)
    assert any(target.startswith("#fig-") for target in targets)
    for target in targets:
        assert page.locator(f"[id='{target[1:]}']").count() == 1
