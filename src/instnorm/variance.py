"""Four ways to a mean and a variance, for comparison.

Each takes (R, M), a floating array of R rows, and returns the mean and the biased variance of each
row, both (R,). Each calculates in the dtype of `x` alone, float16 included, so that its own
rounding shows. TypeError unless `x` is floating, ValueError unless it has that shape and M >= 1.

How much the four differ, and how near the kernels of this package come, is measured by
benchmarks/stability.py.
"""

from .arguments import check_floating
from .arrays import Array

__all__ = [
    "merge_moments",
    "one_pass",
    "shifted_two_pass",
    "two_pass",
    "welford",
]


def one_pass(x: Array) -> tuple[Array, Array]:
    """E[x²] - E[x]²: one pass over the data, and two large numbers that cancel.

    With a mean of μ and a standard deviation of σ the difference keeps a relative error of about
    (μ/σ)² times that of its terms. It can even be negative.
    """
    _check(x)
    mean = _mean(x)
    return mean, _mean(x * x) - mean * mean


def two_pass(x: Array) -> tuple[Array, Array]:
    """First the mean, then the mean of the squared deviations from it.

    Nothing cancels among the squares; what remains is the error of the mean itself, some rounding
    errors of a number as large as μ. Source: Chan, Golub and LeVeque 1983.
    """
    _check(x)
    mean = _mean(x)
    centred = x - mean[:, None]
    return mean, _mean(centred * centred)


def welford(x: Array) -> tuple[Array, Array]:
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


def shifted_two_pass(x: Array) -> tuple[Array, Array]:
    """Two passes over the data less its first value.

    Numbers near each other subtract without error, so what is left is data whose mean is no larger
    than its spread, and the two passes have nothing to lose. The variance of constant data is
    exactly 0. Source: Chan, Golub and LeVeque 1983, who shift in this way.
    """
    _check(x)
    first = x[:, 0]
    mean, var = two_pass(x - first[:, None])
    return first + mean, var


def merge_moments(mean: Array, squares: Array, count: int, block: Array) -> tuple[Array, Array]:
    """The moments of values in blocks, of which each is seen once.

    Of a part, the mean and the sum of the squared deviations from that mean say all that is needed:
    the squares of the whole are those within its parts plus those between their means::

        S = S₁ + S₂ + (mean₂ - mean₁)² · n₁ n₂ / (n₁ + n₂)

    No square of an uncentred number is ever summed. Source: Chan, Golub and LeVeque 1983.

    Parameters
    ----------
    mean, squares : (R,) float arrays
        The mean and the sum of squared deviations of the values that came before.
    count : int, how many values of each row those were; 0 is allowed
    block : (R, B) float array, the next B >= 1 values of each row

    Returns
    -------
    mean, squares : (R,) arrays
        Of all count + B values. The biased variance is squares / (count + B).

    Raises
    ------
    TypeError
        If an array is not a floating-point array.
    ValueError
        If a shape does not fit.
    """
    check_floating("block", block)
    if block.ndim != 2 or not block.shape[1]:
        raise ValueError(f"block must have shape (R, B) with B at least 1; got {block.shape}")
    for name, array in (("mean", mean), ("squares", squares)):
        check_floating(name, array)
        if array.shape != block.shape[:1]:
            raise ValueError(f"{name} must have shape {block.shape[:1]}; got {array.shape}")
    size = block.shape[1]
    its_mean, its_var = shifted_two_pass(block)
    apart = its_mean - mean
    between = apart * apart * (count * size / (count + size))
    return mean + apart * (size / (count + size)), squares + its_var * size + between


def _check(x):
    check_floating("x", x)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"x must have shape (R, M) with M at least 1; got {x.shape}")


def _mean(x):
    return x.sum(1, dtype=x.dtype) / x.dtype.type(x.shape[1])
