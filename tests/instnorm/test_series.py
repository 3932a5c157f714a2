"""RevIN, SNV, MSC, CMN and CMVN against SciPy, least squares, and what ties them to one another."""

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from numpy.testing import assert_allclose, assert_array_equal

from instnorm.series import Statistics, cmn, cmvn, msc, revin, revin_inverse, snv


def spectra(rng, count=6, length=50):
    """Noisy copies of one smooth spectrum, each with its own gain and offset."""
    wavelength = np.linspace(0, 3, length)
    shape = np.sin(2 * wavelength) + 0.5 * wavelength
    gain, offset = 0.5 + rng.random((count, 1)), rng.standard_normal((count, 1))
    return gain * shape + offset + 0.05 * rng.standard_normal((count, length))


# --- RevIN ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
def test_revin_is_instance_norm_over_time(eps, rng):
    x, gamma, beta = 3 * rng.standard_normal((4, 3, 20)) + 5, *rng.standard_normal((2, 3))
    y, statistics = revin(x, gamma, beta, eps=eps)
    weight, bias = torch.from_numpy(gamma), torch.from_numpy(beta)
    expected = F.instance_norm(torch.from_numpy(x), weight=weight, bias=bias, eps=eps)
    assert_allclose(y, expected.numpy(), atol=1e-12)
    assert_allclose(statistics.mean, x.mean(axis=2), atol=1e-12)
    assert_allclose(statistics.var, x.var(axis=2), rtol=1e-12)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
@pytest.mark.parametrize("affine", [True, False])
def test_revin_there_and_back(eps, affine, rng):
    x = 3 * rng.standard_normal((4, 3, 20)) + 5
    x[1, 2] = 0.1  # a series that stands still
    parameters = rng.standard_normal((2, 3)) if affine else ()
    y, statistics = revin(x, *parameters, eps=eps)
    assert_allclose(revin_inverse(y, statistics, *parameters, eps=eps), x, atol=1e-11)


def test_a_forecast_of_any_length_gets_its_window_s_level_and_spread(rng):
    """Repeating the last normalised value is repeating the last value."""
    x = rng.standard_normal((4, 3, 20)) * np.array([1, 10, 100])[:, None]
    y, statistics = revin(x)
    forecast = revin_inverse(np.repeat(y[..., -1:], 7, axis=2), statistics)
    assert_allclose(forecast, np.repeat(x[..., -1:], 7, axis=2), rtol=1e-9)


# --- spectra -------------------------------------------------------------------------------------


def test_snv_is_the_sample_z_score(rng):
    x = spectra(rng)
    assert_allclose(snv(x), scipy.stats.zscore(x, axis=1, ddof=1), atol=1e-12)


def test_snv_ignores_scatter(rng):
    x = spectra(rng)
    assert_allclose(snv(3 * x - 2), snv(x), atol=1e-12)


@pytest.mark.parametrize("own", [True, False])
def test_msc_undoes_the_line_fitted_by_least_squares(own, rng):
    x = spectra(rng)
    reference = spectra(rng, 1)[0] if own else None
    r = x.mean(axis=0) if reference is None else reference
    for ours, spectrum in zip(msc(x, reference), x, strict=True):
        slope, intercept = np.polyfit(r, spectrum, 1)
        assert_allclose(ours, (spectrum - intercept) / slope, atol=1e-10)


def test_msc_is_linear_in_snv(rng):
    """MSC(x) = mean(r) + s_r / ρ · SNV(x)  (Dhanoa et al. 1994)."""
    x = spectra(rng)
    r = x.mean(axis=0)
    rho = np.array([np.corrcoef(spectrum, r)[0, 1] for spectrum in x])
    assert_allclose(msc(x), r.mean() + (r.std(ddof=1) / rho)[:, None] * snv(x), atol=1e-12)


def test_msc_turns_scattered_copies_into_the_reference(rng):
    r = spectra(rng, 1)[0]
    x = np.array([[0.5], [2.0], [-1.0]]) * r + np.array([[3.0], [0.0], [1.0]])
    assert_allclose(msc(x, r), np.tile(r, (3, 1)), atol=1e-12)


def test_msc_depends_on_the_other_spectra_and_snv_does_not(rng):
    x = spectra(rng)
    other = x.copy()
    other[1:] = np.sort(x[1:], axis=1)
    assert np.abs(msc(other)[0] - msc(x)[0]).max() > 0.01
    assert_array_equal(snv(other)[0], snv(x)[0])


# --- speech --------------------------------------------------------------------------------------


def test_cmn_removes_the_microphone(rng):
    """A filter adds its own cepstrum to every frame; what remains is the same without it."""
    x, microphone = rng.standard_normal((2, 12, 40)), rng.standard_normal((2, 12, 1))
    assert_allclose(cmn(x), x - np.mean(x, axis=2, keepdims=True), atol=1e-13)
    assert_allclose(cmn(x + microphone), cmn(x), atol=1e-13)
    assert np.abs(cmn(2 * x) - cmn(x)).max() > 0.1


def test_cmvn_is_the_z_score_over_time(rng):
    x = 3 * rng.standard_normal((2, 12, 40)) + 1
    assert_allclose(cmvn(x), scipy.stats.zscore(x, axis=2, ddof=0), atol=1e-12)


