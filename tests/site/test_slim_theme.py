"""What `instnorm_site.slim_theme` leaves out is missed by no page and no reader."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import tinycss2

from instnorm_site import slim_theme

PAGES = (
    "index.html",
    "principles/limits.html",
    "applications/style-transfer.html",
    "hands-on/for-instructors.html",
    "bibliography.html",
    "search.html",
)

# Rules of one stylesheet that concern an element of the page, but are not in another.
LOST = """([before, name]) => {
  const flat = (rules) => [...rules].flatMap((rule) => (rule.cssRules?.length ? flat(rule.cssRules)
    : rule.selectorText ? [rule] : []));
  const theirs = new CSSStyleSheet();
  theirs.replaceSync(before);
  const sheet = [...document.styleSheets].find((each) => each.href?.includes(name));
  const kept = new Set(flat(sheet.cssRules).map((rule) => rule.selectorText));
  // Whatever is done to an element, such as pointing at it, and whatever part of it is meant.
  const state = /:(hover|focus[-a-z]*|active)/g;
  const anyhow = (selector) => selector.replaceAll(/:not\\(:(hover|focus|active)\\)/g, ":is(*)")
    .replaceAll(/(^|[\\s,>+~])::[-a-z]+/g, "$1*").replaceAll(/::[-a-z]+/g, "")
    .replaceAll(state, ":is(*)");
  const used = flat(theirs.cssRules).filter(
    (rule) => document.querySelector(anyhow(rule.selectorText)));
  return [used.length, used.map((rule) => rule.selectorText).filter((text) => !kept.has(text))];
}"""


def theme_file(package, name):
    folder = Path(find_spec(package).origin).parent
    return (folder / "theme" / package / "static" / "styles" / name).read_text("utf-8")


@pytest.mark.parametrize(
    "page_path", [pytest.param(p, marks=[pytest.mark.slow] * (p != PAGES[1])) for p in PAGES]
)
@pytest.mark.parametrize("package", ["pydata_sphinx_theme", "sphinx_book_theme"])
def test_no_rule_of_style_is_missed(visit, package, page_path):
    page = visit(page_path)
    name = f"{package.replace('_', '-')}.css"
    before = re.sub("/\\*.*?\\*/", "", theme_file(package, name), flags=re.DOTALL)
    used, lost = page.evaluate(LOST, [before, name])
    assert used > 30
    assert lost == []


def test_rules_that_concern_nothing_are_left_out():
    css = "a.known, .unknown {x: 1} .unknown #known {x: 2} .known:not(.unknown) {x: 3} b {x: 4}"
    css += " @media print {#unknown {x: 5} #known {x: 6}} @font-face {x: 7}"
    rules = slim_theme._rules_for({"known"}, tinycss2.parse_stylesheet(css, True, True))
    assert re.findall(r"x: (\d)", tinycss2.serialize(rules)) == ["1", "3", "4", "6", "7"]


def test_plain_code_has_the_colour_of_the_block(built):
    """No rule is about the kinds of words that are no longer marked as such."""
    css = (built / "_static" / "site.css").read_text("utf-8")
    coloured = {
        kind for each in re.findall(r"\.highlight :is\(([^)]*)\)", css) for kind in each.split(", ")
    }
    assert len(coloured) > 20
    assert not coloured & {f".{kind}" for kind in slim_theme.PLAIN}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_knows_its_theme_before_the_theme_script_runs(visit, theme):
    def without(page):
        page.route("**/scripts/*.js*", lambda route: route.abort())

    page = visit("index.html", color_scheme=theme, watch=without)
    assert page.evaluate("document.documentElement.dataset.theme") == theme


def test_code_that_is_unfolded_can_be_scrolled_by_keyboard(visit):
    page = visit("principles/the-family.html", width=620)  # where some of it is too wide
    assert page.locator("details pre[tabindex='-1']").count() == 0
    page.evaluate("for (const e of document.querySelectorAll('details')) e.open = true")
    for block in page.locator("details pre").all():
        block.scroll_into_view_if_needed()  # it is measured when it is near
    page.wait_for_function("document.querySelector('details pre[tabindex=\"-1\"]')")
    page.wait_for_timeout(200)
    assert page.evaluate(
        """[...document.querySelectorAll("details pre")].every(
             (e) => (e.tabIndex === 0) === (e.scrollWidth > e.clientWidth))"""
    )
    assert page.locator("details pre[tabindex='0']").count() > 0


#: Two folds of one name with nothing between them.
TWICE = re.compile(
    r'<summary>(What the code below needs)</summary>(?:(?!<details|<p>|<h\d|class="output).)*'
    r"<details[^>]*>\s*<summary>\1</summary>",
    re.DOTALL,
)


def test_folds_are_named_for_what_they_hide(built):
    named = 0
    for path in built.rglob("*.html"):
        text = path.read_text("utf-8")
        assert "Toggle hidden content" not in text, path
        assert "Show the code" not in text, path
        assert not TWICE.search(text), path
        named += text.count("<summary>How the figure is drawn</summary>")
    assert named > 0
