"""Conditional instance norm, AdaIN and Gram matrices against loops, PyTorch and identities."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose, assert_array_equal

from instnorm import instance_norm
from instnorm.planes import plane_moments
from instnorm.style import adain, conditional_instance_norm, gram_matrix

SHAPES = [(4, 3, 11), (4, 3, 5, 7), (4, 3, 3, 4, 5)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)


# --- conditional instance norm -------------------------------------------------------------------


@shapes
def test_each_image_is_normalised_with_the_parameters_of_its_style(shape, rng):
    x, gamma, beta = (rng.standard_normal(s) for s in (shape, (6, 3), (6, 3)))
    style = np.array([5, 0, 2, 0])
    y = conditional_instance_norm(x, gamma, beta, style, eps=0.1)
    for n, s in enumerate(style):
        weight, bias = torch.from_numpy(gamma[s]), torch.from_numpy(beta[s])
        expected = F.instance_norm(
            torch.from_numpy(x[n : n + 1]), None, None, weight, bias, eps=0.1
        )
        assert_allclose(y[n], expected[0].numpy(), atol=1e-12)


@shapes
def test_weights_mix_the_parameters_of_the_styles(shape, rng):
    x, gamma, beta = (rng.standard_normal(s) for s in (shape, (2, 3), (2, 3)))
    weights = np.array([[1, 0], [0, 1], [0.25, 0.75], [2, -1]])
    y = conditional_instance_norm(x, gamma, beta, weights)
    pure = [conditional_instance_norm(x, gamma, beta, np.full(4, s)) for s in range(2)]
    for n, (a, b) in enumerate(weights):
        assert_allclose(y[n], a * pure[0][n] + b * pure[1][n], atol=1e-12)


def test_a_style_that_no_image_has_does_not_matter(rng):
    x, table = rng.standard_normal((2, 3, 4, 4)), rng.standard_normal((3, 3))
    spoilt = table.copy()
    spoilt[1] = np.nan
    style = np.array([0, 2])
    assert_array_equal(
        conditional_instance_norm(x, spoilt, spoilt, style),
        conditional_instance_norm(x, table, table, style),
    )


# --- AdaIN ---------------------------------------------------------------------------------------


@shapes
def test_adain_is_its_definition(shape, rng):
    x = rng.standard_normal(shape)
    style = 3 * rng.standard_normal((4, 3, 6, 6)) + rng.standard_normal((4, 3, 1, 1))
    y = adain(x, style, eps=0.2)
    for n, c in np.ndindex(4, 3):
        sigma_x, sigma_s = np.sqrt(x[n, c].var() + 0.2), np.sqrt(style[n, c].var() + 0.2)
        expected = sigma_s * (x[n, c] - x[n, c].mean()) / sigma_x + style[n, c].mean()
        assert_allclose(y[n, c], expected, atol=1e-12)


def test_adain_hands_over_mean_and_spread_and_nothing_else(rng):
    content, style = rng.standard_normal((2, 4, 3, 8, 8))
    style = 5 * style + 2
    y = adain(content, style, eps=0)
    for ours, theirs in zip(plane_moments(y), plane_moments(style), strict=True):
        assert_allclose(ours, theirs, atol=1e-12)
    shuffled = rng.permutation(style.reshape(4, 3, -1), axis=2)
    assert_allclose(adain(content, shuffled, eps=0), y, atol=1e-12)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 1.0])
def test_adain_with_its_own_style_changes_nothing(eps, rng):
    x = rng.standard_normal((2, 3, 5, 7)) + 10
    assert_allclose(adain(x, x, eps=eps), x, atol=1e-12)


# --- moments of planes ---------------------------------------------------------------------------


@shapes
def test_plane_moments(shape, rng):
    x = rng.standard_normal(shape)
    axes = tuple(range(2, x.ndim))
    mean, var = plane_moments(x)
    assert_allclose(mean, x.mean(axis=axes), atol=1e-14)
    assert_allclose(var, x.var(axis=axes), rtol=1e-12)


def test_plane_moments_of_a_strided_view(rng):
    x = rng.standard_normal((2, 3, 8, 10))
    for ours, copied in zip(
        plane_moments(x[:, :, ::2, ::-2]), plane_moments(x[:, :, ::2, ::-2].copy()), strict=True
    ):
        assert_array_equal(ours, copied)


# --- Gram matrices -------------------------------------------------------------------------------


@shapes
def test_gram_matrix_is_the_mean_product_of_channels(shape, rng):
    x = rng.standard_normal(shape)
    gram = gram_matrix(x)
    for n, i, j in np.ndindex(4, 3, 3):
        assert_allclose(gram[n, i, j], np.mean(x[n, i] * x[n, j]), atol=1e-14)
    assert gram.dtype == np.float64


def test_gram_matrix_does_not_depend_on_the_size_of_the_picture(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    assert_allclose(gram_matrix(np.tile(x, (1, 1, 3, 2))), gram_matrix(x), atol=1e-14)


@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_gram_matrix_after_instance_norm_holds_the_correlations(eps, rng):
    x = rng.standard_normal((2, 3, 8, 8)) + 4
    x[:, 1] += x[:, 0]
    gram = gram_matrix(instance_norm(x, eps=eps))
    kept = np.sqrt(x.var(axis=(2, 3)) / (x.var(axis=(2, 3)) + eps))
    for n in range(2):
        expected = np.corrcoef(x[n].reshape(3, -1)) * np.outer(kept[n], kept[n])
        assert_allclose(gram[n], expected, atol=1e-12)


def test_gram_matrix_of_half_precision_does_not_overflow():
    x = np.full((1, 2, 4, 4), 300, np.float16)
    assert_array_equal(gram_matrix(x), np.full((1, 2, 2), 90000.0))


# --- empty and bad input -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)], ids=str)
def test_no_images_or_no_channels_give_empty_arrays(shape):
    x, table = np.empty(shape), np.empty((2, shape[1]))
    labels = np.zeros(shape[0], int)
    assert conditional_instance_norm(x, table, table, labels).shape == shape
    assert adain(x, x).shape == shape
    assert gram_matrix(x).shape == (shape[0], shape[1], shape[1])


X, TABLE, LABELS = np.ones((2, 3, 4, 4)), np.ones((5, 3)), np.array([0, 4])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: conditional_instance_norm(X[0, 0], TABLE, TABLE, LABELS),
            ValueError,
            "x must have",
        ),
        (
            lambda: conditional_instance_norm(X, TABLE[0], TABLE, LABELS),
            ValueError,
            r"gamma must have shape \(S, 3\), .*; got \(3,\)",
        ),
        (
            lambda: conditional_instance_norm(X, TABLE, TABLE[:, :2], LABELS),
            ValueError,
            r"beta must have shape \(S, 3\), .*; got \(5, 2\)",
        ),
        (
            lambda: conditional_instance_norm(X, TABLE, TABLE[:4], LABELS),
            ValueError,
            r"beta must have the shape of gamma, \(5, 3\); got \(4, 3\)",
        ),
        (
            lambda: conditional_instance_norm(X, TABLE, TABLE, np.array([0, 5])),
            ValueError,
            "style must hold labels from 0 to 4, .*; got labels from 0 to 5",
        ),
        (
            lambda: conditional_instance_norm(X, TABLE, TABLE, np.array([-1, 0])),
            ValueError,
            "got labels from -1 to 0",
        ),
        (
            lambda: conditional_instance_norm(X, TABLE, TABLE, np.array([0, 1, 2])),
            ValueError,
            r"style must have shape \(2,\), one label per image; got \(3,\)",
        ),
        (
            lambda: conditional_instance_norm(X, TABLE, TABLE, np.ones((2, 4))),
            ValueError,
            r"style must have shape \(2, 5\), one weight per image and style; got \(2, 4\)",
        ),
        (lambda: conditional_instance_norm(X, TABLE, TABLE, [0, 1]), TypeError, "style must be a"),
        (
            lambda: conditional_instance_norm(X, TABLE, TABLE, LABELS, eps=-1),
            ValueError,
            "eps must",
        ),
        (
            lambda: adain(X, X[:, :2]),
            ValueError,
            r"style must hold as many images and channels as content, \(2, 3\); got shape \(2, 2,",
        ),
        (lambda: adain(X[0, 0], X), ValueError, "content must have shape"),
        (lambda: adain(X, X, eps="tiny"), TypeError, "eps must be a number"),
        (lambda: adain(X, X[:, :, :1, :1]), ValueError, "holds 1 value, and normalising"),
        (lambda: gram_matrix(X.astype(int)), TypeError, "x must hold floating-point"),
        (
            lambda: gram_matrix(X[:, :, :0]),
            ValueError,
            r"at least one position; got shape \(2, 3, 0",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
