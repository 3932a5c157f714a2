"""The pictures that several exercises use.

They make each aspect sensitive to one idea only, so that one mistake costs one aspect wherever the
mathematics allows it:

- Values are camera counts whose spread is in the thousands. There sqrt(var + 1e-5) and
  sqrt(var) + 1e-5 differ by 1e-8 at most, and eps cannot be seen. Only faint pictures show it.
- Planes have statistics of their own in `counts` alone. In the other pictures all planes hold the
  same values in another order, so that pooling them changes nothing.
"""

import numpy as np


def some_shape(rng):
    """(N, C, H, W), all different, so that no axis can be taken for another."""
    return tuple(int(size) for size in rng.choice(np.arange(2, 8), 4, replace=False))


def counts(rng, shape):
    """A picture in camera counts: each plane has its own brightness and its own contrast."""
    planes = (*shape[:2], 1, 1)
    level, spread = rng.uniform(8e3, 3e4, planes), rng.uniform(2e3, 6e3, planes)
    return level + spread * rng.standard_normal(shape)


def shuffled(rng, shape):
    """A picture whose planes all hold the same values, mean 0 and variance 1, in another order."""
    values = rng.standard_normal(shape[2] * shape[3])
    values = (values - values.mean()) / values.std()
    return rng.permuted(np.broadcast_to(values, (*shape[:2], values.size)), axis=-1).reshape(shape)


def bright(rng, shape):
    """Shuffled planes in camera counts."""
    return rng.uniform(8e3, 3e4) + rng.uniform(2e3, 6e3) * shuffled(rng, shape)


def lifted(rng, shape):
    """Shuffled planes whose mean is a million times their spread."""
    spread = rng.uniform(2e3, 6e3)
    return spread * (rng.uniform(1e6, 2e6) + shuffled(rng, shape))


# Public pictures are small enough to be followed by hand.
PLANE = np.array([[1000.0, 3000.0, 4000.0], [6000.0, 8000.0, 14000.0]])


TURNED = np.array([[6000.0, 1000.0, 14000.0], [3000.0, 8000.0, 4000.0]])


PAIR = np.stack([PLANE, TURNED])[None]  # (1, 2, 2, 3)


FAINT = 5e-6 * PAIR


FLAT = np.full((1, 1, 2, 3), 7.0)


BATCH = np.random.default_rng(1).integers(0, 65536, (2, 3, 2, 4)).astype(float)


def a_digit(rng):
    """Of a flat picture: small, and few digits, so that in any precision little remains of it."""
    return float(rng.integers(8, 32)) / 32


def some_level(rng):
    """A mean, in units of the spread: it shows where it is not subtracted, and costs few digits."""
    return rng.choice([-1, 1]) * rng.uniform(5, 15)


def faint_pictures(rng):
    """Variances within a factor of ten of eps, and a plane with no contrast at all."""
    for _ in range(2):
        eps = 10 ** rng.uniform(-6, -1)
        contrast = np.sqrt(eps * 10 ** rng.uniform(-1, 1))
        yield {"x": contrast * (some_level(rng) + shuffled(rng, some_shape(rng))), "eps": eps}
    yield {"x": np.sqrt(1e-5) * shuffled(rng, some_shape(rng))}
    yield {"x": np.full((1, 1, *some_shape(rng)[2:]), a_digit(rng))}


# --- With the parameters of the layer, and a gradient from above ---


def plain(arguments):
    """Put gamma = 1 and beta = 0 between x and eps."""
    channels = arguments["x"].shape[1]
    affine = {"gamma": np.ones(channels), "beta": np.zeros(channels)}
    return {"x": arguments["x"], **affine, **arguments}


def with_affine(rng, x):
    """gamma and beta of either sign, and never near the 1 and 0 that change nothing."""
    gamma, beta = rng.uniform(1.5, 3, (2, x.shape[1])) * rng.choice([-1, 1], (2, x.shape[1]))
    return {"x": x, "gamma": gamma, "beta": beta}


def upstream(rng, x, gamma=None, eps=0.0):
    """x with a random gradient above it; gamma is 1 unless given."""
    dy = rng.uniform(-1, 1) + rng.standard_normal(x.shape)
    return {"dy": dy, "x": x, "gamma": np.ones(x.shape[1]) if gamma is None else gamma, "eps": eps}


def with_gamma(rng, x):
    """gamma of either sign, and never near 1."""
    return upstream(rng, x, rng.uniform(1.5, 3, x.shape[1]) * rng.choice([-1, 1], x.shape[1]))


def contrasted(rng, shape=None):
    """Planes of ordinary size, each with its own mean and spread."""
    return counts(rng, shape or some_shape(rng)) / 4e3


def picture(rng, *leading):
    """Shuffled planes (*leading, H, W): pooling their statistics would change nothing."""
    shape = some_shape(rng)
    shape = (*(leading or shape[:2]), *shape[2:])
    return rng.uniform(-0.5, 0.5) + rng.uniform(0.5, 2) * shuffled(rng, shape)
