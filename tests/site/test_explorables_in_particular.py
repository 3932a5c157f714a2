"""What each explorable shows: the lesson that it is there for, learned by keyboard or pointer."""

import pytest


@pytest.mark.slow  # 2 s; its arithmetic is tested each time
def test_contrast_and_brightness_leave_no_trace_but_gamma_does(mounted):
    strip = mounted("strip-the-style")
    mean, std = strip.number("mean"), strip.number("std")
    assert strip.value("residual") == 0
    strip.press("Contrast", "ArrowLeft", 8)
    assert strip.number("std") == pytest.approx(0.6 * std, abs=1e-3)
    assert 0 < strip.value("residual") < 1e-3
    strip.press("Brightness", "ArrowRight", 6)
    assert strip.number("mean") == pytest.approx(0.6 * mean + 0.3, abs=1e-3)
    assert 0 < strip.value("residual") < 1e-3
    (_, normed), bars = strip.pictures(), strip.box.locator("[data-name=after-bars]")
    before = bars.get_attribute("d")
    strip.press("Gamma", "ArrowRight", 10)
    assert strip.value("residual") > 0.05
    assert strip.pictures()[1] != normed
    assert bars.get_attribute("d") != before
    assert "gamma 1.50" in strip.spoken()
    assert strip.text("residual") in strip.spoken()
    strip.click("Reset")
    assert strip.value("residual") == 0
    assert strip.box.locator("output").all_inner_texts() == ["1.00", "0.00", "1.00"]


@pytest.mark.slow  # 2 s; its arithmetic is tested each time
def test_sums_leave_the_output_and_steps_downhill_raise_the_contrast(mounted):
    point = mounted("two-degrees-of-freedom")
    hat, mean = point.text("hat"), point.number("mean")
    for pixel in ("x₁", "x₂", "x₃"):
        point.press(pixel, "ArrowRight", 4)
    assert point.number("mean") == pytest.approx(mean + 0.2)
    assert point.text("hat") == hat
    point.press("x₁", "ArrowRight", 4)
    assert point.text("hat") != hat

    point.click("Reset")
    spreads = [point.number("std")]
    for _ in range(4):
        point.click("Step downhill")
        spreads.append(point.number("std"))
        assert point.number("along") == 0
        assert point.number("total") == 0
    assert spreads == sorted(spreads)
    assert spreads[-1] > spreads[0]
    trail = point.box.locator("[data-part=trail]")
    assert trail.get_attribute("d").count("L") == 4
    point.click("Reset")
    assert point.number("std") == spreads[0]
    assert trail.get_attribute("d") == ""
    point.press("Epsilon", "ArrowRight", 20)
    assert point.number("sqnorm") < 3
    assert point.number("along") != 0
    assert point.number("total") == 0


@pytest.mark.parametrize("view", ["side", pytest.param("top", marks=pytest.mark.slow)])
def test_the_point_is_dragged(mounted, view):
    point = mounted("two-degrees-of-freedom")
    hat, mean = point.text("hat"), point.number("mean")
    handle = point.box.locator(f"[data-name={view}] [data-part=handle]")
    handle.scroll_into_view_if_needed()
    size = handle.bounding_box()
    x, y = size["x"] + size["width"] / 2, size["y"] + size["height"] / 2
    mouse = point.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x - 10, y - 40, steps=4)
    mouse.up()
    point.settle()
    if view == "side":  # along (1, 1, 1): the mean moves, the output does not
        assert point.number("mean") > mean
        assert point.text("hat") == hat
    else:  # within the plane: the other way round
        assert point.number("mean") == mean
        assert point.text("hat") != hat


@pytest.mark.slow  # 2 s; its arithmetic is tested each time
def test_output_fades_below_the_threshold_and_eps_restores_it(mounted):
    cat = mounted("epsilon")
    assert cat.number("out") == pytest.approx(1, abs=1e-3)
    cat.press("Contrast", "ArrowLeft", 40)
    assert cat.number("out") == pytest.approx(0.301, abs=2e-3)  # c = 0.001: 1 / √11
    cat.press("Epsilon", "ArrowLeft", 40)
    assert cat.number("out") > 0.99
    _, smooth = cat.pictures()
    cat.box.get_by_label("8 bits").check()
    cat.settle()
    assert cat.pictures()[1] != smooth


