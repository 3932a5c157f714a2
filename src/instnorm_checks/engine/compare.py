"""When two answers agree.

The tolerance. All right answers are computed in float64, u = 2**-53 = 1.1e-16. A two-pass mean and
variance of m values, summed in any order, puts an error of at most about m·u·(|mean| / std) on the
standardised values (Higham, Accuracy and Stability of Numerical Algorithms, section 1.9). The
largest such product among our cases has m = 42 and |mean| / std = 2e6: 9e-9. With TOLERANCE = 1e-7
every honest program passes with a factor of ten in hand, while the mildest wrong one we know
differs by 1e-6 or more.
"""

import numpy as np

TOLERANCE = 1e-7


def close(theirs, expected):
    """Elementwise; two NaNs agree."""
    return np.isclose(theirs, expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


def agree(theirs, expected):
    """True if both are arrays of one shape whose values agree."""
    return (
        isinstance(theirs, np.ndarray)
        and isinstance(expected, np.ndarray)
        and theirs.shape == expected.shape
        and bool(close(theirs, expected).all())
    )


def first_disagreement(theirs, expected):
    """Index of the first value that differs, in reading order; the shapes are equal."""
    return tuple(int(i) for i in np.argwhere(~close(theirs, expected))[0])
