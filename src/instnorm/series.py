"""Series and spectra: what time series, speech and chemistry call instance norm.

Every function normalises along the last axis: time, or wavelength. The names differ because the
fields found the same idea on their own; so do two conventions, which are stated where they matter:
whether the variance divides by M or by M - 1, and whether there is an eps.
"""

from typing import NamedTuple

from . import rows
from .arguments import (
    check_activations,
    check_eps,
    check_floating,
    check_per_channel,
    check_set_size,
)
from .arrays import Array
from .norms import instance_norm
from .planes import plane_moments

__all__ = [
    "Statistics",
    "cmn",
    "cmvn",
    "msc",
    "revin",
    "revin_inverse",
    "snv",
]


class Statistics(NamedTuple):
    """What `revin` took away and `revin_inverse` gives back: two (N, C) float64 arrays."""

    mean: object
    var: object


def revin(
    x: Array, gamma: Array | None = None, beta: Array | None = None, *, eps: float = 1e-5
) -> tuple[Array, "Statistics"]:
    """Reversible instance norm: instance norm that hands you the statistics it removes.

    Source: Kim, Kim, Tae, Park, Choi and Choo 2022, ICLR. The paper's own code has series of
    shape (N, L, C); swap the last two axes for it.

    Parameters
    ----------
    x : (N, C, L) float array: N windows of C variables over L time steps
    gamma, beta : (C,) float arrays, or None for 1 and 0
    eps : float, not negative

    Returns
    -------
    y : array like x
    statistics : Statistics, the mean and biased variance of each window and variable

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`.
    """
    _check_series(x)
    y = instance_norm(x, gamma, beta, eps=eps)
    return y, Statistics(*plane_moments(x))


