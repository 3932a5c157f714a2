"""What holds for every explorable: by keyboard, by touch, in both themes, and without JavaScript.

A new module in book/explorables is tested here without further ado.
"""

from pathlib import Path

import pytest

from instnorm_lab import style

# What a reader can see of it change.
SHOWN = """box => [
  ...[...box.querySelectorAll("form > :not(.ex-summary)")].map((part) => part.innerText),
  ...[...box.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()),
  ...[...box.querySelectorAll("svg")].map((svg) => svg.outerHTML),
]"""
# The colours of its text and lines.
COLOURS = """box => {
  const texts = [...box.querySelectorAll(":not(option, svg *)")].filter((e) =>
    e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  const lines = [...box.querySelectorAll("svg :is(path, circle, text)")];
  const all = [
    ...texts.map((e) => getComputedStyle(e).color),
    ...lines.flatMap((e) => [getComputedStyle(e).fill, getComputedStyle(e).stroke]),
    getComputedStyle(box.querySelector(".ex")).backgroundColor,
  ];
  return [...new Set(all)].filter((c) => c !== "none" && c !== "rgba(0, 0, 0, 0)");
}"""
# The second where the first finds the control at its end, or chosen already.
KEYS = {
    "button": ["Enter"],
    "checkbox": ["Space"],
    "radio": ["Space", "ArrowDown"],
    "range": ["ArrowLeft", "ArrowRight"],
    "select": ["ArrowDown", "ArrowUp"],
}


def rgb(colour):
    return "rgb({}, {}, {})".format(*bytes.fromhex(colour[1:]))


def operate(each, control):
    """Use a control by keyboard. Returns whether that changed what is shown."""
    control.focus()
    before = each.box.evaluate(SHOWN)
    for key in KEYS[control.get_attribute("type") or control.evaluate("(e) => e.localName")]:
        each.page.keyboard.press(key)
        each.settle()
        if each.box.evaluate(SHOWN) != before:
            return True
    return False


def test_everything_answers_to_the_keyboard_in_either_theme(mounted, explorable_name):
    complaints = []

    def watch(page):
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda each: each.type == "log" or complaints.append(each.text))

    each = mounted(explorable_name, watch=watch, reduced_motion="reduce", color_scheme="light")
    reset = each.box.locator("[data-name=reset]")
    assert reset.inner_text() == "Reset"
    goes_back = reset.is_enabled()
    beginning = each.box.evaluate(SHOWN)
    controls = ":is(input, select, button):enabled:visible:not([data-name=reset])"
    for control in each.box.locator(controls).all():
        assert operate(each, control), control.evaluate("(e) => e.outerHTML")
    assert each.box.evaluate("(box) => box.getAnimations({ subtree: true }).length") == 0
    if goes_back:
        assert each.spoken()
        assert operate(each, reset)
        assert each.box.evaluate(SHOWN) == beginning

    for theme, palette in (("light", style.LIGHT), ("dark", style.DARK)):
        each.page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        each.settle()
        assert set(each.box.evaluate(COLOURS)) <= {rgb(colour) for colour in palette.values()}
    if goes_back:
        assert operate(each, each.box.locator(controls).first)
    assert not complaints


@pytest.mark.slow  # 13 pages
def test_it_is_seen_at_once_on_a_wide_screen(mounted, explorable_name):
    """Its drawing beside its controls, with letters that are neither tiny nor above the text's."""
    each = mounted(explorable_name, width=1440)
    assert each.box.locator(".ex").bounding_box()["height"] <= 800
    drawn = each.box.locator(".ex-stage :is(svg, canvas):visible").all()
    desk = each.box.locator(".ex-desk").bounding_box()["x"]
    assert all(box["x"] + box["width"] <= desk for box in (each.bounding_box() for each in drawn))
    sizes = each.box.evaluate(
        """(box) => [...box.querySelectorAll("svg text")]
          .filter((e) => e.checkVisibility() && e.textContent.trim())
          .map((e) => {
            const { a, b } = e.getScreenCTM();
            return parseFloat(getComputedStyle(e).fontSize) * Math.hypot(a, b);
          })"""
    )
    assert all(style.SMALLEST - 0.05 < size <= 20 for size in sizes)


def test_it_fits_a_small_telephone_and_a_finger(mounted, explorable_name):
    each = mounted(explorable_name, width=320, has_touch=True, is_mobile=True)
    assert each.page.evaluate("document.documentElement.scrollWidth") <= 320
    assert each.box.evaluate(
        """(box) => [...box.querySelectorAll("*")].every((e) =>
          !e.checkVisibility() || e.closest(".ex-summary, .ex-hidden")
          || e.getBoundingClientRect().right <= 320)"""
    )
    targets = each.box.locator(":is([type=range], select, button, label:has(input)):visible")
    for target in targets.all():
        if target.locator("input[type=range]").count():
            continue  # the label of a slider, which has a size of its own
        size = target.bounding_box()
        assert size["height"] >= 44, target.inner_text()
        assert size["width"] >= 44, target.inner_text()
    for slider in each.box.locator("[type=range]").all():
        # A finger that moves down the page scrolls it, even over a slider.
        assert slider.evaluate("(e) => getComputedStyle(e).touchAction") == "pan-y"
    slider = each.box.locator("[type=range]:enabled").first
    if slider.count():
        slider.scroll_into_view_if_needed()
        size, before = slider.bounding_box(), slider.input_value()
        part = 0.2 if float(before) > float(slider.get_attribute("max")) / 2 else 0.8
        x, y = size["x"] + part * size["width"], size["y"] + size["height"] / 2
        each.page.touchscreen.tap(x, y)
        each.settle()
        assert slider.input_value() != before


@pytest.mark.slow
def test_a_figure_stands_there_without_javascript(visit, page_of, explorable_name):
    page = visit(page_of[explorable_name], java_script_enabled=False)
    box = page.locator(f"[data-explorable='{explorable_name}']")
    figure = box.locator(".explorable-fallback svg.figure")
    assert figure.is_visible()
    assert figure.bounding_box()["width"] > 200
    assert len(figure.get_attribute("aria-label")) > 60
    assert box.get_by_text("A still of a figure").is_visible()
    assert box.locator(".ex").count() == 0
    caption = page.locator("figure", has=box).locator("figcaption")
    assert "?" in caption.inner_text()


def test_its_arithmetic_is_tested(explorable_name):
    name = f"test_{explorable_name.replace('-', '_')}_arithmetic.py"
    assert (Path(__file__).parent / name).is_file()


def test_many_changes_make_one_drawing_a_frame(mounted):
    each = mounted("strip-the-style")
    drawings = each.page.evaluate(
        """() => new Promise((done) => {
          const slider = document.querySelector(".ex [name=gamma]");
          let drawings = 0;
          const count = new MutationObserver((changes) => (drawings += changes.length));
          count.observe(document.querySelector(".ex-bars"), { attributes: true });
          for (let i = 0; i < 20; i += 1) {
            slider.value = 1 + i / 20;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
          }
          requestAnimationFrame(() => requestAnimationFrame(() => done(drawings)));
        })"""
    )
    assert drawings == 1


def test_fall_back_figure_stays_when_the_module_fails(visit, page_of):
    warnings = []

    def spoil(page):
        page.on("console", lambda message: warnings.append(message.text))
        page.route(
            "**/strip-the-style.js*",
            lambda route: route.fulfill(body="export default {};", content_type="text/javascript"),
        )

    page = visit(page_of["strip-the-style"], watch=spoil)
    page.locator(".explorable").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    assert page.locator(".explorable-fallback svg.figure").is_visible()
    assert any("could not start" in text for text in warnings)
