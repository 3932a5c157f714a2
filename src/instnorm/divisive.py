"""Divisive normalisation: divide a response by the activity around it.

The visual system did this long before networks did. Instance norm's cousins below differ from it in
what they divide by: the responses of other neurons (Heeger), the neighbourhood in the picture
(local contrast), the neighbouring channels (local response), or the whole plane without taking its
mean away first (FRN).

All but FRN compute in float64 and return the dtype of their input; FRN uses the kernel of instance
norm.
"""

import math

from . import rows
from .arguments import check_activations, check_floating, check_per_channel
from .arrays import Array
from .planes import norm_per_plane

__all__ = [
    "divisive_norm",
    "filter_response_norm",
    "local_contrast_norm",
    "local_response_norm",
    "naka_rushton",
]


def divisive_norm(
    drive: Array,
    *,
    sigma: float,
    n: float = 2.0,
    gamma: float = 1.0,
    weights: Array | None = None,
    axis: int = 1,
) -> Array:
    """Heeger's normalisation model: each neuron's drive over the summed drive of its pool.

    R_j = gamma * D_j^n / (sigma^n + Σ_k w_jk D_k^n), the sum over all neurons k along `axis`.

    Source: Heeger 1992, Vis. Neurosci. 9(2):181-197; in this form Carandini and Heeger 2012,
    doi 10.1038/nrn3136, equation 10.

    Parameters
    ----------
    drive : float array D of any shape, not negative (half-wave rectify first)
    sigma : positive float, the semi-saturation constant: where the summed drive starts to matter
    n : positive float, the exponent
    gamma : float, the response to a drive without limit
    weights : (J, J) float array w, not negative, or None for 1 throughout
        How much neuron k counts in the pool of neuron j.
    axis : int, the axis of `drive` that holds the pool

    Returns
    -------
    response : array like drive

    Raises
    ------
    TypeError
        If drive or weights is not a floating-point array.
    ValueError
        If drive or weights has a negative value, weights is not square or of another size, drive
        has no such axis, or sigma or n is not positive.
    """
    _check_not_negative("drive", drive)
    _check_positive("sigma", sigma)
    _check_positive("n", n)
    if not -drive.ndim <= axis < drive.ndim:
        raise ValueError(f"axis must be an axis of drive, of shape {drive.shape}; got {axis}")
    # In units of sigma, and of the largest drive of a pool if that is larger, so that a power of
    # large numbers does not overflow before it is divided.
    xp = rows.array_module(drive)
    ratio = drive.astype("float64") / sigma
    unit = xp.maximum(ratio.max(axis, keepdims=True, initial=1.0), 1.0)
    power = (ratio / unit) ** n
    return (gamma * power / (unit**-n + _pool(power, weights, axis))).astype(drive.dtype)


def naka_rushton(c: Array, *, c50: float, n: float = 2.0, r_max: float = 1.0) -> Array:
    """Response to contrast: r_max * c^n / (c^n + c50^n), half of r_max at c = c50.

    It is `divisive_norm` with a pool of one. Instance norm follows the same curve: a plane of
    contrast (standard deviation) c leaves it with the mean square c² / (c² + eps), which is
    n = 2 and c50 = sqrt(eps).

    Source: Naka and Rushton 1966, J. Physiol. 185:536-555.

    Parameters
    ----------
    c : float array of any shape, not negative
    c50 : positive float, the contrast of half the greatest response
    n : positive float, the steepness
    r_max : float, the greatest response

    Returns
    -------
    response : array like c

    Raises
    ------
    TypeError, ValueError
        As `divisive_norm`.
    """
    _check_not_negative("c", c)
    _check_positive("c50", c50)
    return divisive_norm(c[..., None], sigma=c50, n=n, gamma=r_max, axis=-1)[..., 0]


def local_contrast_norm(x: Array, *, sigma: float = 2.0) -> Array:
    """Subtract the local mean, then divide by the local standard deviation where that is large.

    v = x - w * x and y = v / max(s, mean of s), with s = sqrt(w * v²). Here w * is a Gaussian
    weighted mean over the positions nearby and over all channels, s a map for each image, and its
    mean taken over that map: noise in flat regions is not blown up.

    Source: Jarrett, Kavukcuoglu, Ranzato and LeCun 2009, ICCV. There the window is 9 by 9; here it
    reaches 3 sigma each way and the picture is mirrored at its edges.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    sigma : positive float, the Gaussian's standard deviation in pixels

    Returns
    -------
    y : array like x; 0 where an image is constant

    Raises
    ------
    TypeError
        If x is not a floating-point array.
    ValueError
        If x has no spatial axis, or sigma is not positive.
    """
    check_activations("x", x, spatial=1)
    _check_positive("sigma", sigma)
    xp = rows.array_module(x)
    if x.size == 0:
        return xp.empty_like(x)
    wide = x.astype("float64")
    # Against a level of the picture itself, so that a constant picture is exactly 0.
    level = wide.reshape(len(x), -1)[:, 0]
    wide = wide - level.reshape(-1, *[1] * (x.ndim - 1))
    v = wide - _gaussian_mean(wide, sigma)
    s = xp.sqrt(_gaussian_mean(v**2, sigma))
    divisor = xp.maximum(s, s.mean(axis=tuple(range(1, x.ndim)), keepdims=True))
    return (v / xp.where(divisor == 0, 1, divisor)).astype(x.dtype)


