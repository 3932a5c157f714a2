"""What several explorables compute, against the reference kernel and NumPy."""

import numpy as np
import pytest

from instnorm import instance_norm


@pytest.fixture
def js(js):
    return js("statistics")


def planes():
    rng = np.random.default_rng(7)
    noise = rng.normal(size=1000)
    return {
        "normal": noise,
        "photograph": rng.random(4096) ** 3,
        "negative": -5 + 0.1 * noise,
        "offset 1e4": 1e4 + noise,
        "offset 1e8": 1e8 + noise,
        "faint": 1e-3 * noise,
        "fainter than eps": 1e-6 * noise,
        "constant": np.full(64, 0.3),
        "constant 1e10": np.full(64, 1e10),
        "two values": np.array([0.0, 1.0]),
        "outlier first": np.r_[1e6, noise],
    }


@pytest.mark.parametrize("name", planes())
def test_instance_norm_is_the_kernels(js, name):
    x = planes()[name]
    expected = instance_norm(x[None, None])[0, 0]
    np.testing.assert_allclose(js("instanceNorm", x), expected, rtol=1e-9, atol=1e-11)


def test_instance_norm_takes_eps(js):
    x = planes()["faint"]
    expected = instance_norm(x[None, None], eps=1e-2)[0, 0]
    np.testing.assert_allclose(js("instanceNorm", x, 1e-2), expected, rtol=1e-12, atol=1e-14)


def test_a_constant_plane_gives_zero_without_eps(js):
    assert js("instanceNorm", np.full(9, 0.3), 0) == [0] * 9


@pytest.mark.parametrize("name", planes())
def test_moments(js, name):
    x = planes()[name]
    found = js("moments", x)
    assert found["mean"] == pytest.approx(x.mean(), rel=1e-12, abs=1e-15)
    assert found["variance"] == pytest.approx(x.var(), rel=1e-6, abs=1e-15)


def test_histogram_counts_like_numpy(js, rng):
    x = rng.normal(size=5000)
    low, high = -2, 2
    counts = np.array(js("histogram", x, 40, [low, high]))
    # NumPy drops what is beyond the range; here the end bins take it.
    inside = np.clip(x, low, np.nextafter(high, low))
    np.testing.assert_array_equal(counts, np.histogram(inside, bins=40, range=(low, high))[0])
    assert counts.sum() == x.size
    assert counts[0] > (x < low).sum() > 0
    assert counts[-1] > (x > high).sum() > 0
