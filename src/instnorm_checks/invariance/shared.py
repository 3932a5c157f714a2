"""What the exercises share."""

import numpy as np

from ..cases import shuffled

PUZZLE = np.array([1.0, 3.0, 4.0, 6.0, 8.0, 14.0])
EVEN = np.array([1.0, 1.0, 5.0, 5.0])  # mean 3, deviations -2 and 2: x̂ is -1 and 1
TWO = np.array([1.0, 3.0])
FLAT = np.full(4, 7.0)


def planes(rng, count, m):
    """`count` planes (count, m), each with its own brightness and contrast."""
    level, spread = rng.uniform(-0.5, 0.5, (count, 1)), rng.uniform(0.5, 2, (count, 1))
    return level + spread * shuffled(rng, (count, 1, 1, m))[:, 0, 0]


def one_plane(rng):
    return planes(rng, 1, some_length(rng))[0]


def some_length(rng):
    return int(rng.integers(6, 10))


def pairs(rng, count):
    """Planes (count, 2): a power of two apart, and so few digits that no operation has to round."""
    level = rng.integers(-(2**16), 2**16, (count, 1)) / 2**14
    step = 2.0 ** rng.permutation(np.arange(-1, 4))[:count, None]
    return level + step * np.array([0.0, 1.0])


def eps_beside(rng, x):
    """An eps within a factor of ten of the variance of a plane of x."""
    return float(x.reshape(-1, x.shape[-1])[0].var() * 10 ** rng.uniform(-1, 1))