@pytest.mark.parametrize("eps", [0.0, 1e-5, 0.5])
@pytest.mark.parametrize("padding", [0.0, 1e3, np.nan])
def test_cmn_and_cmvn_know_nothing_of_the_padding(eps, padding, rng):
    """Against PyTorch, one utterance at a time."""
    lengths = np.array([7, 29, 2, 12])
    x = 3 * rng.standard_normal((4, 5, 29)) + 1
    for utterance, length in zip(x, lengths, strict=True):
        utterance[:, length:] = padding
    kept = x.copy()
    y, centred = cmvn(x, lengths, eps=eps), cmn(x, lengths)
    assert_array_equal(x, kept)
    for n, length in enumerate(lengths):
        spoken = torch.from_numpy(x[n : n + 1, :, :length])
        assert_allclose(y[n, :, :length], F.instance_norm(spoken, eps=eps)[0], atol=1e-12)
        assert_allclose(centred[n, :, :length], (spoken - spoken.mean(2)[..., None])[0], atol=1e-12)
        assert_array_equal([y[n, :, length:], centred[n, :, length:]], 0)


def test_cmvn_of_full_lengths_is_that_without(rng):
    x = rng.standard_normal((3, 2, 9)).astype(np.float32)
    full = np.full(3, 9, np.uint8)
    assert_array_equal(cmn(x, full), cmn(x))
    for eps in (0, 1e-3):
        assert_array_equal(cmvn(x, full, eps=eps), cmvn(x, eps=eps))


@pytest.mark.parametrize("length", [2, 3, 10, 41])
def test_what_never_changes_gives_exactly_zero(length):
    """Three times 0.1 is not 0.3 to a computer: a mean alone would leave a residue."""
    flat = np.full((1, 1, length), 0.1)
    for y in (cmn(flat), cmvn(flat), snv(flat[0])):
        assert_array_equal(y, 0)


# --- dtypes and bad input ------------------------------------------------------------------------

FUNCTIONS = {
    "revin": lambda x: revin(x)[0],
    "revin_inverse": lambda x: revin_inverse(x, revin(x.astype(float))[1]),
    "snv": lambda x: snv(x[0]),
    "msc": lambda x: msc(x[0]),
    "cmn": cmn,
    "cmvn": cmvn,
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_is_kept_and_the_input_too(function, dtype, rng):
    x = spectra(rng)[None].astype(dtype)
    kept = x.copy()
    y = function(x)
    assert y.dtype == dtype
    assert_allclose(y, function(x.astype(float)), atol=4 * np.finfo(dtype).eps)
    assert_array_equal(x, kept)


X = np.arange(24.0).reshape(2, 3, 4)
STATISTICS = Statistics(np.zeros((2, 3)), np.ones((2, 3)))
RAMP = np.arange(4.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: revin(X[0]), ValueError, r"x must have shape \(N, C, L\).*got \(3, 4\)"),
        (
            lambda: revin(X[..., None]),
            ValueError,
            r"x must have shape \(N, C, L\).*got \(2, 3, 4, 1",
        ),
        (lambda: revin(X[..., :1]), ValueError, "holds 1 value"),
        (lambda: revin(X, np.ones(4)), ValueError, r"gamma must have shape \(3,\)"),
        (lambda: revin_inverse(X[0], STATISTICS), ValueError, "y must have shape"),
        (
            lambda: revin_inverse(X[:1], STATISTICS),
            ValueError,
            r"statistics.mean must have shape \(1, 3\), .*; got \(2, 3\)",
        ),
        (
            lambda: revin_inverse(X, Statistics(np.zeros((2, 3)), np.ones(3))),
            ValueError,
            r"statistics.var must have shape \(2, 3\), .*; got \(3,\)",
        ),
        (
            lambda: revin_inverse(X, STATISTICS, np.array([1.0, 0.0, 2.0])),
            ValueError,
            "gamma must not hold a 0",
        ),
        (
            lambda: revin_inverse(X, STATISTICS, None, np.ones(2)),
            ValueError,
            "beta must have shape",
        ),
        (lambda: revin_inverse(X, STATISTICS, eps=-1), ValueError, "eps must be finite"),
        (lambda: snv(X), ValueError, r"x must have shape \(B, M\).*got \(2, 3, 4\)"),
        (lambda: snv(X[0, :, :1]), ValueError, r"M of at least 2; got \(3, 1\)"),
        (lambda: snv(X[0].astype(int)), TypeError, "x must hold floating-point"),
        (lambda: msc(X[0], RAMP[:3]), ValueError, r"reference must have shape \(4,\).*got \(3,\)"),
        (lambda: msc(X[0, :, :3], np.full(3, 0.1)), ValueError, "reference must not be constant"),
        (lambda: msc(np.full((2, 3), 0.1), RAMP[:3]), ValueError, "x must hold spectra that vary"),
        (lambda: msc(X[0], [0, 1, 2, 3]), TypeError, "reference must be a .* got list"),
        (lambda: cmn(X[0]), ValueError, "x must have shape"),
        (lambda: cmn(X[..., :1]), ValueError, "holds 1 value"),
        (lambda: cmvn(X[..., None]), ValueError, "x must have shape"),
        (lambda: cmvn(X[..., :1]), ValueError, "holds 1 value"),
        (lambda: cmvn(X, eps=-1), ValueError, "eps must be finite and not negative"),
        (lambda: cmvn(X, [3]), TypeError, "lengths must be an array of whole numbers; got list"),
        (lambda: cmvn(X, np.array([3.0])), TypeError, "whole numbers; got float64"),
        (lambda: cmvn(X, np.full((len(X), 1), 2)), ValueError, "lengths must have shape"),
        (lambda: cmvn(X, np.full(len(X), 1)), ValueError, "lengths must lie between 2 and T"),
        (lambda: cmvn(X, np.full(len(X), 99)), ValueError, "got 99 to 99"),
        (lambda: cmn(X, np.array([3.0])), TypeError, "whole numbers; got float64"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
