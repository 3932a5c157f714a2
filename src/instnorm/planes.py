"""One plane (one channel of one image) at a time: its moments, and normalising it by its own.

Instance norm never looks beyond a plane. So N images of C channels are as good as one image of N·C
channels, in which each plane may have a gain, an offset and even moments of its own. Style
transfer, the mixtures and the time series are built on that view.
"""

import math
from functools import partial

from . import rows
from .arguments import check_activations, check_set_size
from .arrays import Array
from .layout import Layout
from .norms import INSTANCE_SET, batch_norm, instance_norm

__all__ = [
    "norm_per_plane",
    "plane_moments",
]


def plane_moments(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel of each image.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis

    Returns
    -------
    mean, var : (N, C) float64 arrays

    Raises
    ------
    TypeError
        If x is not a floating-point array.
    ValueError
        If x has no spatial axis, or fewer than 2 values in a plane.
    """
    check_activations("x", x, spatial=1)
    check_set_size(INSTANCE_SET, x.shape, math.prod(x.shape[2:]))
    _, mean, var = Layout(x, x.shape[1]).forward(partial(rows.forward, eps=0.0))
    return mean.reshape(x.shape[:2]), var.reshape(x.shape[:2])


def norm_per_plane(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    moments: tuple[Array, Array] | None = None,
    *,
    eps: float,
) -> Array:
    """Instance norm in which every plane may have its own gamma, beta and moments.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    gamma, beta : (N, C) float arrays, (C,) float arrays for all images alike, or None for 1 and 0
    moments : (mean, var), two (N, C) float arrays to normalise by; None for the plane's own
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`.
    """
    xp = rows.array_module(x)
    planes = x.shape[:2]
    gamma, beta = (p if p is None else xp.broadcast_to(p, planes).ravel() for p in (gamma, beta))
    one_image = x.reshape(1, math.prod(planes), *x.shape[2:])
    if moments is None:
        y = instance_norm(one_image, gamma, beta, eps=eps)
    else:
        # Batch norm outside training is what normalises by moments from elsewhere.
        mean, var = (m.ravel() for m in moments)
        y = batch_norm(
            one_image, gamma, beta, running_mean=mean, running_var=var, training=False, eps=eps
        )
    return y.reshape(x.shape)
