"""The contrast response of instance norm, against Naka and Rushton's law and against loops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from instnorm.contrast import contrast_response
from instnorm.divisive import naka_rushton


def pattern_and_mask(rng, m=40, strength=0.3):
    """Two uncorrelated planes, neither with mean 0 or variance 1."""
    s, mask = 2 + 3 * rng.standard_normal((2, m))
    centred = s - s.mean()
    mask = mask - (mask @ centred) / (centred @ centred) * centred
    return s, strength * mask


@pytest.mark.parametrize("strength", [0.0, 0.3])
@pytest.mark.parametrize("eps", [1e-5, 0.4])
@pytest.mark.parametrize("gamma", [1.0, -2.5])
def test_it_is_a_naka_rushton_curve(strength, eps, gamma, rng):
    s, mask = pattern_and_mask(rng, strength=strength)
    c = np.r_[0, np.logspace(-4, 1, 20)]
    response, (r_max, c50, n) = contrast_response(s, mask, c, gamma, eps)
    assert_allclose(response, naka_rushton(c, c50=c50, n=n, r_max=r_max), rtol=1e-9, atol=1e-14)


def test_it_is_its_definition(rng):
    s, mask = rng.standard_normal((2, 12))  # correlated, as any two planes are a little
    c = np.array([0.2, 3.0])
    response, _ = contrast_response(s, mask, c, 1.5, 0.1)
    for gain, value in zip(c, response, strict=True):
        x = gain * s + mask
        covariance = np.cov(x, s, bias=True)
        expected = 1.5 * covariance[0, 1] / np.sqrt((covariance[0, 0] + 0.1) * covariance[1, 1])
        assert_allclose(value, expected**2, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"s": np.ones(3)}, ValueError, "s must not be constant"),
        ({"s": np.ones((1, 3))}, ValueError, r"s must have one axis; got shape \(1, 3\)"),
        ({"mask": np.ones(4)}, ValueError, r"mask must have the shape of s, \(3,\); got \(4,\)"),
        ({"mask": None}, TypeError, "mask must be .* array; got NoneType"),
        ({"c": np.ones((2, 1))}, ValueError, r"c must have one axis"),
        ({"c": np.array([1, 2])}, TypeError, "c must hold floating-point numbers"),
        ({"eps": -1.0}, ValueError, "eps must be finite and not negative"),
    ],
)
def test_bad_input_is_refused(change, error, message):
    good = {"s": np.array([1.0, 0.0, -1.0]), "mask": np.zeros(3), "c": np.ones(2)}
    contrast_response(**good)
    with pytest.raises(error, match=message):
        contrast_response(**{**good, **change})
