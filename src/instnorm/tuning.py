"""A population of neurons that see orientation, normalised by its own mean activity.

It is the smallest model of primary visual cortex in which contrast changes how much a neuron
answers and not what it answers to.
"""

import numpy as np

from .arguments import check_floating, check_same_shape
from .arrays import Array
from .divisive import divisive_norm

__all__ = [
    "orientation_drive",
    "orientation_selectivity",
    "tuning_curves",
]


def orientation_drive(theta: Array, contrast: Array, preferred: Array, kappa: float) -> Array:
    """What gratings drive each neuron with, before normalisation.

    D_sj = Σ_g contrast_sg exp(kappa (cos 2(theta_sg - preferred_j) - 1)): a grating drives the
    neuron that prefers its orientation with just its contrast, gratings in one picture add up, and
    orientations repeat after half a turn.

    Parameters
    ----------
    theta : (S, G) float array, radians: the orientations of G gratings in each of S stimuli
    contrast : (S, G) float array, not negative
    preferred : (J,) float array, radians
    kappa : float, how narrowly the neurons are tuned

    Returns
    -------
    drive : (S, J) float64 array

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers.
    ValueError
        If a shape does not fit.
    """
    check_floating("theta", theta)
    if theta.ndim != 2:
        raise ValueError(f"theta must have shape (S, G), gratings in stimuli; got {theta.shape}")
    check_same_shape("contrast", contrast, "theta", theta)
    _check_preferred(preferred)
    away = theta[:, :, None].astype("float64") - preferred
    return np.einsum("sg,sgj->sj", contrast, np.exp(kappa * (np.cos(2 * away) - 1)))


def orientation_selectivity(response: Array, preferred: Array) -> Array:
    """How sharply each stimulus singles out an orientation: 1 for one neuron, 0 for all alike.

    This is one minus the circular variance::

        L_s = |Σ_j R_sj exp(2i preferred_j)| / Σ_j R_sj

    Source: Ringach, Shapley and Hawken 2002, J. Neurosci. 22(13):5639-5651.

    Parameters
    ----------
    response : (S, J) float array, not negative, no row of zeros
    preferred : (J,) float array, radians

    Returns
    -------
    selectivity : (S,) float64 array

    Raises
    ------
    TypeError
        If an array does not hold floating-point numbers.
    ValueError
        If a shape does not fit.
    """
    check_floating("response", response)
    _check_preferred(preferred)
    if response.ndim != 2 or response.shape[1] != preferred.size:
        raise ValueError(
            f"response must have shape (S, J), with J = {preferred.size} preferred orientations; "
            f"got {response.shape}"
        )
    return np.abs(response @ np.exp(2j * preferred)) / response.sum(axis=1)


def tuning_curves(
    theta: Array, contrast: Array, preferred: Array, kappa: float, sigma: float, n: float = 2.0
) -> tuple[Array, Array, Array]:
    """Drive, normalised response and selectivity of a population that shares one pool.

    R_sj = D_sj^n / (sigma^n + (1/J) Σ_k D_sk^n). For a single grating the pool hardly depends on
    its orientation, so contrast multiplies all responses alike: tuning is contrast-invariant.

    Source: Heeger 1992, Vis. Neurosci. 9(2):181-197, with the drive of `orientation_drive`.

    Parameters
    ----------
    theta, contrast, preferred, kappa : as in `orientation_drive`
    sigma, n : positive floats, as in `divisive_norm`

    Returns
    -------
    drive, response : (S, J) float64 arrays
    selectivity : (S,) float64 array, that of the response

    Raises
    ------
    TypeError, ValueError
        As `orientation_drive` and `divisive_norm`.
    """
    drive = orientation_drive(theta, contrast, preferred, kappa)
    neurons = preferred.size
    pool = np.full((neurons, neurons), 1 / neurons)
    response = divisive_norm(drive, sigma=sigma, n=n, weights=pool)
    return drive, response, orientation_selectivity(response, preferred)


def _check_preferred(preferred):
    check_floating("preferred", preferred)
    if preferred.ndim != 1:
        raise ValueError(f"preferred must have shape (J,), one per neuron; got {preferred.shape}")
