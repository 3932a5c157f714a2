"""What the exercises share."""

import numpy as np

# A spectrum, or one variable of a series, is a plane with a single row.


def in_rows(make, rng, shape):
    """A picture of one-row planes as an array (N, C, L)."""
    n, c, length = shape
    return make(rng, (n, c, 1, length))[:, :, 0]


def some_sizes(rng):
    """(N, C, L), all different, so that no axis can be taken for another."""
    return tuple(int(size) for size in rng.choice(np.arange(3, 9), 3, replace=False))
