"""What the exercises share."""

from functools import partial

import numpy as np

from ..engine.compare import agree

PLANE_AXES = (-2, -1)
mean_of = partial(np.mean, axis=PLANE_AXES, keepdims=True)
var_of = partial(np.var, axis=PLANE_AXES, keepdims=True)


def mixed(rng, shape, scale=1.0):
    """A picture whose channels are correlated, each with mean 0."""
    channels = shape[1]
    rotation, _ = np.linalg.qr(rng.standard_normal((channels, channels)))
    mixing = rotation * 10 ** rng.uniform(-0.5, 0.5, channels)
    return scale * np.einsum("cd,ndhw->nchw", mixing, centred(rng.standard_normal(shape)))


def centred(x):
    return x - mean_of(x)


def two_shapes(rng, images):
    """Shapes (N, C, H, W) of two pictures with more positions than channels, one larger."""
    channels = int(rng.integers(3, 5))
    small, large = rng.choice(np.arange(4, 7), 2, replace=False), np.array([8, 7])
    return (images, channels, *map(int, small)), (images, channels, *map(int, large))


def first_image_stays(run, **pictures):
    """Whether the output for the first image is the same when the others change."""
    others = {name: np.concatenate([x[:1], 3 * x[1:] + 1]) for name, x in pictures.items()}
    return agree(run(**others)[0][:1], run()[0][:1])
