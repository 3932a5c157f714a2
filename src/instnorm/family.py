"""The family by name, and the way back: which of its members can have made an output?"""

from . import rows
from .arguments import check_same_shape
from .arrays import Array
from .norms import batch_norm, instance_norm, layer_norm

__all__ = [
    "normalize",
    "which_norm",
]

MEMBERS = {"BN": batch_norm, "LN": layer_norm, "IN": instance_norm}


def normalize(x: Array, mode: str, eps: float = 1e-5) -> Array:
    """`batch_norm` in training, `layer_norm` or `instance_norm`, for mode "BN", "LN" or "IN".

    Parameters
    ----------
    x : (N, C, *spatial) float array with at least one spatial axis
    mode : "BN", "LN" or "IN"
    eps : float, not negative

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also ValueError for any other mode.
    """
    if mode not in MEMBERS:
        raise ValueError(f"mode must be one of {', '.join(MEMBERS)}; got {mode!r}")
    return MEMBERS[mode](x, eps=eps)


def which_norm(x: Array, y: Array, eps: float = 1e-5, *, tolerance: float = 1e-6) -> Array:
    """Which members turn x into y, as (3,) zeros and ones for BN, LN and IN.

    With one image batch norm and instance norm are the same function, with one channel layer norm
    and instance norm are; then several entries are 1. If y came from none of the three, none is.

    Parameters
    ----------
    x, y : (N, C, *spatial) float arrays of one shape: a black box's input and output
    eps : float, not negative
    tolerance : float, the largest difference that is put down to rounding

    Returns
    -------
    fits : (3,) float64 array

    Raises
    ------
    TypeError, ValueError
        As `instance_norm`; also when x and y differ in shape.
    """
    check_same_shape("y", y, "x", x)
    xp = rows.array_module(x)
    fits = [xp.allclose(member(x, eps=eps), y, tolerance, tolerance) for member in MEMBERS.values()]
    return xp.asarray(fits, dtype="float64")
