"""Colour constancy: take the colour of the light out of a photograph.

A light of another colour multiplies red, green and blue by a gain each (von Kries' diagonal model).
Instance norm on RGB removes such gains, and so does the older gray-world estimate below, which
divides by means where instance norm divides by standard deviations.
"""

from . import rows
from .arguments import check_activations
from .arrays import Array

__all__ = [
    "gray_world",
]


def gray_world(x: Array) -> Array:
    """Scale each channel of each image so that all channels have the mean of the whole image.

    y_nc = x_nc * mean(x_n) / mean(x_nc): whatever its light, the average of a scene is taken for
    grey. A channel whose mean is 0 is left as it is.

    Source: Buchsbaum 1980, J. Franklin Inst. 310(1):1-26.

    Parameters
    ----------
    x : (N, C, *spatial) float array of intensities, not negative, with at least one spatial axis

    Returns
    -------
    y : array like x

    Raises
    ------
    TypeError
        If x is not a floating-point array.
    ValueError
        If x has no spatial axis or a negative value.
    """
    check_activations("x", x, spatial=1)
    if x.size and x.min() < 0:
        raise ValueError(f"x must not be negative; its least value is {x.min()}")
    xp = rows.array_module(x)
    if x.size == 0:
        return xp.empty_like(x)
    wide = x.astype("float64")
    own = wide.mean(axis=tuple(range(2, x.ndim)), keepdims=True)
    gain = own.mean(axis=1, keepdims=True) / xp.where(own == 0, 1, own)
    return (wide * xp.where(own == 0, 1, gain)).astype(x.dtype)
