"""Divisive normalisation against loops, PyTorch, SciPy's filters, and instance norm's own curve."""

import math

import numpy as np
import pytest
import scipy.ndimage
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose, assert_array_equal

from instnorm import instance_norm
from instnorm.divisive import (
    divisive_norm,
    filter_response_norm,
    local_contrast_norm,
    local_response_norm,
    naka_rushton,
)

SHAPES = [(2, 5, 30), (2, 5, 12, 9), (2, 5, 7, 8, 6)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


# --- Heeger's model ------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1.0, 2.0, 3.5])
def test_divisive_norm_is_its_definition(n, rng):
    drive = rng.random((2, 4, 3))
    response = divisive_norm(drive, sigma=0.7, n=n, gamma=1.5)
    for b, j, p in np.ndindex(drive.shape):
        pool = sum(drive[b, k, p] ** n for k in range(4))
        assert_allclose(response[b, j, p], 1.5 * drive[b, j, p] ** n / (0.7**n + pool), rtol=1e-12)


def test_the_pool_may_lie_along_any_axis(rng):
    drive = rng.random((3, 4, 5))
    for axis in (0, 2, -1):
        expected = divisive_norm(drive.swapaxes(1, axis), sigma=0.5).swapaxes(1, axis)
        assert_allclose(divisive_norm(drive, sigma=0.5, axis=axis), expected, rtol=1e-12)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_each_neuron_may_have_a_pool_of_its_own(axis, rng):
    drive = rng.random((3, 4, 5))
    weights = rng.random((drive.shape[axis],) * 2)
    response = divisive_norm(drive, sigma=0.7, n=1.5, weights=weights, axis=axis)
    powers = np.moveaxis(drive**1.5, axis, 0)
    for j, own in enumerate(powers):
        pool = sum(w * power for w, power in zip(weights[j], powers, strict=True))
        assert_allclose(response.take(j, axis), own / (0.7**1.5 + pool), rtol=1e-12)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((3, 4)), r"weights must have shape \(4, 4\), .* axis 1 of drive; got \(3, 4\)"),
        (-np.ones((4, 4)), "weights must not be negative"),
    ],
)
def test_bad_weights_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        divisive_norm(np.ones((2, 4)), sigma=1.0, weights=weights)


def test_strong_drive_shares_gamma_out_and_does_not_overflow(rng):
    drive = 1e30 * (0.1 + rng.random((2, 4)).astype(np.float32))
    response = divisive_norm(drive.astype(np.float32), sigma=1.0, n=4, gamma=2.0)
    assert_allclose(response.sum(axis=1), 2, rtol=1e-6)


# --- contrast response ---------------------------------------------------------------------------


def test_naka_rushton(rng):
    c = rng.random((3, 4))
    expected = 40 * c**1.5 / (c**1.5 + 0.2**1.5)
    assert_allclose(naka_rushton(c, c50=0.2, n=1.5, r_max=40.0), expected, rtol=1e-12)
    assert_allclose(naka_rushton(np.array([0, 0.2, 1e9]), c50=0.2, r_max=40.0), [0, 20, 40])


@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_instance_norm_follows_a_naka_rushton_curve(eps, rng):
    """The mean square that leaves is c² / (c² + eps): n = 2, and half at c = sqrt(eps)."""
    pattern = rng.standard_normal((16, 16))
    pattern = (pattern - pattern.mean()) / pattern.std()
    c = np.logspace(-4, 2, 20)
    y = instance_norm(c[:, None, None, None] * pattern, eps=eps)
    expected = naka_rushton(c, c50=math.sqrt(eps), n=2)
    assert_allclose((y**2).mean(axis=(1, 2, 3)), expected, rtol=1e-9)


# --- local contrast ------------------------------------------------------------------------------


def gaussian(x, sigma):
    """SciPy's Gaussian over the spatial axes, of the mean over the channels."""
    x = x.mean(axis=1, keepdims=True)
    for axis in range(2, x.ndim):
        x = scipy.ndimage.gaussian_filter1d(x, sigma, axis, radius=math.ceil(3 * sigma))
    return x


@shapes
@pytest.mark.parametrize("sigma", [0.6, 2.0])
def test_local_contrast_norm_is_its_definition(shape, sigma, rng):
    x = rng.standard_normal(shape) + 5
    v = x - gaussian(x, sigma)
    s = np.sqrt(gaussian(v**2, sigma))
    for n, ours in enumerate(local_contrast_norm(x, sigma=sigma)):
        assert_allclose(ours, v[n] / np.maximum(s[n], s[n].mean()), atol=1e-12)


def test_local_contrast_norm_ignores_the_light(rng):
    x = rng.random((1, 3, 20, 20))
    expected = local_contrast_norm(x)
    assert_allclose(local_contrast_norm(30 * x + 7), expected, atol=1e-12)
    assert_array_equal(local_contrast_norm(np.full_like(x, 0.1)), 0)


def test_unlike_instance_norm_it_undoes_a_change_of_contrast_across_the_picture(rng):
    texture = rng.standard_normal((1, 1, 64, 64))
    ramp = np.geomspace(1, 16, 64)

    def contrast(y):  # of the right quarter, in units of the left
        return y[..., 48:].std() / y[..., :16].std()

    assert contrast(instance_norm(texture * ramp)) > 6
    assert (
        contrast(local_contrast_norm(texture * ramp)) < contrast(instance_norm(texture * ramp)) / 2
    )


# --- local response ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 5), *SHAPES], ids=str)
@pytest.mark.parametrize("size", [1, 3, 5, 11])
def test_local_response_norm_is_torchs_with_alpha_per_channel(shape, size, rng):
    x = 3 * rng.standard_normal(shape)
    expected = F.local_response_norm(
        torch.from_numpy(x if x.ndim > 2 else x[..., None]), size, 0.3 * size, 0.6, 1.7
    )
    ours = local_response_norm(x, size, alpha=0.3, beta=0.6, k=1.7)
    assert_allclose(ours, expected.numpy().reshape(shape), rtol=1e-12)


