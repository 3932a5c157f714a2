"""Every page of the built book on a desk: private, quiet, legible, with its mathematics.

Each page is visited once; the tests ask what was seen.
"""

import re
from pathlib import Path

import pytest
import sphinxcontrib.katex
from axe_playwright_python.base import AXE_SCRIPT

ROOT = Path(__file__).resolve().parents[2]

WITHOUT_ALTERNATIVE = """() => {
  const name = (e) => e.getAttribute("alt") ?? e.getAttribute("aria-label")
    ?? document.getElementById(e.getAttribute("aria-labelledby"))?.textContent ?? "";
  return [...document.querySelectorAll("img, [role=img]")]
    .filter((e) => e.ariaHidden !== "true" && !name(e).trim())
    .map((e) => e.outerHTML.slice(0, 120));
}"""

# Contrast of each visible piece of text with the nearest background behind it (WCAG 2.2, 1.4.3).
# axe-core can't tell it in a drawing, nor where a box would have to be scrolled.
FAINT_TEXT = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      known.set(colour, [...canvas.getImageData(0, 0, 1, 1).data]);
    }
    return known.get(colour);
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

AXE = """async ({ rules, theme }) => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], ...rules });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, target }) => `${theme}: ${id}: ${target.join(" ")}: ${html.slice(0, 200)}`));
}"""


# Notes in the margin; what they lie on; and how far each is from the line that cites, if that is
# more than a line and no note before it is in its place.
IN_THE_MARGIN = """() => {
  const notes = [...document.querySelectorAll(".margin-note")].filter((e) => e.checkVisibility());
  const rows = notes.map((e) => e.getBoundingClientRect());
  const meet = (a, b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
  const touched = [];
  const against = (box, name) => rows.forEach((row, k) => {
    if (box.width && meet(row, box)) touched.push([notes[k].innerText.slice(0, 40), name]);
  });
  notes.forEach((e, k) => rows.slice(0, k).forEach((row) => {
    if (meet(row, rows[k])) touched.push([e.innerText.slice(0, 40), "another note"]);
  }));
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest(".margin-note, .katex-mathml, dialog"))
      continue;
    if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    range.selectNodeContents(texts.currentNode);
    for (const box of range.getClientRects()) against(box, texts.currentNode.data.trim());
  }
  for (const e of document.querySelectorAll(".bd-article :is(svg, img, canvas, pre, .ex, table)"))
    if (e.checkVisibility() && !e.closest("button"))
      against(e.getBoundingClientRect(), e.outerHTML.slice(0, 60));
  const away = notes.map((e, k) => {
    const line = e.previousElementSibling.getClientRects();
    return rows[k].top - line[line.length - 1].top;
  }).filter((far, k) => far < -4 || (far > 36 && !(k && rows[k].top - rows[k - 1].bottom < 24)));
  const wide = Math.max(0, document.documentElement.scrollWidth - innerWidth);
  return { notes: notes.length, touched, away, wide };
}"""


DESKS = (1440, 1920)


def ask(page):
    """All that is to be known of a page, in both themes."""
    answers = {
        "without alternative": page.evaluate(WITHOUT_ALTERNATIVE),
        "figures that are no image": page.locator("svg.figure:not([role=img])").count(),
        "formulas": page.locator(".bd-article .math").count(),
        "drawn": page.locator(".bd-article .math:has(.katex-html)").count(),
        "errors in formulas": page.locator(".katex-error").count(),
    }
    for theme in themes(page):
        answers[theme] = page.evaluate(FAINT_TEXT)
    for width in (1000, *DESKS) if page.locator(".margin-note").count() else ():
        page.set_viewport_size({"width": width, "height": 800})
        answers[width] = page.evaluate(IN_THE_MARGIN)
    return answers


def themes(page):
    """The page with everything unfolded, in one theme and then in the other."""
    page.evaluate("document.querySelectorAll('details').forEach((e) => (e.open = true))")
    for theme in ("light", "dark"):
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        page.wait_for_timeout(100)  # explorables draw anew
        yield theme


def ask_axe(page):
    """What axe-core finds but for contrast, which takes it three times as long as all the rest.

    FAINT_TEXT asks the same of all text in both themes; `ask_axe_for_contrast` is a second opinion.
    """
    return _axe(page, {"light": {"rules": {"color-contrast": {"enabled": False}}}})


def ask_axe_for_contrast(page):
    contrast = {"runOnly": ["color-contrast"]}
    return _axe(page, {"light": contrast, "dark": contrast})


def _axe(page, rules):
    page.evaluate(AXE_SCRIPT)
    found = []
    for theme in themes(page):
        if theme in rules:
            found += page.evaluate(AXE, {"rules": rules[theme], "theme": theme})
    return {"rules": page.evaluate("axe.getRules().length"), "found": found}


LIKE_A_READER = {"color_scheme": "light", "reduced_motion": "reduce"}


@pytest.fixture
def shown(look, page_name):
    return look(page_name, ask, **LIKE_A_READER)


def test_page_asks_no_other_server_and_logs_no_error(shown, site):
    assert len(shown["requests"]) > 5
    ours = (f"{site}/", "data:", "blob:")
    assert not [url for url in shown["requests"] if not url.startswith(ours)]
    assert not shown["complaints"]


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


def test_pictures_have_text_alternatives(shown):
    assert not shown["without alternative"]
    assert not shown["figures that are no image"]


def test_axe_finds_nothing(look, page_for_axe):
    answers = look(page_for_axe, ask_axe, **LIKE_A_READER)
    assert answers["rules"] > 80
    assert answers["found"] == []


@pytest.mark.slow  # 5 to 20 s a page
def test_axe_finds_no_faint_text(look, page_of_each_kind):
    answers = look(page_of_each_kind, ask_axe_for_contrast, **LIKE_A_READER)
    assert answers["found"] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast(shown, theme):
    assert shown[theme]["seen"] > 10
    assert not shown[theme]["faint"]


def test_mathematics_is_drawn(shown):
    assert shown["drawn"] == shown["formulas"]
    assert not shown["errors in formulas"]


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


@pytest.mark.parametrize("width", DESKS)
def test_notes_stand_in_the_margin_beside_their_lines_and_touch_nothing(shown, page_name, width):
    if width not in shown:
        assert page_name.partition("/")[0] not in ("principles", "applications") or (
            page_name.endswith(("/invariance.html", "/which-norm.html"))  # these cite nobody
        )
        return
    assert shown[width] == {"notes": shown[width]["notes"], "touched": [], "away": [], "wide": 0}
    assert shown[width]["notes"] > 0
    assert shown[1000]["notes"] == 0
