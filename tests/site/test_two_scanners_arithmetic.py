"""The arithmetic of the explorable "Two scanners", run by Node, against the kernels."""

import numpy as np
import pytest

from instnorm import instance_norm

RNG = np.random.default_rng(3)
SLICE = RNG.uniform(0, 1, (14, 10))


@pytest.fixture
def js(js):
    return js("two-scanners")


def of(array):
    return np.reshape(array, SLICE.shape)


def test_a_scanner_gives_a_gain_across_the_width_and_an_offset(js):
    setting = {"gain": 0.7, "offset": 0.2, "field": 0.4}
    ramp = np.linspace(0.6, 1.4, SLICE.shape[1])
    found = of(js("scanned", SLICE, SLICE.shape[1], setting))
    np.testing.assert_allclose(found, 0.7 * ramp * SLICE + 0.2, rtol=1e-12)


@pytest.mark.parametrize("crop", [0.0, 0.2, 0.5])
def test_a_crop_cuts_its_share_from_both_sides(js, crop):
    height, width = SLICE.shape
    inside = of(js("kept", width, height, crop)).astype(bool)
    rows, columns = inside.any(1).sum(), inside.any(0).sum()
    assert inside.sum() == rows * columns
    assert abs(rows - (1 - crop) * height) <= 1
    assert abs(columns - (1 - crop) * width) <= 1
    assert (inside == inside[::-1, ::-1]).all()


def test_normalised_by_the_chosen_values(js):
    chosen = SLICE > 0.4
    found = of(js("normalised", SLICE, chosen.ravel().tolist()))
    expected = instance_norm(SLICE[chosen][None, None])[0, 0]
    np.testing.assert_allclose(found[chosen], expected, rtol=1e-10)
    outside = (SLICE - SLICE[chosen].mean()) / np.sqrt(SLICE[chosen].var() + 1e-5)
    np.testing.assert_allclose(found, outside, rtol=1e-10)


def test_what_a_gain_and_an_offset_leave_is_eps_and_a_field_leaves_more(js):
    everywhere = [True] * SLICE.size
    width = SLICE.shape[1]

    def left(**setting):
        scan = js("scanned", SLICE, width, {"gain": 1, "offset": 0, "field": 0} | setting)
        pair = (js("normalised", np.array(x), everywhere) for x in (scan, SLICE))
        return js("apart", *map(np.array, pair), everywhere)

    assert left() == 0
    assert left(gain=0.4, offset=0.5) < 1e-3
    assert left(field=0.4) > 0.1
