"""Statistics layer by layer, the moments of a rectified normal variable, and the order of two."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose

from instnorm.depth import MODES, deep_stats, in_then_relu, rectified_moments, relu_then_in

each_mode = pytest.mark.parametrize("mode", MODES)


def network(rng, channels=6, depth=5, m=40):
    return (
        1 + 2 * rng.standard_normal((channels, m)),
        rng.standard_normal((depth, channels, channels)) / math.sqrt(channels),
        0.1 * rng.standard_normal((depth, channels)),
    )


@each_mode
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_stats_are_those_of_torch_layers(rng, mode, eps):
    x, weights, biases = network(rng)
    a = torch.from_numpy(x)[None]
    if mode != "none":
        a = F.instance_norm(a, eps=eps)
    expected = []
    for w, b in zip(torch.from_numpy(weights), torch.from_numpy(biases), strict=True):
        a = F.relu(F.conv1d(a, w[..., None], b))
        if mode == "every":
            a = F.instance_norm(a, eps=eps)
        expected.append((a.mean().item(), a.std(correction=0).item()))
    means, stds, out = deep_stats(x, weights, biases, mode, eps)
    assert_allclose(np.stack([means, stds], 1), expected, atol=1e-12)
    assert_allclose(out, a[0].numpy(), atol=1e-12)


def test_only_every_layer_holds_the_statistics(rng):
    x, weights, biases = network(rng, channels=16, depth=10, m=400)
    spread = {mode: deep_stats(x, 3 * weights, biases, mode, 0.0)[1] for mode in MODES}
    assert spread["input"][-1] > 50 * spread["input"][0]
    assert_allclose(spread["every"], 1, atol=1e-12)


def test_what_each_mode_is_invariant_to(rng):
    x, weights, biases = network(rng)
    louder = weights.copy(), biases.copy()
    for parameter in louder:
        parameter[2] *= 3

    def moves(mode, *changed):
        before = deep_stats(x, weights, biases, mode, 0.0)[2]
        return not np.allclose(deep_stats(*changed, mode, 0.0)[2], before, atol=1e-9)

    assert {m for m in MODES if moves(m, 2 * x + 5, weights, biases)} == {"none"}
    assert {m for m in MODES if moves(m, x, *louder)} == {"none", "input"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.ones((6, 1))}, r"x must have shape \(C, m\) with m of at least 2; got \(6, 1\)"),
        ({"weights": np.ones((5, 6, 7))}, r"weights must have shape .*6, 6.*got \(5, 6, 7\)"),
        ({"biases": np.ones((4, 6))}, r"biases must have shape .*\(5, 6\).*got \(4, 6\)"),
        ({"mode": "both"}, "mode must be one of 'none', 'input', 'every'; got 'both'"),
        ({"eps": -1.0}, "eps"),
    ],
)
def test_bad_networks_are_refused(rng, changed, message):
    x, weights, biases = network(rng)
    arguments = {"x": x, "weights": weights, "biases": biases, "mode": "none", "eps": 0.0}
    with pytest.raises(ValueError, match=message):
        deep_stats(**{**arguments, **changed})


def test_stats_want_floats():
    with pytest.raises(TypeError, match="weights must hold floating-point"):
        deep_stats(np.ones((2, 3)), np.ones((1, 2, 2), int), np.ones((1, 2)), "none")


def test_moments_are_the_integrals(rng):
    mu, sigma = rng.uniform(-3, 3, (4, 2)), rng.uniform(0.2, 3, (4, 2))
    z = np.linspace(-12, 12, 400_001)
    weight = np.exp(-z * z / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    values = np.maximum(mu[..., None] + sigma[..., None] * z, 0)
    mean, var = rectified_moments(mu, sigma)
    assert_allclose(mean, values @ weight, atol=1e-8)
    assert_allclose(var, values**2 @ weight - (values @ weight) ** 2, atol=1e-7)


def test_moments_in_the_standard_case_and_at_the_ends():
    mean, var = rectified_moments(np.array([0.0]), np.array([1.0]))
    assert_allclose([mean[0], var[0]], [1 / math.sqrt(2 * math.pi), 0.5 - 0.5 / math.pi])
    mean, var = rectified_moments(np.array([1e6, -60.0]), np.array([2.0, 1.0]))
    assert_allclose(mean, [1e6, 0])
    assert_allclose(var, [4, 0])
    mean, var = rectified_moments(np.array([3.0, -3.0, 0.0]), np.zeros(3))
    assert_allclose(mean, [3, 0, 0])
    assert_allclose(var, 0)


def test_moments_refuse_a_negative_spread_and_other_shapes():
    with pytest.raises(ValueError, match=r"sigma must not be negative; got -1\.0"):
        rectified_moments(np.zeros(2), np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match="sigma must have the shape of mu"):
        rectified_moments(np.zeros(2), np.ones(3))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (in_then_relu, lambda z, **rest: F.relu(F.instance_norm(z, **rest))),
        (relu_then_in, lambda z, **rest: F.instance_norm(F.relu(z), **rest)),
    ],
)
def test_the_orders_are_those_of_torch(rng, ours, theirs):
    z = rng.standard_normal((2, 3, 4, 5))
    gamma, beta = rng.standard_normal((2, 3))
    weight, bias = torch.from_numpy(gamma), torch.from_numpy(beta)
    expected = theirs(torch.from_numpy(z), weight=weight, bias=bias, eps=0.2)
    assert_allclose(ours(z, gamma, beta, eps=0.2), expected.numpy(), atol=1e-13)


def test_the_orders_differ_in_what_they_ignore(rng):
    z = rng.standard_normal((2, 3, 6, 5))

    def moves(order, changed):
        return not np.allclose(order(changed, eps=0.0), order(z, eps=0.0), atol=1e-9)

    assert not moves(in_then_relu, 3 * z)
    assert not moves(relu_then_in, 3 * z)
    assert not moves(in_then_relu, z + 0.5)
    assert moves(relu_then_in, z + 0.5)


def test_a_dead_plane_becomes_beta():
    z = np.array([[[[-1.0, -2.0]], [[-3.0, -1.0]]]])
    beta = np.array([2.0, -5.0])
    assert_allclose(relu_then_in(z, np.ones(2), beta)[0, :, 0], [[2, 2], [-5, -5]])
