"""What is far from the screen waits until the reader comes near, and then moves nothing."""

import json
import re

import pytest

from instnorm_site import models, site

PAGE = "principles/limits.html"
WAITING = """() => [...document.querySelectorAll(".bd-article section > p, .bd-article figure")]
  .map((e) => !(e.firstElementChild ?? e).checkVisibility({ contentVisibilityAuto: true }))"""
TOP = "(id) => document.getElementById(id).getBoundingClientRect().top"


def test_blocks_far_below_are_not_laid_out_until_the_reader_comes(visit):
    page = visit(PAGE, width=390)
    waiting = page.evaluate(WAITING)
    assert not any(waiting[:3])
    assert sum(waiting) > len(waiting) / 2
    page.locator(".bd-article section > p").last.scroll_into_view_if_needed()
    page.wait_for_function(f"() => !({WAITING})().at(-1)")


@pytest.mark.parametrize("width", [390, 1440])
def test_an_address_leads_to_its_heading_and_stays_there(visit, width):
    page = visit(PAGE, width=width)
    last = page.evaluate("[...document.querySelectorAll('.bd-article section[id]')].at(-3).id")
    page = visit(f"{PAGE}#{last}", width=width)
    page.wait_for_timeout(600)  # for what is near now to be laid out
    assert -5 < page.evaluate(TOP, last) < 150


def test_all_of_a_page_is_printed_and_found(visit):
    page = visit(PAGE)
    assert any(page.evaluate(WAITING))
    page.emulate_media(media="print")
    assert not any(page.evaluate(WAITING))
    page.emulate_media(media="screen")
    text = page.locator(".bd-article section > p:not(:has(*))").last.text_content()
    assert page.evaluate("(text) => find(text.trim().slice(0, 30))", text)


@pytest.mark.parametrize(
    ("name", "box"),
    [
        (PAGE, ".live[data-page]"),
        ("hands-on/depth.html", ".exercise-notebook"),
        ("hands-on/all-exercises.html", ".exercise-progress"),
    ],
)
@pytest.mark.parametrize("width", [390, 1440])
def test_a_place_is_kept_for_what_a_script_puts_on_top_of_a_page(visit, name, box, width):
    def without(page):
        page.route("**/*host.js*", lambda route: route.abort())

    below = f"{box} + *, :has(> {box}:last-child) + *"
    top = f"document.querySelector('{below}').getBoundingClientRect().top"
    before = visit(name, width=width, watch=without)
    kept = before.evaluate(top)
    page = visit(name, width=width)
    page.wait_for_function(f"document.querySelector('{box}').childElementCount")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(top) == pytest.approx(kept, abs=2)


def test_a_long_model_stands_in_a_file_of_its_own(tmp_path):
    def script(model):
        return f'<script type="application/json">{json.dumps(model)}</script>'

    short, long = script({"side": 1}), script({"uint8": "A" * models.SHORT})
    models.empty(tmp_path)
    text = models.page(f"{short}<p>{long}", tmp_path)
    assert short in text
    assert long not in text
    (name,) = re.findall(r'data-model="([^"]+)"', text)
    assert json.loads((tmp_path / name).read_text()) == {"uint8": "A" * models.SHORT}
    models.empty(tmp_path)
    assert not (tmp_path / name).exists()


def test_no_page_carries_a_long_model(built):
    carried = [
        len(model)
        for path in built.glob("*/*.html")
        if not path.parts[-2].startswith("_")
        for model in models.MODEL.findall(path.read_text("utf-8"))
    ]
    assert max(carried, default=0) < models.SHORT


@pytest.mark.parametrize(
    ("kind", "font"),
    [('class="opening', "serif-italic"), ("<em>", "serif-italic"), ('class="katex"', "KaTeX_Math")],
)
def test_fonts_of_what_is_seen_at_once_come_with_the_page(built, kind, font):
    texts = [path.read_text("utf-8") for path in built.glob("*/*.html")]
    bodies = [text for text in texts if kind in text.partition("<article")[2]]
    assert len(bodies) > 10
    for text in bodies:
        assert re.search(rf'<link rel="preload" href="[^"]*{font}[^"]*" as="font"', text)


def test_every_script_but_those_of_the_search_lets_the_page_be_shown_first(built):
    pages = [p for p in built.rglob("*.html") if "_static" not in p.parts]
    assert len(pages) > 30
    for path in pages:
        text = path.read_text("utf-8")
        assert "bootstrap.js" not in text, path
        assert "data-bs-" not in text, path
        if path.name != "search.html":
            assert not re.findall(r"<script (?![^>]*\bdefer\b)[^>]*\bsrc=[^>]*>", text), path


def test_code_gets_its_button_when_it_is_near_and_gives_itself_away(visit):
    page = visit(PAGE, permissions=["clipboard-read", "clipboard-write"])
    blocks = page.locator("div.highlight pre:visible")
    assert page.locator(".copybtn").count() < blocks.count()
    block = blocks.last
    block.scroll_into_view_if_needed()
    button = block.locator("xpath=following-sibling::button")
    button.wait_for(state="attached")
    button.dispatch_event("click")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == block.inner_text().strip()


def test_what_stands_in_for_a_font_is_named_behind_it_and_as_wide():
    css = site.design_css()
    for family in ("Serif", "Sans"):
        assert f'"Book {family}", "Book {family} stand-in", ' in css
        assert re.search(rf'font-family: "Book {family} stand-in";[^}}]*size-adjust: [\d.]+%', css)


# Widths of one text in our fonts and in what stands in for them until they come.
WIDTHS = """async ([text, ...fonts]) => {
  const pen = document.createElement("canvas").getContext("2d");
  const widths = [];
  for (const font of fonts) {
    await document.fonts.load(font);
    pen.font = font;
    widths.push(pen.measureText(text).width);
  }
  return widths;
}"""


@pytest.mark.parametrize(
    ("family", "style"),
    [("Serif", ""), ("Serif", "italic "), ("Serif", "bold "), ("Sans", ""), ("Sans", "bold ")],
)
def test_a_stand_in_is_as_wide_as_the_font(visit, family, style):
    page = visit("claims.html")
    text = " ".join(page.locator(".bd-article p:not(:has(.katex))").all_inner_texts())
    fonts = [f'{style}100px "Book {family}{end}"' for end in ("", " stand-in")]
    own, other = page.evaluate(WIDTHS, [text, *fonts])
    assert other == pytest.approx(own, rel=0.03)