def test_frames_mark_the_set(mounted):
    block = mounted("pooled-activations")
    sets = [("Instance", 36, 18), ("Layer", 216, 3), ("Group", 108, 6), ("Batch", 108, 6)]
    for method, size, count in reversed(sets):
        block.box.get_by_label(method, exact=True).check()
        block.settle()
        assert block.number("size") == size
        assert block.number("sets") == count
        assert block.box.locator(".ex-member").count() == size // 36

    # A click chooses an activation.
    block.box.locator("[data-n='2'][data-c='4'] [data-p='7']").click()
    block.settle()
    values = [slider.input_value() for slider in block.box.get_by_role("slider").all()]
    assert values == ["2", "4", "7"]
    assert block.box.locator(".ex-member").get_attribute("data-n") == "2"
    assert "rocket" in block.spoken()


def test_group_norm_with_one_channel_each_is_instance_norm(mounted):
    block = mounted("pooled-activations")
    block.press("Channel", "ArrowRight", 2)
    expected = block.text("here")
    block.box.get_by_label("Group", exact=True).check()
    block.settle()
    assert block.text("here") != expected
    block.box.get_by_role("combobox").select_option("6")
    block.settle()
    assert block.text("here") == expected


def test_only_norm_in_every_layer_holds_the_deviation(mounted):
    net = mounted("depth-by-layer")
    assert net.number("std") > 10
    net.box.get_by_label("every layer").check()
    net.settle()
    assert net.number("std") == pytest.approx(1, abs=0.01)
    net.press("Weight gain", "Home")
    assert net.number("std") == pytest.approx(1, abs=0.01)
    net.box.get_by_label("the input", exact=True).check()
    net.settle()
    assert net.number("std") < 0.1
    assert "Normalising the input, weight gain 0.50" in net.spoken()


@pytest.mark.slow  # 2 s; its arithmetic is tested each time
def test_each_way_to_normalise_spares_something_else(mounted):
    ball = mounted("photometric-stereo")
    before, brightness = ball.pictures(), ball.text("mean")
    ball.press("Lamp tilted by", "ArrowRight", 10)
    assert ball.box.locator("output").nth(1).inner_text() == "35°"
    assert ball.pictures()[0] != before[0]
    assert ball.text("mean") != brightness
    for way, error, ratio in (("nothing", 0, 2), ("lamps", 0, 1)):
        ball.box.get_by_label("Normalise over").select_option(way)
        ball.settle()
        assert ball.value("error") == pytest.approx(error, abs=1e-3)
        assert ball.value("ratio") == pytest.approx(ratio, abs=0.05)
    ball.box.get_by_label("Normalise over").select_option("pictures")
    ball.settle()
    assert ball.value("error") > 20
    assert "each picture (instance norm): normals wrong by" in ball.spoken()


@pytest.mark.slow  # 2 s; its arithmetic is tested each time
def test_a_mask_brings_the_neuron_and_the_norm_together(mounted):
    cell = mounted("contrast-response")
    gap = abs(cell.number("neuron-half") - cell.number("norm-half"))
    cell.press("Mask", "ArrowRight", 50)
    assert abs(cell.number("neuron-half") - cell.number("norm-half")) < 0.2 * gap
    assert "mask of 0.50" in cell.spoken()


def test_a_plane_too_large_to_wait_is_read_again(mounted):
    roof = mounted("roofline")
    roof.box.get_by_label("Direction").select_option("forward")
    roof.press("Side of a plane", "Home")
    assert "lanes of a warp" in roof.text("team")
    assert "read again" not in roof.text("team")
    before = roof.text("ours-bytes")
    roof.press("Side of a plane", "End")
    assert "read again" in roof.text("team")
    assert roof.text("ours-bytes") != before
    assert roof.box.locator(".ex-chosen").inner_text() == "GRID"


def test_an_address_holds_the_settings_and_leads_back_to_them(visit):
    def values(page):
        box = page.locator("[data-explorable='strip-the-style'][data-mounted]")
        box.wait_for()
        page.wait_for_timeout(50)
        return box.locator("output").all_inner_texts()

    # What is no value of the control is left out.
    page = visit("principles/the-algorithm.html?strip-the-style=gain:0.5;gamma:99;seed:1;offset:x")
    page.locator("[data-explorable='strip-the-style']").scroll_into_view_if_needed()
    assert values(page) == ["0.50", "0.00", "1.00"]
    page.get_by_role("slider", name="Gamma").press("ArrowRight")
    assert "strip-the-style=gain%3A0.5%3Bgamma%3A1.05" in page.url
    page.goto(page.url.replace("the-algorithm", "depth").partition("?")[0])
    page.go_back()
    page.locator("[data-explorable='strip-the-style']").scroll_into_view_if_needed()
    assert values(page) == ["0.50", "0.00", "1.05"]
    page.get_by_role("button", name="Faded").press("Enter")
    page.wait_for_timeout(50)
    assert values(page) == ["0.30", "0.50", "1.00"]
    page.get_by_role("button", name="Reset").press("Enter")
    assert "?" not in page.url
