"""Modulated norms: against PyTorch's layers, against each other, and what they refuse."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from instnorm import instance_norm, layer_norm
from instnorm.modulation import ada_group_norm, ada_layer_norm, ada_layer_norm_zero, film, spade
from instnorm.planes import plane_moments
from instnorm.style import adain


@pytest.mark.parametrize("num_groups", [1, 3, 6])
def test_ada_group_norm_is_torchs_group_norm_modulated(num_groups, rng):
    x, (scale, shift) = rng.standard_normal((4, 6, 5, 3)), rng.standard_normal((2, 4, 6))
    normed = torch.nn.functional.group_norm(torch.from_numpy(x), num_groups).numpy()
    expected = (1 + scale[..., None, None]) * normed + shift[..., None, None]
    assert_allclose(ada_group_norm(x, scale, shift, num_groups), expected, atol=1e-12)


def test_with_the_statistics_of_another_picture_it_is_adain(rng):
    content, manner = np.reshape([2, 0.5], (2, 1, 1, 1, 1)) * rng.standard_normal((2, 3, 4, 6, 5))
    mean, var = (moment.reshape(3, 4) for moment in plane_moments(manner))
    told = np.sqrt(var + 1e-5) - 1, mean
    assert_allclose(ada_group_norm(content, *told, 4), adain(content, manner), atol=1e-12)


def test_ada_layer_norm_is_torchs_layer_norm_modulated(rng):
    x, (scale, shift) = rng.standard_normal((2, 5, 8)), rng.standard_normal((2, 2, 8))
    normed = torch.nn.functional.layer_norm(torch.from_numpy(x), (8,), eps=1e-6).numpy()
    expected = (1 + scale[:, None]) * normed + shift[:, None]
    assert_allclose(ada_layer_norm(x, scale, shift), expected, atol=1e-12)


def test_a_block_that_begins_at_zero_hands_on_its_input(rng):
    x, zero = rng.standard_normal((2, 5, 8)).astype("float32"), np.zeros((2, 8), "float32")
    assert_array_equal(ada_layer_norm_zero(x, zero, zero, zero, np.exp), x)
    gate = rng.standard_normal((2, 8)).astype("float32")
    expected = x + gate[:, None] * np.exp(ada_layer_norm(x, zero, zero))
    assert_allclose(ada_layer_norm_zero(x, zero, zero, gate, np.exp), expected, rtol=1e-5)


def test_a_uniform_label_map_is_lost_behind_the_norm_and_kept_by_spade(rng):
    labels = np.full((1, 4, 5, 5), 7.0)
    assert_array_equal(instance_norm(labels), 0)
    x, gamma = rng.standard_normal((2, 2, 4, 5, 5))
    expected = (
        gamma
        * torch.nn.functional.batch_norm(torch.from_numpy(x), None, None, training=True).numpy()
    )
    assert_allclose(spade(x, gamma, 0 * x + 7), expected + 7, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_is_that_of_x(dtype, rng):
    x, told = rng.standard_normal((2, 4, 3, 3)).astype(dtype), np.ones((2, 4))
    assert film(x, told, told).dtype == dtype
    assert ada_group_norm(x, told, told, 2).dtype == dtype
    assert spade(x, x.astype("float64"), x).dtype == dtype
    assert ada_layer_norm(x[:, :, 0], np.ones((2, 3)), np.ones((2, 3))).dtype == dtype


def test_film_without_a_norm_keeps_what_a_norm_takes_away(rng):
    x, told = rng.standard_normal((2, 4, 6, 6)), rng.standard_normal((2, 2, 4))
    assert_allclose(film(3 * x, *told) - film(x, *told), 2 * film(x, told[0], 0 * told[1]))
    assert_allclose(
        ada_group_norm(3 * x, *told, 4, eps=0), ada_group_norm(x, *told, 4, eps=0), atol=1e-12
    )
    assert_allclose(
        ada_group_norm(x, *told, 1), film(layer_norm(x), 1 + told[0], told[1]), atol=1e-12
    )


X, TOLD = np.ones((2, 4, 3, 3)), np.ones((2, 4))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: film(X, TOLD[0], TOLD), ValueError, r"gamma must have shape \(2, 4\).*got \(4,"),
        (lambda: film(X, TOLD, 1.0), TypeError, "beta must be a NumPy or CuPy array; got float"),
        (lambda: ada_group_norm(X, TOLD, TOLD, 3), ValueError, "num_groups must divide"),
        (
            lambda: ada_group_norm(X, TOLD, TOLD[:1], 2),
            ValueError,
            r"shift must have shape \(2, 4\)",
        ),
        (lambda: ada_layer_norm(X, TOLD, TOLD), ValueError, r"x must have shape \(N, T, D\)"),
        (lambda: ada_layer_norm(X[0], TOLD, TOLD), ValueError, r"scale must have shape \(4, 3\)"),
        (
            lambda: ada_layer_norm_zero(X[:, 0], *[TOLD[:, :3]] * 3, lambda h: h[..., 0]),
            ValueError,
            "what branch returns must have the shape of x",
        ),
        (lambda: spade(X, TOLD, X), ValueError, "gamma must have the shape of x"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
