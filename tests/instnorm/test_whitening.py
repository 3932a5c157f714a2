"""Whitening and colouring against SciPy's matrix roots, what defines each method, and its ties."""

import numpy as np
import pytest
import scipy.linalg
from numpy.testing import assert_allclose

from instnorm import instance_norm
from instnorm.style import adain
from instnorm.whitening import METHODS, colour, wct, whiten, whitening_matrix

methods = pytest.mark.parametrize("method", METHODS)
each_eps = pytest.mark.parametrize("eps", [0.0, 0.5])


def correlated(rng, channels=4, positions=60):
    """(C, M) with means, unequal variances and correlations."""
    mix = rng.standard_normal((channels, channels)) + 2 * np.eye(channels)
    x = mix @ rng.standard_normal((channels, positions))
    return np.arange(1.0, channels + 1)[:, None] * x + rng.standard_normal((channels, 1))


def uncorrelated(rng, channels=4, positions=60):
    """(C, M) whose covariance is exactly diagonal: orthogonal rows, orthogonal to 1."""
    columns = np.column_stack([np.ones(positions), rng.standard_normal((positions, channels))])
    rows = np.linalg.qr(columns)[0][:, 1:].T
    return 5 * np.arange(1.0, channels + 1)[:, None] * rows + rng.standard_normal((channels, 1))


def centred(x):
    return x - x.mean(axis=1, keepdims=True)


def root_inverse(matrix):
    return np.linalg.inv(scipy.linalg.sqrtm(matrix))


# --- what every method does ----------------------------------------------------------------------


@methods
def test_white_data_has_the_identity_for_covariance(method, rng):
    x = correlated(rng)
    z, w = whiten(x, method)
    assert_allclose(np.cov(z, bias=True), np.eye(4), atol=1e-10)
    assert_allclose(z.mean(axis=1), 0, atol=1e-12)
    assert_allclose(z, w @ centred(x), atol=1e-12)


@methods
@each_eps
def test_w_is_a_root_of_the_inverse_covariance(method, eps, rng):
    x = correlated(rng)
    _, w = whiten(x, method, eps=eps)
    covariance = np.cov(x, bias=True) + eps * np.eye(4)
    assert_allclose(w.T @ w, np.linalg.inv(covariance), atol=1e-10)
    assert_allclose(w, whitening_matrix(covariance, method), atol=1e-10)


@methods
def test_with_eps_there_may_be_more_channels_than_positions(method, rng):
    x = rng.standard_normal((6, 4))
    z, w = whiten(x, method, eps=0.1)
    covariance = np.cov(x, bias=True) + 0.1 * np.eye(6)
    assert_allclose(w @ covariance @ w.T, np.eye(6), atol=1e-10)
    assert_allclose(z, w @ centred(x), atol=1e-12)


@methods
def test_the_dtype_is_kept(method, rng):
    x = correlated(rng).astype(np.float32)
    z, w = whiten(x, method)
    assert (z.dtype, w.dtype) == (np.float32, np.float64)
    assert_allclose(z, whiten(x.astype(float), method)[0], atol=1e-6)


# --- what is each method's own -------------------------------------------------------------------


@each_eps
def test_zca_is_the_symmetric_root(eps, rng):
    x = correlated(rng)
    _, w = whiten(x, "zca", eps=eps)
    assert_allclose(w, w.T, atol=1e-12)
    assert_allclose(w, root_inverse(np.cov(x, bias=True) + eps * np.eye(4)), atol=1e-10)


def test_zca_stays_closest_to_the_data(rng):
    """No rotation of white data is nearer: the best one, by Procrustes, is none at all."""
    x = correlated(rng)
    z, _ = whiten(x, "zca")
    rotation, _ = scipy.linalg.orthogonal_procrustes(z.T, centred(x).T)
    assert_allclose(rotation, np.eye(4), atol=1e-10)


def test_zca_cor_stays_most_correlated_with_the_data(rng):
    x = correlated(rng)
    z, _ = whiten(x, "zca-cor")
    rotation, _ = scipy.linalg.orthogonal_procrustes(z.T, instance_norm(x[None], eps=0)[0].T)
    assert_allclose(rotation, np.eye(4), atol=1e-10)


