"""Mixtures of norms, images and stored moments against definitions and extreme cases."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instnorm import batch_norm, instance_norm, layer_norm
from instnorm.mixtures import (
    adapt_batch_norm,
    batch_instance_norm,
    ibn,
    mixstyle,
    switchable_norm,
)
from instnorm.style import adain

SHAPES = [(3, 4, 11), (3, 4, 5, 7), (3, 4, 3, 4, 5)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=str)
MEMBERS = [instance_norm, layer_norm, batch_norm]


def sample(rng, shape):
    """Activations whose images and channels have moments of their own, and gamma and beta."""
    each = (*shape[:2], *[1] * (len(shape) - 2))
    x = rng.standard_normal(shape) * (0.5 + rng.random(each)) + rng.standard_normal(each)
    return x, rng.standard_normal(shape[1]), rng.standard_normal(shape[1])


@shapes
def test_switchable_norm_is_its_definition(shape, rng):
    x, gamma, beta = sample(rng, shape)
    logits = rng.standard_normal((2, 3))
    spatial = tuple(range(2, x.ndim))
    pooled = [spatial, (1, *spatial), (0, *spatial)]
    w, w_var = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    mean = sum(a * x.mean(axis=axes, keepdims=True) for a, axes in zip(w, pooled, strict=True))
    var = sum(a * x.var(axis=axes, keepdims=True) for a, axes in zip(w_var, pooled, strict=True))
    channel = (slice(None), *[None] * len(spatial))
    expected = gamma[channel] * (x - mean) / np.sqrt(var + 0.1) + beta[channel]
    assert_allclose(switchable_norm(x, *logits, gamma, beta, eps=0.1), expected, atol=1e-12)
    bare = (x - mean) / np.sqrt(var + 1e-5)
    assert_allclose(switchable_norm(x, *logits), bare, atol=1e-12)


@shapes
@pytest.mark.parametrize("which", range(3), ids=["instance", "layer", "batch"])
def test_with_all_weight_on_one_member_it_is_that_member(shape, which, rng):
    x, gamma, beta = sample(rng, shape)
    logits = np.full(3, -1000.0)
    logits[which] = 1000.0
    y = switchable_norm(x, logits, logits, gamma, beta)
    assert_allclose(y, MEMBERS[which](x, gamma, beta), atol=1e-12)


def test_switchable_norm_survives_an_offset_ten_thousand_times_the_spread(rng):
    x = (rng.standard_normal((2, 3, 32, 32)) + 1e4).astype(np.float32)
    logits = np.zeros(3)
    exact = switchable_norm(x.astype(np.float64), logits, logits)
    assert np.abs(switchable_norm(x, logits, logits) - exact).max() < 1e-3


@shapes
def test_batch_instance_norm_is_its_definition(shape, rng):
    x, gamma, beta = sample(rng, shape)
    rho = np.array([0.0, 0.3, 0.8, 1.0])
    channel = (slice(None), *[None] * (x.ndim - 2))
    gate = rho[channel]
    for scale, shift in ((gamma, beta), (None, None)):
        y = batch_instance_norm(x, rho, scale, shift, eps=0.1)
        mixed = gate * batch_norm(x, eps=0.1) + (1 - gate) * instance_norm(x, eps=0.1)
        expected = mixed if scale is None else gamma[channel] * mixed + beta[channel]
        assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize(("gate", "member"), [(0.0, instance_norm), (1.0, batch_norm)])
def test_at_its_ends_the_gate_is_one_member(gate, member, rng):
    x, gamma, beta = sample(rng, SHAPES[1])
    y = batch_instance_norm(x, np.full(4, gate), gamma, beta)
    assert_allclose(y, member(x, gamma, beta), atol=1e-12)


FUNCTIONS = {
    "switchable": lambda x: switchable_norm(x, np.zeros(3), np.zeros(3)),
    "batch-instance": lambda x: batch_instance_norm(x, np.full(x.shape[1], 0.5)),
}
functions = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


@functions
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_is_kept_and_the_input_too(function, dtype, rng):
    x = sample(rng, SHAPES[1])[0].astype(dtype)
    kept = x.copy()
    y = function(x)
    assert y.dtype == dtype
    assert_allclose(y, function(x.astype(float)), atol=4 * np.finfo(dtype).eps)
    assert_array_equal(x, kept)


@functions
@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)], ids=str)
def test_no_images_or_no_channels_give_an_empty_array(function, shape):
    assert function(np.empty(shape)).shape == shape


X, LOGITS, RHO = np.ones((2, 4, 3, 3)), np.zeros(3), np.full(4, 0.5)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: switchable_norm(X[0, 0], LOGITS, LOGITS), ValueError, "x must have shape"),
        (
            lambda: switchable_norm(X, np.zeros(2), LOGITS),
            ValueError,
            r"mean_logits must have shape \(3,\): instance, layer, batch; got \(2,\)",
        ),
        (lambda: switchable_norm(X, LOGITS, [0, 0, 0]), TypeError, "var_logits must be a"),
        (lambda: switchable_norm(X, LOGITS, LOGITS, np.ones(3)), ValueError, "gamma must have"),
        (
            lambda: switchable_norm(X, LOGITS, LOGITS, None, np.ones(3)),
            ValueError,
            "beta must have",
        ),
        (lambda: switchable_norm(X, LOGITS, LOGITS, eps=-1), ValueError, "eps must be finite"),
        (lambda: switchable_norm(X[..., :1, :1], LOGITS, LOGITS), ValueError, "holds 1 value"),
        (lambda: batch_instance_norm(X, None), TypeError, "rho must be a .* got NoneType"),
        (lambda: batch_instance_norm(X, RHO[:3]), ValueError, r"rho must have shape \(4,\)"),
        (lambda: batch_instance_norm(X, RHO + 1), ValueError, "rho must hold .* 0 to 1; got 1.5"),
        (lambda: batch_instance_norm(X, RHO * np.nan), ValueError, "rho must hold .* got nan"),
        (lambda: batch_instance_norm(X, RHO, np.ones(3)), ValueError, "gamma must have shape"),
        (lambda: batch_instance_norm(X, RHO, None, np.ones(3)), ValueError, "beta must have shape"),
        (lambda: batch_instance_norm(X, RHO, eps=-1), ValueError, "eps must be finite"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- MixStyle -------------------------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
def test_mixstyle_is_its_definition(shape, eps, rng):
    x, partner, weight = sample(rng, shape)[0], sample(rng, shape)[0], rng.random(shape[0])
    spatial = tuple(range(2, x.ndim))
    w = weight.reshape(-1, *[1] * (x.ndim - 1))
    moments = [
        (a.mean(axis=spatial, keepdims=True), np.sqrt(a.var(axis=spatial, keepdims=True) + eps))
        for a in (x, partner)
    ]
    mean, deviation = (w * a + (1 - w) * b for a, b in zip(*moments, strict=True))
    expected = deviation * (x - moments[0][0]) / moments[0][1] + mean
    assert_allclose(mixstyle(x, partner, weight, eps=eps), expected, atol=1e-12)


def test_mixstyle_lies_between_nothing_and_adain(rng):
    x, partner = (sample(rng, SHAPES[1])[0] for _ in range(2))
    one, nought = np.ones(3), np.zeros(3)
    assert_allclose(mixstyle(x, partner, one), x, atol=1e-12)
    assert_allclose(mixstyle(x, partner, nought, eps=0), adain(x, partner, eps=0), atol=1e-12)
    assert mixstyle(x.astype("f"), partner.astype("f"), one).dtype == np.float32


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"partner": np.ones((2, 2, 4))}, ValueError, "partner must have the shape of x"),
        ({"weight": np.ones(3)}, ValueError, r"weight must have shape \(2,\).*got \(3,\)"),
        ({"weight": np.array([0.5, 1.5])}, ValueError, "from 0 to 1; got 0.5 to 1.5"),
        ({"weight": np.ones(2, int)}, TypeError, "weight must hold floating-point numbers"),
        ({"eps": -1}, ValueError, "eps must be finite and not negative"),
    ],
)
def test_mixstyle_refuses_bad_input(change, error, words, rng):
    good = {"x": rng.random((2, 2, 3)), "partner": rng.random((2, 2, 3)), "weight": np.ones(2)}
    mixstyle(**good)
    with pytest.raises(error, match=words):
        mixstyle(**{**good, **change})


# --- IBN ------------------------------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("channels", [4, 3, 1])
def test_ibn_is_instance_norm_in_front_and_batch_norm_behind(shape, channels, rng):
    x, gamma, beta = sample(rng, (shape[0], channels, *shape[2:]))
    half = channels // 2
    instance, batch = instance_norm(x, gamma, beta, eps=0.1), batch_norm(x, gamma, beta, eps=0.1)
    y = ibn(x, gamma, beta, eps=0.1)
    assert_allclose(y[:, :half], instance[:, :half], atol=1e-12)
    assert_allclose(y[:, half:], batch[:, half:], atol=1e-12)
    bare = ibn(x)
    assert_allclose(bare[:, :half], instance_norm(x)[:, :half], atol=1e-12)
    assert_allclose(bare[:, half:], batch_norm(x)[:, half:], atol=1e-12)


# --- Batch norm with adapted moments --------------------------------------------------------------


@shapes
@pytest.mark.parametrize("prior", [0, 1.5, 40.0])
def test_adapted_batch_norm_is_its_definition(shape, prior, rng):
    x, gamma, beta = sample(rng, shape)
    stored = rng.standard_normal(4), rng.uniform(0.5, 2, 4)
    over = (0, *range(2, x.ndim))
    share = prior / (prior + len(x))
    mean, var = (
        share * s + (1 - share) * measured
        for s, measured in zip(stored, (x.mean(over), x.var(over)), strict=True)
    )
    channel = (slice(None), *[None] * (x.ndim - 2))
    expected = (x - mean[channel]) / np.sqrt(var + 0.1)[channel]
    kept = [moment.copy() for moment in stored]
    assert_allclose(adapt_batch_norm(x, *stored, prior=prior, eps=0.1), expected, atol=1e-12)
    expected = gamma[channel] * expected + beta[channel]
    y = adapt_batch_norm(x, *stored, gamma, beta, prior=prior, eps=0.1)
    assert_allclose(y, expected, atol=1e-12)
    assert_array_equal(stored, kept)


def test_at_its_ends_adapted_batch_norm_is_batch_norm(rng):
    x, gamma, beta = sample(rng, SHAPES[1])
    stored = rng.standard_normal(4), rng.uniform(0.5, 2, 4)
    measured = adapt_batch_norm(x, *stored, gamma, beta, prior=0)
    assert_allclose(measured, batch_norm(x, gamma, beta), atol=1e-12)
    in_use = batch_norm(
        x, gamma, beta, running_mean=stored[0], running_var=stored[1], training=False
    )
    assert_allclose(adapt_batch_norm(x, *stored, gamma, beta, prior=1e15), in_use, atol=1e-12)


def test_adapted_or_split_the_dtype_is_kept_and_no_images_give_none(rng):
    x = sample(rng, SHAPES[1])[0].astype(np.float32)
    stored = np.zeros(4, np.float32), np.ones(4, np.float32)
    for function in (ibn, lambda x: adapt_batch_norm(x, *stored, prior=0)):
        kept = x.copy()
        y = function(x)
        assert y.dtype == np.float32
        assert_allclose(y, function(x.astype(float)), atol=1e-5)
        assert_array_equal(x, kept)
        assert function(x[:0]).shape == (0, *x.shape[1:])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: ibn(X[0, 0]), ValueError, "x must have shape"),
        (lambda: ibn(X, np.ones(3)), ValueError, r"gamma must have shape \(4,\)"),
        (lambda: ibn(X, None, np.ones(2)), ValueError, r"beta must have shape \(4,\)"),
        (lambda: ibn(X, eps=-1), ValueError, "eps must be finite"),
        (lambda: ibn(X[..., :1, :1]), ValueError, "holds 1 value"),
        (lambda: adapt_batch_norm(X, None, RHO, prior=1), TypeError, "running_mean must be a"),
        (
            lambda: adapt_batch_norm(X, RHO, RHO[:3], prior=1),
            ValueError,
            r"running_var must have shape \(4,\)",
        ),
        (
            lambda: adapt_batch_norm(X, RHO, RHO, prior=-1),
            ValueError,
            "prior must be finite and not negative; got -1.0",
        ),
        (lambda: adapt_batch_norm(X, RHO, RHO, prior="1"), TypeError, "prior must be a number"),
        (lambda: adapt_batch_norm(X, RHO, RHO, prior=1, eps=-1), ValueError, "eps must be finite"),
    ],
)
def test_splitting_and_adapting_refuse_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
