"""When two answers agree.

The tolerance. All right answers are computed in float64, u = 2**-53 = 1.1e-16. A two-pass mean and
variance of m values, summed in any order, puts an error of at most about m·u·(|mean| / std) on the
standardised values (Higham, Accuracy and Stability of Numerical Algorithms, section 1.9). The
largest such product among our cases has m = 42 and |mean| / std = 2e6: 9e-9. With TOLERANCE = 1e-7
every honest program passes with a factor of ten in hand, while the mildest wrong one we know
differs by 1e-6 or more. An aspect may set a narrower one, where its cases allow that.

Single precision. Rounding in float32 is of the size of this tolerance: what passed and what did not
would hang on the numbers of a case. So an array that holds nothing but float32 numbers is judged by
what float32 can give, and the aspect "array", which asks for float64, is where it loses. It is lost
wherever float32 gives no right answer: where a mean is a million times the spread.
"""

import numpy as np

TOLERANCE = 1e-7
# Of an array of float32 numbers: next to its largest value, and absolutely. What remains of a flat
# plane needs most of it, the other cases a tenth; and those with a large offset, where nothing in
# float32 is right, more than all of it.
SINGLE, SINGLE_AT_LEAST = 1e-4, 5e-4
# For answers that round their arguments to float32, and then compute with more: off by 1e-7 or so,
# they lose "array" and nothing else.
FAIR = 1e-6
# What double precision reaches in cases without a large offset, and single precision does not.
DOUBLE = 1e-9


def close(theirs, expected, tolerance=TOLERANCE):
    """Elementwise; two NaNs agree."""
    return np.isclose(theirs, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def agree(theirs, expected, tolerance=TOLERANCE):
    """True if both are arrays of one shape whose values agree."""
    return (
        isinstance(theirs, np.ndarray)
        and isinstance(expected, np.ndarray)
        and theirs.shape == expected.shape
        and bool(close(theirs, expected, tolerance).all() or agree_in_single(theirs, expected))
    )


def is_single(array):
    """Whether all values are float32 numbers, whatever the dtype."""
    with np.errstate(all="ignore"):
        return bool(np.isfinite(array).all() and (array == array.astype(np.float32)).all())


def agree_in_single(theirs, expected):
    """Whether an array of the same shape is in single precision, and as right as that allows."""
    if not (theirs.size and is_single(theirs) and np.isfinite(expected).all()):
        return False
    allowed = SINGLE_AT_LEAST + SINGLE * np.abs(expected).max()
    return bool(np.abs(theirs - expected).max() <= allowed)


def has_digits(theirs, expected):
    """Whether an array that agrees has more digits than single precision, or needs no more."""
    if expected.dtype != np.float64 or not is_single(theirs):
        return True
    return bool(close(theirs, expected, DOUBLE).all())


def first_disagreement(theirs, expected, tolerance=TOLERANCE):
    """Index of the first value that differs, in reading order; the shapes are equal."""
    return tuple(int(i) for i in np.argwhere(~close(theirs, expected, tolerance))[0])