def test_local_response_norm_defaults_are_those_of_the_paper(rng):
    x = 100 * rng.standard_normal((1, 7))
    energy = sum(x[0, c] ** 2 for c in (1, 2, 3, 4, 5))
    assert_allclose(local_response_norm(x)[0, 3], x[0, 3] * (2 + 1e-4 * energy) ** -0.75)


# --- filter response -----------------------------------------------------------------------------


@shapes
def test_filter_response_norm_is_its_definition(shape, rng):
    x = rng.standard_normal(shape) + 1
    gamma, beta, tau = rng.standard_normal((3, 5))
    y = filter_response_norm(x, gamma, beta, tau, eps=0.1)
    for n, c in np.ndindex(2, 5):
        xhat = x[n, c] / np.sqrt(np.mean(x[n, c] ** 2) + 0.1)
        assert_allclose(y[n, c], np.maximum(gamma[c] * xhat + beta[c], tau[c]), atol=1e-12)
    bare = filter_response_norm(x, eps=0.1)
    assert_allclose(
        filter_response_norm(x, gamma, beta, eps=0.1).max(),
        (gamma[:, None] * bare.reshape(2, 5, -1) + beta[:, None]).max(),
    )


def test_filter_response_norm_of_a_plane_of_mean_zero_is_instance_norm(rng):
    x = rng.standard_normal((2, 5, 8, 8))
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    assert_allclose(filter_response_norm(centred, eps=0.2), instance_norm(x, eps=0.2), atol=1e-12)
    assert np.abs(filter_response_norm(centred + 1) - instance_norm(x)).max() > 0.1


def test_filter_response_norm_keeps_the_sign_of_a_single_pixel():
    x = np.array([-3.0, 0.5, 0.0]).reshape(1, 3, 1, 1)
    assert_array_equal(filter_response_norm(x, eps=0).ravel(), [-1, 1, 0])


# --- dtypes, empty and bad input -----------------------------------------------------------------

FUNCTIONS = {
    "divisive": lambda x: divisive_norm(abs(x), sigma=1.0),
    "naka-rushton": lambda x: naka_rushton(abs(x), c50=0.3),
    "local contrast": local_contrast_norm,
    "local response": local_response_norm,
    "filter response": filter_response_norm,
}
functions = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


@functions
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_is_kept_and_the_input_too(function, dtype, rng):
    x = rng.standard_normal((2, 3, 9, 8)).astype(dtype)
    kept = x.copy()
    y = function(x)
    assert y.dtype == dtype
    assert_allclose(y, function(x.astype(float)), atol=2 * np.finfo(dtype).eps, rtol=1e-3)
    assert_array_equal(x, kept)


@functions
@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5), (2, 3, 0, 5)], ids=str)
def test_nothing_gives_an_empty_array(function, shape):
    assert function(np.empty(shape)).shape == shape


X = np.ones((2, 3, 4, 4))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: divisive_norm(-X, sigma=1.0), ValueError, "drive must not be negative; .* -1.0"),
        (lambda: divisive_norm(X.astype(int), sigma=1.0), TypeError, "drive must hold floating"),
        (lambda: divisive_norm(X, sigma=0.0), ValueError, "sigma must be a positive number; got 0"),
        (lambda: divisive_norm(X, sigma=1.0, n=-1), ValueError, "n must be a positive number"),
        (
            lambda: divisive_norm(X, sigma=1.0, axis=4),
            ValueError,
            r"axis must be an axis of drive, of shape \(2, 3, 4, 4\); got 4",
        ),
        (lambda: naka_rushton(-X, c50=1.0), ValueError, "c must not be negative"),
        (
            lambda: naka_rushton(X, c50=math.nan),
            ValueError,
            "c50 must be a positive number; got nan",
        ),
        (lambda: naka_rushton(X, c50=1.0, n=0), ValueError, "n must be a positive number; got 0"),
        (lambda: local_contrast_norm(X[0, 0]), ValueError, r"x must have shape .* got \(4, 4\)"),
        (lambda: local_contrast_norm(X, sigma=-2), ValueError, "sigma must be a positive number"),
        (lambda: local_response_norm(X, 4), ValueError, "size must be an odd .*; got 4"),
        (lambda: local_response_norm(X, -1), ValueError, "size must be an odd .*; got -1"),
        (lambda: local_response_norm(X, k=0), ValueError, "k must be a positive number; got 0"),
        (lambda: filter_response_norm(X, np.ones(4)), ValueError, r"gamma .* \(3,\).* got \(4,\)"),
        (lambda: filter_response_norm(X, None, np.ones(4)), ValueError, "beta must have shape"),
        (lambda: filter_response_norm(X, tau=np.ones((3, 1))), ValueError, "tau must have shape"),
        (
            lambda: filter_response_norm(X, eps=-1),
            ValueError,
            "eps must be finite and not negative",
        ),
        (lambda: filter_response_norm(X[:, :, 0, 0]), ValueError, r"x must have .* got \(2, 3\)"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("n", [1.0, 2.0, 3.5])
def test_a_drive_of_1e200_gives_the_limit(n, rng):
    drive = rng.uniform(0.5, 1, (2, 4, 6))
    share = drive**n / (drive**n).sum(1, keepdims=True)
    assert_allclose(divisive_norm(1e200 * drive, sigma=1.0, n=n), share, rtol=1e-12)
    assert_allclose(naka_rushton(np.array([0.0, 1.0, 1e200]), c50=1.0, n=n), [0, 0.5, 1])
