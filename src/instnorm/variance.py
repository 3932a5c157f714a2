"""Four ways to a mean and a variance, for comparison.

Each takes (R, M), a floating array of R rows, and returns the mean and the biased variance of each
row, both (R,). Each calculates in the dtype of `x` alone, float16 included, so that its own
rounding shows. TypeError unless `x` is floating, ValueError unless it has that shape and M >= 1.

The kernel of this package (`instnorm.rows`) is the last of them, with sums in float32 at least.
`benchmarks.stability` puts numbers on the difference.
"""

from .arguments import check_floating


def one_pass(x):
    """E[x²] - E[x]²: one look at the data, and two large numbers that cancel.

    With a mean of μ and a standard deviation of σ the difference keeps a relative error of about
    (μ/σ)² times that of its terms. It can even be negative.
    """
    _check(x)
    mean = _mean(x)
    return mean, _mean(x * x) - mean * mean


def two_pass(x):
    """First the mean, then the mean of the squared deviations from it.

    Nothing cancels among the squares; what remains is the error of the mean itself, some rounding
    errors of a number as large as μ. Source: Chan, Golub and LeVeque 1983.
    """
    _check(x)
    mean = _mean(x)
    centred = x - mean[:, None]
    return mean, _mean(centred * centred)


def welford(x):
    """Values arrive one at a time, and each corrects the mean and the sum of squares so far.

    One pass without the cancellation, for a stream that can't be seen twice, but a division at
    every step. Source: Welford 1962.
    """
    _check(x)
    mean, squares = x[:, 0].copy(), x[:, 0] * 0
    for count, value in enumerate(x.T[1:], start=2):
        step = value - mean
        mean += step / x.dtype.type(count)
        squares += step * (value - mean)
    return mean, squares / x.dtype.type(x.shape[1])


def shifted_two_pass(x):
    """Two passes over the data less its first value.

    Numbers near each other subtract without error, so what is left is data whose mean is no larger
    than its spread, and the two passes have nothing to lose. The variance of constant data is
    exactly 0. Source: Chan, Golub and LeVeque 1983, who shift in this way.
    """
    _check(x)
    first = x[:, 0]
    mean, var = two_pass(x - first[:, None])
    return first + mean, var


def _check(x):
    check_floating("x", x)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"x must have shape (R, M) with M at least 1; got {x.shape}")


def _mean(x):
    return x.sum(1, dtype=x.dtype) / x.dtype.type(x.shape[1])