def local_response_norm(
    x: Array, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> Array:
    """Divide each response by the energy of the neighbouring channels at the same position.

    y_c = x_c * (k + alpha * Σ_c' x_c'²)^(-beta), the sum over the `size` channels around c that
    exist. torch.nn.LocalResponseNorm takes the mean in place of the sum: its alpha is size * alpha.

    Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3, which the defaults are from.

    Parameters
    ----------
    x : (N, C, *spatial) float array
    size : odd positive int, how many channels are summed
    alpha, beta : float
    k : positive float

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError
        If x is not a floating-point array.
    ValueError
        If x has fewer than 2 axes, size is not odd and positive, or k is not positive.
    """
    check_activations("x", x, spatial=0)
    if size < 1 or size % 2 != 1:
        raise ValueError(f"size must be an odd positive whole number; got {size!r}")
    _check_positive("k", k)
    wide = x.astype("float64")
    energy = _window_sum(wide**2, [1.0] * size, axis=1, mode="constant")
    return (wide * (k + alpha * energy) ** -beta).astype(x.dtype)


def filter_response_norm(
    x: Array,
    gamma: Array | None = None,
    beta: Array | None = None,
    tau: Array | None = None,
    *,
    eps: float = 1e-6,
) -> Array:
    """Instance norm without centring, and a ReLU with a learned threshold.

    y = max(gamma * x / sqrt(nu² + eps) + beta, tau), with nu² the mean of x² over the plane.

    Source: Singh and Krishnan 2020, CVPR, arXiv:1911.09737.

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    gamma, beta : (C,) float arrays, or None for 1 and 0
    tau : (C,) float array, the thresholds; None for none
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers.
    ValueError
        If a shape does not fit, or eps is negative.
    """
    check_activations("x", x, spatial=1)
    for name, parameter in (("gamma", gamma), ("beta", beta), ("tau", tau)):
        check_per_channel(name, parameter, x.shape[1])
    xp = rows.array_module(x)
    if x.size == 0:
        return xp.empty_like(x)
    energy = (x.astype("float64") ** 2).mean(axis=tuple(range(2, x.ndim)))
    y = norm_per_plane(x, gamma, beta, (xp.zeros_like(energy), energy), eps=eps)
    if tau is None:
        return y
    return xp.maximum(y, tau.astype(x.dtype).reshape(-1, *[1] * (x.ndim - 2)))


def _pool(power, weights, axis):
    """The sum over `axis`, or one weighted sum for each neuron along it."""
    if weights is None:
        return power.sum(axis, keepdims=True)
    _check_not_negative("weights", weights)
    neurons = power.shape[axis]
    if weights.shape != (neurons, neurons):
        raise ValueError(
            f"weights must have shape ({neurons}, {neurons}), a row for each neuron along axis "
            f"{axis} of drive; got {weights.shape}"
        )
    xp = rows.array_module(power)
    return xp.moveaxis(xp.moveaxis(power, axis, -1) @ weights.astype("float64").T, -1, axis)


def _gaussian_mean(x, sigma):
    """Gaussian mean over the positions nearby and all channels: (N, C, *spatial) -> (N, 1, ...)."""
    xp = rows.array_module(x)
    radius = math.ceil(3 * sigma)
    taps = [math.exp(-0.5 * (d / sigma) ** 2) for d in range(-radius, radius + 1)]
    taps = [tap / math.fsum(taps) for tap in taps]
    x = xp.mean(x, axis=1, keepdims=True)
    # A Gaussian in the plane is a product of Gaussians along its axes: one axis after the other.
    for axis in range(2, x.ndim):
        x = _window_sum(x, taps, axis, mode="symmetric")
    return x


def _window_sum(x, taps, axis, mode):
    """Weighted sum of each value and its neighbours along one axis; the middle tap is its own."""
    xp = rows.array_module(x)
    radius, length = len(taps) // 2, x.shape[axis]
    margins = [(radius, radius) if a == axis else (0, 0) for a in range(x.ndim)]
    padded = xp.moveaxis(xp.pad(x, margins, mode=mode), axis, 0)
    total = sum(tap * padded[start : start + length] for start, tap in enumerate(taps))
    return xp.moveaxis(total, 0, axis)


def _check_not_negative(name, array):
    check_floating(name, array)
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must not be negative; its least value is {array.min()}")


def _check_positive(name, number):
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(f"{name} must be a positive number; got {number!r}")
