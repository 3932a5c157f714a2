"""The stand-in for other array libraries."""

import re

import array_api_strict
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instnorm_lab.standard_arrays import standard_only


def instance_norm(x):
    xp = x.__array_namespace__()
    centred = x - xp.mean(x, axis=(2, 3), keepdims=True)
    return centred / xp.sqrt(xp.mean(centred**2, axis=(2, 3), keepdims=True) + 1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_code_for_the_standard_runs(dtype, rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype(dtype)
    y = standard_only(instance_norm)(x)
    assert type(y) is np.ndarray
    assert y.dtype == dtype
    mean, var = x.mean((2, 3), keepdims=True), x.var((2, 3), keepdims=True)
    assert_allclose(y, (x - mean) / np.sqrt(var + 1e-5), rtol=1e-4, atol=1e-5)
    assert_array_equal(y, standard_only(standard_only(instance_norm))(x))


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (lambda x, xp: x.mean((2, 3)), AttributeError, "no x.mean; write xp.mean(x, ...)"),
        (lambda x, xp: x.reshape(-1), AttributeError, "no x.reshape; write xp.reshape(x, ...)"),
        (lambda x, xp: x.ravel(), AttributeError, "no x.ravel; look for a function of xp"),
        (lambda x, xp: xp.einsum("nchw->nc", x), AttributeError, "has no xp.einsum"),
        (lambda x, xp: xp.mean(x, (2, 3)), TypeError, "takes 1 positional argument"),
        (lambda x, xp: xp.var(x, ddof=1), TypeError, "unexpected keyword argument 'ddof'"),
        (lambda x, xp: xp.sqrt(2.0), TypeError, "Only Array objects are allowed; got"),
        (lambda x, xp: xp.mean(xp.astype(x, xp.int64)), TypeError, "Only floating-point dtypes"),
        (lambda x, xp: xp.astype(x, xp.int64) + x, TypeError, "int64 and"),
        (lambda x, xp: xp.astype(x, xp.int64) + 0.5, TypeError, "only be promoted with floating"),
        (lambda x, xp: np.mean(x), TypeError, "NumPy can't have this array"),
        (lambda x, xp: np.sqrt(x), TypeError, "NumPy can't have this array"),
        (lambda x, xp: np.asarray(x), TypeError, "NumPy can't have this array"),
        (lambda x, xp: x + np.float64(1), TypeError, "Expected Array or Python scalar"),
        (lambda x, xp: np.ones(5) * x, TypeError, "NumPy can't have this array"),
        (lambda x, xp: xp.sum(np.ones(5)), UserWarning, "dtype against a NumPy native"),
        (lambda x, xp: x[[0, 1]], IndexError, "only integers, slices (:), ellipsis"),
    ],
)
def test_what_only_numpy_can_do_is_refused(code, error, says, rng):
    x = rng.standard_normal((2, 3, 4, 5))
    with pytest.raises(error, match=re.escape(says)):
        standard_only(lambda x: code(x, x.__array_namespace__()))(x)


def test_operators_and_indices_are_numpys(rng):
    x = rng.standard_normal((3, 4))

    def code(x):
        y = 2 * x[:, None, 1:] - x[0, 1:] / 3
        y[..., 0] = 7.0
        y += 1
        return -abs(y)

    expected = 2 * x[:, None, 1:] - x[0, 1:] / 3
    expected[..., 0] = 7
    assert_array_equal(standard_only(code)(x), -abs(expected + 1))


def test_changes_are_seen_outside(rng):
    def code(x):
        x *= 2

    x = rng.standard_normal(4)
    before = x.copy()
    standard_only(code)(x)
    assert_array_equal(x, 2 * before)


def test_afterwards_numpy_can_have_the_arrays_again():
    with pytest.raises(AttributeError):
        standard_only(lambda x: x.ravel())(np.ones(2))
    assert_array_equal(array_api_strict.asarray(1.0), 1)
