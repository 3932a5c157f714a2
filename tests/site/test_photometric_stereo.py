"""The explorable "photometric-stereo" in a browser: by keyboard, and on a small telephone."""

import pytest

PAGE = "principles/limits.html"
BOX = "[data-explorable='photometric-stereo']"


@pytest.fixture
def explorable(visit):
    """Open the page and wait until the explorable runs."""

    def start(**options):
        page = visit(PAGE, **options)
        page.locator(BOX).scroll_into_view_if_needed()
        page.locator(f"{BOX}[data-mounted]").wait_for()
        return page.locator(BOX)

    return start


def two_frames(box):
    """One to schedule the drawing, one for it to be over."""
    box.page.evaluate("new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")


def choose(box, way):
    box.get_by_label("Normalise over").select_option(way)
    two_frames(box)


def value(box, name):
    return float(box.locator(f"[data-name={name}]").get_attribute("data-value"))


def pictures(box):
    canvases = "[...document.querySelectorAll(`${box} canvas`)]"
    return box.page.evaluate(f"(box) => {canvases}.map((canvas) => canvas.toDataURL())", BOX)


def test_each_way_spares_something_else(explorable):
    box = explorable()
    assert value(box, "error") == pytest.approx(0, abs=1e-3)
    assert value(box, "ratio") == pytest.approx(2)
    choose(box, "lamps")
    assert value(box, "error") == pytest.approx(0, abs=1e-3)
    assert value(box, "ratio") == pytest.approx(1, abs=0.05)
    choose(box, "pictures")
    assert value(box, "error") > 20
    assert (
        "each picture (instance norm): normals wrong by" in box.locator(".ex-summary").inner_text()
    )


def test_the_lamp_moves_by_keyboard(explorable):
    box = explorable()
    before, brightness = pictures(box), box.locator("[data-name=mean]").inner_text()
    box.get_by_label("Lamp tilted by").focus()
    for _ in range(10):
        box.page.keyboard.press("ArrowRight")
    two_frames(box)
    assert box.locator("output").nth(1).inner_text() == "35°"
    assert pictures(box)[0] != before[0]
    # Without normalising, the fit finds the same ball.
    assert value(box, "error") == pytest.approx(0, abs=1e-3)
    assert value(box, "ratio") == pytest.approx(2)
    assert box.locator("[data-name=mean]").inner_text() != brightness


def test_controls_fit_a_small_telephone(explorable):
    box = explorable(width=320, has_touch=True, is_mobile=True)
    controls = [*box.get_by_role("slider").all(), box.get_by_role("combobox")]
    assert len(controls) == 3
    for control in controls:
        assert control.bounding_box()["height"] >= 44
    assert box.page.evaluate("document.documentElement.scrollWidth") <= 320