@pytest.mark.parametrize(("method", "first"), [("pca", np.cov), ("pca-cor", np.corrcoef)])
def test_pca_orders_by_the_variance_explained(method, first, rng):
    """Σ_i cov(x_i, z_k)² is the k-th eigenvalue; after 'cor', with correlations for covariances."""
    x = correlated(rng)
    z, _ = whiten(x, method)
    kwargs = {"bias": True} if first is np.cov else {}
    between = first(z, x, **kwargs)[:4, 4:]
    eigenvalues = np.linalg.eigvalsh(first(x, **kwargs))[::-1]
    assert_allclose((between**2).sum(axis=1), eigenvalues, rtol=1e-9)
    assert (np.diag(between) > 0).all(), "signs are chosen so that z_k goes with x_k"


def test_cholesky_is_upper_triangular(rng):
    _, w = whiten(correlated(rng), "cholesky")
    assert_allclose(w, np.triu(w), atol=1e-12)
    assert (np.diag(w) > 0).all()


# --- instance norm's place -----------------------------------------------------------------------


def test_zca_cor_is_instance_norm_and_then_the_root_of_the_correlations(rng):
    x = correlated(rng)
    z, _ = whiten(x, "zca-cor")
    expected = root_inverse(np.corrcoef(x)) @ instance_norm(x[None], eps=0)[0]
    assert_allclose(z, expected, atol=1e-10)


def test_with_eps_too(rng):
    x = correlated(rng)
    covariance = np.cov(x, bias=True) + 0.5 * np.eye(4)
    scale = np.sqrt(np.diag(covariance))
    z, _ = whiten(x, "zca-cor", eps=0.5)
    expected = (
        root_inverse(covariance / np.outer(scale, scale)) @ instance_norm(x[None], eps=0.5)[0]
    )
    assert_allclose(z, expected, atol=1e-10)


@each_eps
@pytest.mark.parametrize("method", ["zca", "cholesky", "zca-cor"])
def test_without_correlations_whitening_is_instance_norm(method, eps, rng):
    x = uncorrelated(rng)
    z, _ = whiten(x, method, eps=eps)
    assert_allclose(z, instance_norm(x[None], eps=eps)[0], atol=1e-10)


def test_the_cor_methods_do_not_see_units(rng):
    x = correlated(rng)
    units = np.array([1e-9, 1.0, 30.0, 1e9])[:, None]
    for method in ("zca-cor", "pca-cor"):
        assert_allclose(whiten(units * x, method)[0], whiten(x, method)[0], atol=1e-8)
    assert np.abs(whiten(units[1:3] * x[1:3])[0] - whiten(x[1:3])[0]).max() > 0.1


# --- colouring -----------------------------------------------------------------------------------


@each_eps
def test_colour_is_the_way_back(eps, rng):
    x = correlated(rng)
    z, _ = whiten(x, eps=eps)
    covariance = np.cov(x, bias=True) + eps * np.eye(4)
    assert_allclose(colour(z, covariance, x.mean(axis=1)), x, atol=1e-10)


def test_coloured_data_has_the_covariance_and_mean_asked_for(rng):
    z, _ = whiten(correlated(rng))
    covariance, mean = np.cov(correlated(rng), bias=True), rng.standard_normal(4)
    y = colour(z, covariance, mean)
    assert_allclose(np.cov(y, bias=True), covariance, atol=1e-9)
    assert_allclose(y.mean(axis=1), mean, atol=1e-12)
    assert_allclose(colour(z, covariance), y - mean[:, None], atol=1e-10)


def test_the_colour_may_be_singular(rng):
    z, _ = whiten(correlated(rng))
    direction = rng.standard_normal(4)
    covariance = np.outer(direction, direction)
    assert_allclose(np.cov(colour(z, covariance), bias=True), covariance, atol=1e-7)


# --- the transform of Li et al. ------------------------------------------------------------------


@each_eps
def test_wct_is_its_definition(eps, rng):
    content, style = (np.stack([correlated(rng, positions=m) for _ in range(3)]) for m in (60, 35))
    y = wct(content.reshape(3, 4, 6, 10), style, eps=eps)
    for n in range(3):
        c, s = (np.cov(a[n], bias=True) + eps * np.eye(4) for a in (content, style))
        expected = scipy.linalg.sqrtm(s) @ root_inverse(c) @ centred(content[n])
        expected += style[n].mean(axis=1, keepdims=True)
        assert_allclose(y[n].reshape(4, -1), expected, atol=1e-9)


