"""The arithmetic of the explorable "Droplet", run by Node, against the kernels."""

import math

import numpy as np
import pytest

from instnorm import instance_norm

SIDE = 48
PLANE = instance_norm(np.random.default_rng(2).normal(size=(1, 1, SIDE, SIDE)), eps=0)[0, 0]


@pytest.fixture
def js(js):
    return js("droplet")


@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("wanted", [0.25, 0.7])
def test_a_spike_of_the_right_height_leaves_the_wanted_strength(js, side, wanted):
    places = js("corner", SIDE, side)
    assert len(set(places)) == side**2
    p = side**2 / SIDE**2
    h = js("height", wanted, p)
    assert math.isclose(js("strength", h, p), wanted)
    spiked = np.array(js("spiked", wanted * PLANE, places, h, wanted))
    kernel = instance_norm(spiked.reshape(1, 1, SIDE, SIDE), eps=0).ravel()
    found = js("outside", kernel, places)
    assert abs(found - wanted) < 0.02
    assert math.isclose(found, np.delete(kernel, places).std(), rel_tol=1e-9)


def test_without_a_spike_the_wish_is_normalised_away(js):
    places = js("corner", SIDE, 3)
    plain = np.array(js("spiked", 0.25 * PLANE, places, 0, 0.25))
    np.testing.assert_array_equal(plain, 0.25 * PLANE.ravel())
    assert js("strength", 0, 0.01) == 1