def revin_inverse(
    y: Array,
    statistics: "Statistics",
    gamma: Array | None = None,
    beta: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Array:
    """Undo `revin`: x = sqrt(var + eps) * (y - beta) / gamma + mean.

    y is what a model made of the normalised window, such as a forecast, and may be of any length.

    Parameters
    ----------
    y : (N, C, L') float array
    statistics : Statistics, from `revin`
    gamma, beta, eps : as given to `revin`; gamma must not hold a 0

    Returns
    -------
    x : array like y, computed in float64

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers, or eps is not a number.
    ValueError
        If a shape does not fit, gamma holds a 0, or eps is negative.
    """
    _check_series(y, "y")
    channels = y.shape[1]
    check_per_channel("gamma", gamma, channels)
    check_per_channel("beta", beta, channels)
    eps = check_eps(eps)
    if gamma is not None and not gamma.all():
        raise ValueError("gamma must not hold a 0, which can't be divided by")
    mean, var = statistics
    for name, moment in (("mean", mean), ("var", var)):
        check_floating(f"statistics.{name}", moment)
        if moment.shape != y.shape[:2]:
            raise ValueError(
                f"statistics.{name} must have shape {y.shape[:2]}, the windows and variables of "
                f"y; got {moment.shape}"
            )
    xhat = y.astype("float64")
    if beta is not None:
        xhat -= beta.astype("float64")[:, None]
    if gamma is not None:
        xhat /= gamma.astype("float64")[:, None]
    return (xhat * (var[..., None] + eps) ** 0.5 + mean[..., None]).astype(y.dtype)


def snv(x: Array) -> Array:
    """Standard normal variate: subtract each spectrum's mean, divide by its standard deviation.

    The standard deviation divides by M - 1, as is usual in chemometrics, and there is no eps: SNV
    is sqrt((M - 1) / M) times instance norm at eps = 0. A constant spectrum gives 0.

    Source: Barnes, Dhanoa and Lister 1989, Appl. Spectrosc. 43(5):772-777.

    Parameters
    ----------
    x : (B, M) float array: B spectra at M wavelengths

    Returns
    -------
    z : array like x

    Raises
    ------
    TypeError
        If x is not a floating-point array.
    ValueError
        If x is not a (B, M) matrix with M of at least 2.
    """
    _check_spectra(x)
    length = x.shape[1]
    gain = rows.array_module(x).full(1, ((length - 1) / length) ** 0.5)
    return instance_norm(x[:, None], gain, eps=0)[:, 0]


def msc(x: Array, reference: Array | None = None) -> Array:
    """Multiplicative scatter correction: fit each spectrum by a reference, undo the fit.

    Each spectrum is regressed on the reference r by least squares, x_i ≈ a_i + b_i r, and becomes
    (x_i - a_i) / b_i. It is linear in SNV: MSC(x) = mean(r) + s_r / ρ · SNV(x), where s_r is the
    standard deviation of r (dividing by M - 1) and ρ the correlation of x and r. With the mean
    spectrum as reference the result depends on the other spectra, like batch norm; SNV does not,
    like instance norm.

    Source: Geladi, MacDougall and Martens 1985, Appl. Spectrosc. 39(3):491-500; the link to SNV,
    Dhanoa, Lister, Sanderson and Barnes 1994, doi 10.1255/jnirs.30.

    Parameters
    ----------
    x : (B, M) float array: B spectra at M wavelengths
    reference : (M,) float array, or None for the mean of the spectra

    Returns
    -------
    corrected : array like x, computed in float64

    Raises
    ------
    TypeError
        If x or reference is not a floating-point array.
    ValueError
        If a shape does not fit, reference is constant, or a spectrum has no linear relation to it
        (b_i = 0).
    """
    _check_spectra(x)
    r = x.astype("float64").mean(axis=0) if reference is None else reference
    check_floating("reference", r)
    if r.shape != (x.shape[1],):
        raise ValueError(
            f"reference must have shape ({x.shape[1]},), one value per wavelength; got {r.shape}"
        )
    dx, dr = _deviations(x), _deviations(r)
    if not dr.any():
        raise ValueError("reference must not be constant: nothing can be regressed on it")
    slope = dx @ dr / (dr @ dr)
    if not slope.all():
        raise ValueError("x must hold spectra that vary with the reference; a slope is 0")
    return (dx / slope[:, None] + r.astype("float64").mean()).astype(x.dtype)


def cmn(x: Array, lengths: Array | None = None) -> Array:
    """Cepstral mean normalisation: subtract each coefficient's mean over the utterance.

    A microphone or a room multiplies the spectrum by a constant filter, which adds a constant to
    each cepstral coefficient; the subtraction removes it. Utterances of different lengths share an
    array by padding: then only the first lengths[n] frames of utterance n are normalised, and by
    their own mean. What stands behind them has no influence, and 0 is put in its place.

    Source: Liu, Stern, Huang and Acero 1993, ACL H93-1014.

    Parameters
    ----------
    x : (N, C, T) float array: N utterances, C cepstral coefficients, T frames
    lengths : (N,) integer array with values from 2 to T, or None for T

    Returns
    -------
    y : array like x, computed in float64

    Raises
    ------
    TypeError
        If x is not a floating-point array, or lengths not an integer one.
    ValueError
        If x is not (N, C, T), T is less than 2, or lengths does not fit.
    """
    _check_series(x)
    check_set_size("each coefficient (the time axis)", x.shape, x.shape[2])
    return _each_utterance(lambda spoken: _deviations(spoken).astype(x.dtype), x, lengths)


def cmvn(x: Array, lengths: Array | None = None, *, eps: float = 0.0) -> Array:
    """Cepstral mean and variance normalisation: instance norm of each utterance.

    The variance divides by the number of frames. A coefficient that never changes gives 0. The
    lengths are those of `cmn`.

    Source: Viikki and Laurila 1998, Speech Communication 25:133-147.

    Parameters
    ----------
    x, lengths : as in `cmn`
    eps : float, added to the variance; not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `cmn`; also when eps is not a number, or negative.
    """
    _check_series(x)
    return _each_utterance(lambda spoken: instance_norm(spoken, eps=eps), x, lengths)


def _each_utterance(normalise, x, lengths):
    """Normalise the frames that were recorded, utterance by utterance; 0 elsewhere."""
    if lengths is None:
        return normalise(x)
    _check_lengths(lengths, x)
    y = rows.array_module(x).zeros_like(x)
    for n, length in enumerate(lengths.tolist()):
        y[n : n + 1, :, :length] = normalise(x[n : n + 1, :, :length])
    return y


def _deviations(x):
    """x minus its mean along the last axis, float64; exactly 0 where x is constant."""
    shifted = x.astype("float64")
    shifted = shifted - shifted[..., :1]
    return shifted - shifted.mean(axis=-1, keepdims=True)


def _check_series(x, name="x"):
    check_activations(name, x, spatial=1)
    if x.ndim != 3:
        raise ValueError(f"{name} must have shape (N, C, L), time last; got {x.shape}")


def _check_spectra(x):
    check_floating("x", x)
    if x.ndim != 2 or x.shape[1] < 2:
        raise ValueError(
            f"x must have shape (B, M), one spectrum per row, with M of at least 2; got {x.shape}"
        )


def _check_lengths(lengths, x):
    if getattr(getattr(lengths, "dtype", None), "kind", None) not in ("i", "u"):
        seen = getattr(lengths, "dtype", type(lengths).__name__)
        raise TypeError(f"lengths must be an array of whole numbers; got {seen}")
    if lengths.shape != x.shape[:1]:
        raise ValueError(
            f"lengths must have shape {x.shape[:1]}, one for each utterance; got {lengths.shape}"
        )
    if x.size and not (lengths.min() >= 2 and lengths.max() <= x.shape[2]):
        raise ValueError(
            f"lengths must lie between 2 and T = {x.shape[2]}; got {lengths.min()} to "
            f"{lengths.max()}"
        )