@each_eps
def test_adain_is_wct_without_correlations(eps, rng):
    content, style = (np.stack([uncorrelated(rng) for _ in range(2)]) for _ in range(2))
    assert_allclose(wct(content, style, eps=eps), adain(content, style, eps=eps), atol=1e-10)
    mixed = np.stack([correlated(rng) for _ in range(2)])
    assert np.abs(wct(mixed, style) - adain(mixed, style)).max() > 0.1


def test_wct_with_its_own_style_changes_nothing(rng):
    x = rng.standard_normal((2, 6, 2, 2)) + 3
    assert_allclose(wct(x, x, eps=1e-3), x, atol=1e-10)


# --- empty and bad input -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3, 4, 5), (2, 0, 4, 5)], ids=str)
def test_no_images_or_no_channels_give_an_empty_array(shape):
    assert wct(np.empty(shape), np.empty(shape)).shape == shape


def with_a_constant_channel():
    x = np.random.default_rng(0).standard_normal((3, 20))
    x[1] = 0.1
    return x


EYE = np.eye(3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: whiten(np.ones((2, 3, 4))),
            ValueError,
            r"x must have shape \(C, M\).*\(2, 3, 4\)",
        ),
        (lambda: whiten(np.ones((3, 1))), ValueError, r"M of at least 2; got \(3, 1\)"),
        (lambda: whiten(np.ones((3, 4), int)), TypeError, "x must hold floating-point"),
        (lambda: whiten(EYE, "zca", eps=-1), ValueError, "eps must be finite and not negative"),
        (lambda: whiten(EYE, "svd", eps=1), ValueError, "method must be one of zca, .*; got 'svd'"),
        (lambda: whiten(EYE), ValueError, "has rank 2 for 3 channels.* add a .* eps"),
        (lambda: whiten(with_a_constant_channel()), ValueError, "has rank 2 for 3 channels"),
        (
            lambda: whiten(with_a_constant_channel(), "zca-cor"),
            ValueError,
            "has rank 2 for 3 channels",
        ),
        (lambda: whiten(np.full((2, 3), np.nan)), ValueError, "covariance must be finite"),
        (lambda: whitening_matrix(EYE[:2]), ValueError, r"shape \(C, C\); got \(2, 3\)"),
        (lambda: whitening_matrix(np.triu(EYE + 1)), ValueError, "covariance must be symmetric"),
        (lambda: whitening_matrix(-EYE), ValueError, "has rank 0 for 3 channels"),
        (lambda: colour(EYE, -EYE), ValueError, "positive semidefinite; got an eigenvalue of -1"),
        (
            lambda: colour(EYE[:2], EYE),
            ValueError,
            r"covariance must have shape \(2, 2\).*\(3, 3\)",
        ),
        (lambda: colour(EYE, EYE, np.ones(2)), ValueError, r"mean must have shape \(3,\).*\(2,\)"),
        (lambda: colour(EYE[0], EYE), ValueError, r"z must have shape \(C, M\).*got \(3,\)"),
        (
            lambda: wct(np.ones((1, 3, 5)), np.ones((1, 2, 5))),
            ValueError,
            "style must hold as many",
        ),
        (
            lambda: wct(np.ones((1, 3, 1)), np.ones((1, 3, 5))),
            ValueError,
            "content must have shape",
        ),
        (lambda: wct(np.ones((1, 3, 5)), np.ones((1, 3, 1))), ValueError, "style must have shape"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("size", [1e-160, 1e160])
@pytest.mark.parametrize("method", ["zca", "pca", "cholesky", "zca-cor", "pca-cor"])
def test_whitening_knows_no_size(size, method, rng):
    x = rng.standard_normal((3, 40))
    z, w = whiten(x, method)
    small, matrix = whiten(size * x, method)
    assert_allclose(small, z, atol=1e-10)
    assert_allclose(matrix * size, w, rtol=1e-9, atol=1e-9)
