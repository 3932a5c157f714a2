"""What a deep network does to the statistics of its activations, with and without instance norm.

One layer is a = max(0, W a + b), a 1x1 convolution and a ReLU on C channels of m positions each.
Even if its input has mean 0 and variance 1 in every channel, its output has not, and the next layer
starts from there.
"""

import math

import numpy as np

from .arguments import check_activations, check_eps, check_floating, check_same_shape
from .arrays import Array
from .norms import instance_norm

__all__ = [
    "deep_stats",
    "in_then_relu",
    "rectified_moments",
    "relu_then_in",
]

MODES = ("none", "input", "every")


def deep_stats(
    x: Array, weights: Array, biases: Array, mode: str, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Send x through a stack of layers and measure the activations after each.

    What is normalised depends on the mode::

        "none"    nothing
        "input"   x, before the first layer
        "every"   x, and the output of every layer, after its ReLU

    At eps = 0 scaling and shifting the channels of x changes nothing under "input" and "every".
    Multiplying the weights and the bias of a later layer by a positive number changes nothing under
    "every" alone.

    Parameters
    ----------
    x : (C, m) float array, m >= 2
    weights : (L, C, C) float array; layer l computes max(0, weights[l] @ a + biases[l][:, None])
    biases : (L, C) float array
    mode : "none", "input" or "every"
    eps : float, not negative, as in `instance_norm`

    Returns
    -------
    means, stds : (L,) float arrays, over all values that layer l hands on
    a : (C, m) float array, what the last layer hands on

    Raises
    ------
    TypeError
        If x, weights or biases is not a floating-point array.
    ValueError
        If a shape does not fit, mode is unknown, or eps is negative.
    """
    _check_layers(x, weights, biases)
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(map(repr, MODES))}; got {mode!r}")
    eps = check_eps(eps)
    a = x if mode == "none" else _normalised(x, eps)
    means, stds = [], []
    for w, b in zip(weights, biases, strict=True):
        a = np.maximum(w @ a + b[:, None], 0)
        if mode == "every":
            a = _normalised(a, eps)
        means.append(a.mean())
        stds.append(a.std())
    return np.array(means, a.dtype), np.array(stds, a.dtype), a


def rectified_moments(mu: Array, sigma: Array) -> tuple[Array, Array]:
    """Mean and variance of max(0, mu + sigma Z), for a standard normal Z.

    With r = mu / sigma, and Φ and φ the standard normal distribution and density::

        E[max(0, X)]  = mu Φ(r) + sigma φ(r)
        E[max(0, X)²] = (mu² + sigma²) Φ(r) + mu sigma φ(r)

    The variance is the second minus the square of the first. At mu = 0 and sigma = 1 the mean is
    1 / sqrt(2π) = 0.399 and the variance 1/2 - 1/(2π) = 0.341.

    Source: both are integrals of x φ and x² φ over the positive half line, by parts.

    Parameters
    ----------
    mu : float array of any shape
    sigma : float array of the same shape, not negative; where it is 0, the value is max(0, mu)

    Returns
    -------
    mean, var : float64 arrays of that shape

    Raises
    ------
    TypeError
        If mu or sigma is not a floating-point array.
    ValueError
        If the shapes differ, or sigma is negative somewhere.
    """
    check_floating("mu", mu)
    check_same_shape("sigma", sigma, "mu", mu)
    if (sigma < 0).any():
        raise ValueError(f"sigma must not be negative; got {sigma.min()}")
    mu, sigma = mu.astype(np.float64), sigma.astype(np.float64)
    # Without spread r is +inf or -inf, and either formula gives what it should; at mu = 0 any will.
    spread = np.where(sigma > 0, sigma, 1.0)
    r = np.where(sigma > 0, mu / spread, np.copysign(np.inf, mu))
    survives, density = _normal_distribution(r), np.exp(-r * r / 2) / np.sqrt(2 * np.pi)
    mean = mu * survives + sigma * density
    # E[max(0, X)²] - mean², arranged so that nothing large cancels where almost all values survive.
    var = sigma**2 * survives + mean * (mu - mean)
    return mean, var


def in_then_relu(
    z: Array, gamma: Array | None = None, beta: Array | None = None, *, eps: float = 1e-5
) -> Array:
    """max(0, IN(z)): the usual order. Not negative, and so not centred.

    At eps = 0 a positive gain and a shift of a plane of z change nothing. Parameters and errors are
    those of `instance_norm`.
    """
    return np.maximum(instance_norm(z, gamma, beta, eps=eps), 0)


def relu_then_in(
    z: Array, gamma: Array | None = None, beta: Array | None = None, *, eps: float = 1e-5
) -> Array:
    """IN(max(0, z)): standardised, and so with negative values.

    At eps = 0 a positive gain of a plane of z changes nothing; a shift does, since it decides what
    the ReLU cuts. A plane with no positive value becomes beta. Parameters and errors are those of
    `instance_norm`.
    """
    check_activations("z", z, spatial=1)
    return instance_norm(np.maximum(z, 0), gamma, beta, eps=eps)


# By way of erfc, which keeps its digits where few values survive.
_normal_distribution = np.vectorize(lambda r: math.erfc(-r / math.sqrt(2)) / 2, otypes=[float])


def _normalised(a, eps):
    """`instance_norm` of C planes of m values, as one image."""
    return instance_norm(a[None], eps=eps)[0]


def _check_layers(x, weights, biases):
    for name, array in (("x", x), ("weights", weights), ("biases", biases)):
        check_floating(name, array)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(f"x must have shape (C, m) with m of at least 2; got {x.shape}")
    channels = x.shape[0]
    if weights.ndim != 3 or weights.shape[1:] != (channels, channels):
        raise ValueError(
            f"weights must have shape (L, C, C) = (L, {channels}, {channels}), a matrix for each "
            f"layer and C as in x; got {weights.shape}"
        )
    if biases.shape != weights.shape[:2]:
        raise ValueError(
            f"biases must have shape (L, C) = {weights.shape[:2]}, a row for each layer; "
            f"got {biases.shape}"
        )
