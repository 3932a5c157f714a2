"""The explorables in a browser: by keyboard, by touch, and without JavaScript."""

import pytest

PAGE = "principles/the-algorithm.html"


@pytest.fixture
def explorable(visit):
    """Open the page with "Strip the style" and wait until it runs."""

    def start(**options):
        page = visit(PAGE, **options)
        box = page.locator("[data-explorable='strip-the-style']")
        box.scroll_into_view_if_needed()
        page.locator("[data-explorable='strip-the-style'][data-mounted]").wait_for()
        return box

    return start


def residual(box):
    return float(box.locator("[data-name=residual]").get_attribute("data-value"))


def number(box, name):
    return float(box.locator(f"[data-name={name}]").inner_text())


def press(box, slider, key, times=1):
    box.get_by_label(slider).focus()
    for _ in range(times):
        box.page.keyboard.press(key)
    # One frame to schedule the drawing, one for it to be over.
    box.page.evaluate("new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")


def test_contrast_and_brightness_leave_no_trace(explorable):
    box = explorable()
    mean, std = number(box, "mean"), number(box, "std")
    assert residual(box) == 0
    press(box, "Contrast", "ArrowLeft", 8)
    assert number(box, "std") == pytest.approx(0.6 * std, abs=1e-3)
    assert 0 < residual(box) < 1e-3
    press(box, "Brightness", "ArrowRight", 6)
    assert number(box, "mean") == pytest.approx(0.6 * mean + 0.3, abs=1e-3)
    assert 0 < residual(box) < 1e-3


def test_gamma_leaves_a_trace(explorable):
    box = explorable()
    press(box, "Gamma", "ArrowRight", 10)
    assert residual(box) > 0.05
    press(box, "Gamma", "ArrowRight", 10)
    assert residual(box) > 0.1


def test_pictures_and_histograms_follow_the_sliders(explorable):
    box = explorable()

    def state():
        pictures = box.page.evaluate(
            "[...document.querySelectorAll('.ex canvas')].map((canvas) => canvas.toDataURL())"
        )
        return pictures, [bars.get_attribute("d") for bars in box.locator(".ex-bars").all()]

    (picture, normed), (bars, _) = state()
    press(box, "Contrast", "ArrowLeft", 8)
    (other_picture, other_normed), (other_bars, other_normed_bars) = state()
    assert picture != other_picture
    assert bars != other_bars
    press(box, "Gamma", "ArrowRight", 10)
    (_, last_normed), (_, last_normed_bars) = state()
    assert other_normed != last_normed
    assert other_normed_bars != last_normed_bars
    assert normed != last_normed


def test_reset_goes_back(explorable):
    box = explorable()
    press(box, "Gamma", "ArrowRight", 10)
    press(box, "Contrast", "ArrowRight", 3)
    box.get_by_role("button", name="Reset").press("Enter")
    box.page.wait_for_function("document.querySelector('[data-name=residual]').dataset.value == 0")
    values = [slider.input_value() for slider in box.get_by_role("slider").all()]
    assert values == ["1", "0", "1"]
    assert box.locator("output").all_inner_texts() == ["1.00", "0.00", "1.00"]


def test_result_is_spoken_when_a_slider_comes_to_rest(explorable):
    box = explorable()
    summary = box.locator("[aria-live=polite]")
    assert summary.inner_text() == ""
    press(box, "Gamma", "ArrowRight", 10)
    shown = box.locator("[data-name=residual]").inner_text()
    assert "gamma 1.50" in summary.inner_text()
    assert shown in summary.inner_text()


def test_targets_are_as_large_as_a_finger(explorable):
    box = explorable(width=320, has_touch=True, is_mobile=True)
    targets = [*box.get_by_role("slider").all(), *box.get_by_role("button").all()]
    assert len(targets) == 4
    for target in targets:
        size = target.bounding_box()
        assert size["height"] >= 44
        assert size["width"] >= 44


def test_slider_moves_by_touch(explorable):
    box = explorable(width=390, has_touch=True, is_mobile=True)
    slider = box.get_by_label("Gamma")
    slider.scroll_into_view_if_needed()
    size = slider.bounding_box()
    box.page.touchscreen.tap(size["x"] + 0.9 * size["width"], size["y"] + size["height"] / 2)
    box.page.wait_for_function("document.querySelector('[data-name=residual]').dataset.value > 0.1")


def test_many_changes_make_one_drawing_a_frame(explorable):
    box = explorable()
    drawings = box.page.evaluate(
        """() => new Promise((done) => {
          const slider = document.querySelector(".ex [name=gamma]");
          let drawings = 0;
          const count = new MutationObserver((changes) => (drawings += changes.length));
          count.observe(document.querySelector(".ex-bars"), { attributes: true });
          for (let i = 0; i < 20; i += 1) {
            slider.value = 1 + i / 20;
            slider.dispatchEvent(new Event("input"));
          }
          requestAnimationFrame(() => requestAnimationFrame(() => done(drawings)));
        })"""
    )
    assert drawings == 1


def test_fall_back_figure_shows_without_javascript(visit):
    page = visit(PAGE, java_script_enabled=False)
    figure = page.locator(".explorable-fallback svg.figure")
    assert figure.is_visible()
    assert figure.bounding_box()["width"] > 200
    assert page.get_by_text("A still of a figure with sliders").is_visible()
    assert page.locator(".ex").count() == 0


def test_fall_back_figure_stays_when_the_module_fails(browser, site):
    context = browser.new_context()
    page = context.new_page()
    warnings = []
    page.on("console", lambda message: warnings.append(message.text))
    page.route(
        "**/strip-the-style.js*",
        lambda route: route.fulfill(body="export default {};", content_type="text/javascript"),
    )
    page.goto(f"{site}/{PAGE}")
    page.locator(".explorable").scroll_into_view_if_needed()
    page.wait_for_timeout(500)
    assert page.locator(".explorable-fallback svg.figure").is_visible()
    assert any("could not start" in text for text in warnings)
    context.close()
