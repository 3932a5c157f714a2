"""Whether a quantity can still be read off: does the output change when the quantity does?

What a step of a pipeline makes equal, no later step can tell apart. So the exposure of a picture is
lost after instance norm (at eps = 0) to every network behind it, whatever its gamma, its beta and
its weights are.
"""

from . import rows
from .arguments import check_floating
from .arrays import Array

__all__ = [
    "identifiable",
]


def identifiable(outputs: Array, tolerance: float = 1e-6) -> Array:
    """For each box, 1 if its output depends on the exposure and 0 if it does not.

    A box depends on the exposure if one of its numbers, between some two of the exposures, changes
    by more than `tolerance` times the largest of all its numbers (in size). Smaller changes are
    taken for rounding.

    Parameters
    ----------
    outputs : (B, E, D) float array: the D numbers that each of B boxes gives at E exposures
    tolerance : float

    Returns
    -------
    found : (B,) float64 array of zeros and ones

    Raises
    ------
    TypeError
        If outputs is not a floating-point array.
    ValueError
        If outputs is not (B, E, D) with at least two exposures and one number.
    """
    check_floating("outputs", outputs)
    if outputs.ndim != 3 or outputs.shape[1] < 2 or outputs.shape[2] < 1:
        raise ValueError(
            "outputs must have shape (B, E, D), boxes by exposures by numbers, with at least two "
            f"exposures and one number; got {outputs.shape}"
        )
    change = (outputs.max(1) - outputs.min(1)).max(1)
    size = rows.array_module(outputs).abs(outputs).max((1, 2))
    return (change > tolerance * size).astype("float64")
