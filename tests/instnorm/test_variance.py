"""The textbook methods against double precision, and the digits that each of them loses."""

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from instnorm.variance import merge_moments, one_pass, shifted_two_pass, two_pass, welford

METHODS = [one_pass, two_pass, welford, shifted_two_pass]
methods = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)


def error_of_variance(method, mean, dtype, rng):
    """The largest relative error over some rows of 1000 values."""
    x = (rng.standard_normal((8, 1000)) + mean).astype(dtype)
    exact = x.astype(np.float64).var(1)
    with np.errstate(over="ignore", invalid="ignore"):
        _, var = method(x)
    return np.abs(var.astype(np.float64) / exact - 1).max()


@methods
@pytest.mark.parametrize(
    ("dtype", "digits"),
    [(np.float16, 2e-2), (ml_dtypes.bfloat16, 0.3), (np.float32, 1e-5), (np.float64, 1e-13)],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_agrees_with_double_precision(method, dtype, digits, rng):
    x = rng.uniform(1, 3, (4, 20)).astype(dtype)
    before = x.copy()
    mean, var = method(x)
    assert mean.dtype == var.dtype == x.dtype
    assert mean.shape == var.shape == (4,)
    assert_allclose(mean.astype(np.float64), x.astype(np.float64).mean(1), rtol=digits)
    assert_allclose(var.astype(np.float64), x.astype(np.float64).var(1), rtol=digits)
    assert_array_equal(x, before)


@methods
def test_one_value(method):
    mean, var = method(np.array([[3.0]]))
    assert_array_equal(mean, [3])
    assert_array_equal(var, [0])


def test_a_mean_of_10000_ruins_one_pass_and_no_other(rng):
    assert error_of_variance(one_pass, 1e4, np.float32, rng) > 1
    assert error_of_variance(welford, 1e4, np.float32, rng) < 2e-2
    assert error_of_variance(two_pass, 1e4, np.float32, rng) < 1e-4
    assert error_of_variance(shifted_two_pass, 1e4, np.float32, rng) < 1e-5


def test_the_variance_of_one_pass_can_be_negative(rng):
    _, var = one_pass((rng.standard_normal((100, 1000)) + 1e5).astype(np.float32))
    assert (var < 0).any()


@pytest.mark.parametrize("method", [welford, shifted_two_pass])
@pytest.mark.parametrize("value", [0.1, 1e4 / 3, 1e30])
def test_constant_rows_have_no_variance(method, value):
    mean, var = method(np.full((2, 999), value, np.float32))
    assert_array_equal(mean, np.float32(value))
    assert_array_equal(var, 0)


@methods
def test_bad_input_is_named(method):
    with pytest.raises(TypeError, match="x must hold floating-point"):
        method(np.ones((2, 3), int))
    with pytest.raises(ValueError, match=r"x must have shape \(R, M\).*got \(3,\)"):
        method(np.ones(3))
    with pytest.raises(ValueError, match=r"M at least 1; got \(3, 0\)"):
        method(np.ones((3, 0)))


def merged(x, cuts):
    """Moments of x (R, M), which is cut into blocks before the columns `cuts`."""
    count, mean, squares = 0, np.zeros(len(x), x.dtype), np.zeros(len(x), x.dtype)
    for block in np.split(x, cuts, axis=1):
        mean, squares = merge_moments(mean, squares, count, block)
        count += block.shape[1]
    return mean, squares / count


@pytest.mark.parametrize("cuts", [[], [1], [500], [1, 2, 3, 900], range(1, 1000)])
def test_blocks_of_any_size_merge_to_the_moments_of_the_whole(cuts, rng):
    x = rng.standard_normal((4, 1000)) * [[1], [2], [3], [4]] + [[0], [9], [-5], [1e6]]
    mean, var = merged(x, cuts)
    assert_allclose(mean, x.mean(1), rtol=1e-12, atol=1e-14)
    assert_allclose(var, x.var(1), rtol=1e-8)


def test_a_mean_of_10000_leaves_merged_blocks_their_digits(rng):
    x = (rng.standard_normal((8, 4096)) + 1e4).astype(np.float32)
    mean, var = merged(x, range(64, 4096, 64))
    assert mean.dtype == var.dtype == np.float32
    assert_allclose(var, x.astype(np.float64).var(1), rtol=1e-3)


def test_merging_refuses_bad_input():
    good = {"count": 2, "mean": np.zeros(3), "squares": np.zeros(3), "block": np.ones((3, 4))}
    merge_moments(**good)
    for change, error, message in [
        ({"block": np.ones((3, 4), int)}, TypeError, "block must hold floating-point"),
        ({"block": np.ones((3, 0))}, ValueError, r"block must have shape \(R, B\).*got \(3, 0\)"),
        ({"mean": np.zeros(4)}, ValueError, r"mean must have shape \(3,\); got \(4,\)"),
        ({"squares": [0.0]}, TypeError, "squares must be .* array; got list"),
    ]:
        with pytest.raises(error, match=message):
            merge_moments(**{**good, **change})
