"""What "Strip the style" computes, against NumPy."""

import numpy as np
import pytest


@pytest.fixture
def js(js):
    return js("strip-the-style")


@pytest.mark.parametrize("gain", [0.2, 1, 2])
@pytest.mark.parametrize("offset", [-0.5, 0, 0.5])
@pytest.mark.parametrize("gamma", [0.2, 1, 3])
def test_restyle(js, rng, gain, offset, gamma):
    x = np.r_[0, rng.random(50), 1]
    y = js("restyle", x, {"gain": gain, "offset": offset, "gamma": gamma})
    np.testing.assert_allclose(y, gain * x**gamma + offset, rtol=1e-12, atol=1e-15)


def test_rms(js, rng):
    x, y = rng.normal(size=(2, 300))
    np.testing.assert_allclose(js("rms", x, y), np.sqrt(np.mean((x - y) ** 2)), rtol=1e-12)
    assert js("rms", x, x) == 0
