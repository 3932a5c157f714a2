"""The contrast model x = c s + n: one pattern at many gains, through noise or under a mask.

It is the smallest model of what instance normalisation is for. The gain c differs from picture to
picture and says nothing about the pattern s; the noise n is added after the gain.
"""

from .arguments import check_eps, check_floating, check_same_shape
from .arrays import Array
from .norms import instance_norm
from .rows import array_module

__all__ = [
    "contrast_response",
    "contrast_scores",
]


def contrast_scores(s: Array, c: Array, n: Array, eps: float = 1e-5) -> tuple[Array, Array]:
    """How well each row of x = c s + n matches the pattern s, before and after normalising.

    ::

        raw[b]    = <x_b, s> / m           follows the gain: c[b] plus a little noise
        normed[b] = <IN(x_b), IN(s)> / m   follows the signal-to-noise ratio and the sign of c[b]

    For noise of variance v and eps -> 0, normed is near c / sqrt(c² + v): normalising removes the
    gain, and leaves the noise where it was relative to the signal.

    Parameters
    ----------
    s : (m,) float array with mean 0 and variance 1, m >= 2
    c : (B,) float array, the gain of each row
    n : (B, m) float array, the noise of each row
    eps : float, not negative, as in `instance_norm`

    Returns
    -------
    raw, normed : (B,) float arrays

    Raises
    ------
    TypeError
        If s, c or n is not a floating-point array, or eps is not a number.
    ValueError
        If a shape does not fit, or eps is negative.
    """
    for name, array in (("s", s), ("c", c), ("n", n)):
        check_floating(name, array)
    if s.ndim != 1 or s.size < 2:
        raise ValueError(f"s must have shape (m,) with m of at least 2; got {s.shape}")
    if c.ndim != 1:
        raise ValueError(f"c must have shape (B,), one gain per row; got {c.shape}")
    if n.shape != (c.size, s.size):
        raise ValueError(
            f"n must have shape (B, m) = {(c.size, s.size)}, one row for each gain in c and one "
            f"column for each value of s; got {n.shape}"
        )
    eps = check_eps(eps)
    x = c[:, None] * s + n
    m = s.size
    return x @ s / m, _normalised(x, eps) @ _normalised(s[None], eps)[0] / m


def contrast_response(
    s: Array, mask: Array, c: Array, gamma: float = 1.0, eps: float = 1e-5
) -> tuple[Array, Array]:
    """Instance norm as a neuron that looks for `s`: its response to contrast, and the law it obeys.

    response[b] = (gamma <IN(c[b] s + mask), s'> / m)², with s' = s at mean 0 and variance 1.

    Where the mask is uncorrelated with s this is exactly a Naka-Rushton curve, r_max c^n /
    (c^n + c50^n) with r_max = gamma², n = 2 and c50 = sqrt(eps + var(mask)) / std(s): the mask
    shifts the curve to the right, as a second grating does to a neuron in visual cortex.

    Parameters
    ----------
    s : (m,) float array with some contrast, m >= 2
    mask : (m,) float array, uncorrelated with s; zeros for none
    c : (B,) float array, the contrasts
    gamma : float, the gain after normalising
    eps : float, not negative, as in `instance_norm`

    Returns
    -------
    response : (B,) float64 array
    parameters : (3,) float64 array: r_max, c50, n

    Raises
    ------
    TypeError
        If s, mask or c is not a floating-point array, or eps is not a number.
    ValueError
        If a shape does not fit, s is constant, or eps is negative.
    """
    for name, array in (("s", s), ("c", c)):
        check_floating(name, array)
        if array.ndim != 1:
            raise ValueError(f"{name} must have one axis; got shape {array.shape}")
    check_same_shape("mask", mask, "s", s)
    eps = check_eps(eps)
    s = s.astype("float64")
    unit = _normalised(s[None], 0.0)[0]
    if not unit.any():
        raise ValueError(f"s must not be constant: it has no contrast; got {s[0]} throughout")
    amplitude = gamma * _normalised(c[:, None] * s + mask, eps) @ unit / s.size
    parameters = array_module(s).full(3, 2.0)
    parameters[0] = gamma**2
    parameters[1] = (eps + mask.var()) ** 0.5 / s.std()
    return amplitude**2, parameters


def _normalised(rows, eps):
    """`instance_norm` of rows (B, m): B images of one channel, m pixels each."""
    return instance_norm(rows[:, None, :], eps=eps)[:, 0]
