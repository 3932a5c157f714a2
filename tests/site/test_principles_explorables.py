"""The explorables of Part I in a browser: keyboard, pointer, and what stays without them."""

import pytest

PAGES = {
    "two-degrees-of-freedom": "principles/invariance.html",
    "epsilon": "principles/invariance.html",
    "pooled-activations": "principles/the-family.html",
}


@pytest.fixture
def explorable(visit):
    """Open the page of an explorable and wait until it runs."""

    def start(slug, **options):
        page = visit(PAGES[slug], **options)
        box = page.locator(f"[data-explorable='{slug}']")
        box.scroll_into_view_if_needed()
        page.locator(f"[data-explorable='{slug}'][data-mounted]").wait_for()
        return box

    return start


def settle(box):
    # One frame to schedule the drawing, one for it to be over.
    box.page.evaluate("new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))")


def press(box, slider, key, times=1):
    box.get_by_role("slider", name=slider).focus()
    for _ in range(times):
        box.page.keyboard.press(key)
    settle(box)


def text(box, name):
    return box.locator(f"[data-name={name}]").inner_text().replace("−", "-")


def number(box, name):
    return float(text(box, name))


def test_adding_to_all_pixels_leaves_the_output(explorable):
    box = explorable("two-degrees-of-freedom")
    hat, mean = text(box, "hat"), number(box, "mean")
    for pixel in ("x₁", "x₂", "x₃"):
        press(box, pixel, "ArrowRight", 4)
    assert number(box, "mean") == pytest.approx(mean + 0.2)
    assert text(box, "hat") == hat
    press(box, "x₁", "ArrowRight", 4)
    assert text(box, "hat") != hat


def test_steps_downhill_raise_the_contrast(explorable):
    box = explorable("two-degrees-of-freedom")
    spreads = [number(box, "std")]
    for _ in range(4):
        box.get_by_role("button", name="Step downhill").press("Enter")
        settle(box)
        spreads.append(number(box, "std"))
        assert number(box, "along") == 0
        assert number(box, "total") == 0
    assert spreads == sorted(spreads)
    assert spreads[-1] > spreads[0]
    box.get_by_role("button", name="Reset").press("Enter")
    settle(box)
    assert number(box, "std") == spreads[0]


def test_eps_lets_the_gradient_point_inwards(explorable):
    box = explorable("two-degrees-of-freedom")
    press(box, "Epsilon", "ArrowRight", 20)
    assert number(box, "sqnorm") < 3
    assert number(box, "along") != 0
    assert number(box, "total") == 0


@pytest.mark.parametrize("view", ["side", "top"])
def test_point_is_dragged(explorable, view):
    box = explorable("two-degrees-of-freedom")
    hat, mean = text(box, "hat"), number(box, "mean")
    handle = box.locator(f"[data-view={view}] [data-part=handle]")
    handle.scroll_into_view_if_needed()
    size = handle.bounding_box()
    x, y = size["x"] + size["width"] / 2, size["y"] + size["height"] / 2
    mouse = box.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x - 10, y - 40, steps=4)
    mouse.up()
    settle(box)
    if view == "side":  # along (1, 1, 1): the mean moves, the output does not
        assert number(box, "mean") > mean
        assert text(box, "hat") == hat
    else:  # within the plane: the other way round
        assert number(box, "mean") == mean
        assert text(box, "hat") != hat


def test_output_fades_below_the_threshold_and_eps_restores_it(explorable):
    box = explorable("epsilon")
    assert number(box, "out") == pytest.approx(1, abs=1e-3)
    press(box, "Contrast", "ArrowLeft", 40)
    faded = number(box, "out")
    assert faded == pytest.approx(0.301, abs=2e-3)  # c = 0.001: 1 / √11
    press(box, "Epsilon", "ArrowLeft", 40)
    assert number(box, "out") > 0.99
    box.get_by_label("8 bits").check()
    settle(box)
    picture = "() => document.querySelectorAll('.ex canvas')[1].toDataURL()"
    saved = box.page.evaluate(picture)
    box.get_by_label("8 bits").uncheck()
    settle(box)
    assert box.page.evaluate(picture) != saved


@pytest.mark.parametrize(
    ("method", "size", "sets"),
    [("Instance", 36, 18), ("Layer", 216, 3), ("Group", 108, 6), ("Batch", 108, 6)],
)
def test_frames_mark_the_set(explorable, method, size, sets):
    box = explorable("pooled-activations")
    box.get_by_role("button", name=method).press("Enter")
    settle(box)
    assert number(box, "size") == size
    assert number(box, "sets") == sets
    assert box.locator(".ex-member").count() == size // 36


def test_a_click_chooses_an_activation(explorable):
    box = explorable("pooled-activations")
    box.locator("[data-n='2'][data-c='4'] [data-p='7']").click()
    settle(box)
    values = [slider.input_value() for slider in box.get_by_role("slider").all()]
    assert values == ["2", "4", "7"]
    assert box.locator(".ex-member").get_attribute("data-n") == "2"
    assert "rocket" in box.locator("[aria-live=polite]").inner_text()


def test_group_norm_with_one_channel_each_is_instance_norm(explorable):
    box = explorable("pooled-activations")
    press(box, "Channel", "ArrowRight", 2)
    expected = text(box, "here")
    box.get_by_role("button", name="Group").press("Enter")
    settle(box)
    assert text(box, "here") != expected
    box.get_by_role("combobox").select_option("6")
    settle(box)
    assert text(box, "here") == expected


@pytest.mark.parametrize("slug", PAGES)
def test_targets_are_as_large_as_a_finger(explorable, slug):
    box = explorable(slug, width=320, has_touch=True, is_mobile=True)
    targets = [*box.get_by_role("slider").all(), *box.get_by_role("button").all()]
    assert len(targets) >= 3
    for target in targets:
        size = target.bounding_box()
        assert size["height"] >= 44
        assert size["width"] >= 44


@pytest.mark.parametrize("slug", PAGES)
def test_fall_back_figure_shows_without_javascript(visit, slug):
    page = visit(PAGES[slug], java_script_enabled=False)
    figure = page.locator(f"[data-explorable='{slug}'] .explorable-fallback svg.figure")
    assert figure.is_visible()
    assert figure.bounding_box()["width"] > 200
