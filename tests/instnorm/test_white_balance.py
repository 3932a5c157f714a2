"""Gray world against its definition and against what it is for."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instnorm.white_balance import gray_world


def test_all_channels_get_the_mean_of_the_image(rng):
    x = rng.random((2, 3, 5, 4))
    y = gray_world(x)
    for image, balanced in zip(x, y, strict=True):
        for channel, result in zip(image, balanced, strict=True):
            assert_allclose(result, channel / channel.mean() * image.mean(), rtol=1e-12)


def test_the_colour_of_the_light_is_gone_and_only_its_brightness_left(rng):
    x = rng.random((1, 3, 6, 6))
    lit = x * np.array([1.3, 0.9, 0.4])[:, None, None]
    one, two = gray_world(x), gray_world(lit)
    assert_allclose(two / two.mean(), one / one.mean(), rtol=1e-12)


def test_a_dark_channel_stays_dark_and_dtype_and_input_are_kept(rng):
    x = rng.random((1, 3, 4, 4)).astype(np.float32)
    x[:, 1] = 0
    before = x.copy()
    y = gray_world(x)
    assert y.dtype == np.float32
    assert not y[:, 1].any()
    assert np.isfinite(y).all()
    assert_array_equal(x, before)
    assert gray_world(np.empty((0, 3, 4, 4))).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones((2, 3)), ValueError, r"x must have shape .*; got \(2, 3\)"),
        (np.full((1, 3, 2, 2), -1.0), ValueError, "x must not be negative; its least value is -1"),
        (np.ones((1, 3, 2, 2), int), TypeError, "x must hold floating-point numbers"),
    ],
)
def test_bad_input_is_refused(x, error, message):
    with pytest.raises(error, match=message):
        gray_world(x)
